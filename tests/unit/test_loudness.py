"""Loudness of the test signals of EBU Tech 3341 and 3342, and peaks between samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.audio.loudness import LoudnessMeter

Floats = npt.NDArray[np.float32]

SR = 48_000


def tone(level_db: float, duration_s: float, sr: int = SR, hz: float = 1000.0) -> Floats:
    """A sine on the left and on the right."""
    t = np.arange(round(duration_s * sr)) / sr
    sine = 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * t)
    return np.stack([sine, sine]).astype(np.float32)


def measure(samples: Floats, sr: int = SR, block: int = 10_007) -> LoudnessMeter:
    meter = LoudnessMeter()
    for start in range(0, samples.shape[1], block):
        meter.push(samples[:, start : start + block], sr)
    return meter


@pytest.mark.parametrize("sr", [8000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("level_db", [-23.0, -33.0])
def test_a_steady_tone(sr: int, level_db: float) -> None:
    """Tech 3341, cases 1 and 2."""
    found = measure(tone(level_db, 5, sr), sr).result()
    assert found.integrated_lufs == pytest.approx(level_db, abs=0.1)


def test_quiet_passages_do_not_count() -> None:
    """Tech 3341, case 3, at half the length."""
    parts = [tone(-36, 5), tone(-23, 30), tone(-36, 5)]
    found = measure(np.concatenate(parts, axis=1)).result()
    assert found.integrated_lufs == pytest.approx(-23, abs=0.1)


def test_silence_does_not_count() -> None:
    """Tech 3341, case 4, at half the length."""
    levels = {-72: 5, -36: 5, -23: 30, -36.0001: 5, -72.0001: 5}
    parts = [tone(level, seconds) for level, seconds in levels.items()]
    found = measure(np.concatenate(parts, axis=1)).result()
    assert found.integrated_lufs == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(("other_db", "range_lu"), [(-30, 10), (-15, 5), (-20, 0)])
def test_the_loudness_range(other_db: float, range_lu: float) -> None:
    """Tech 3342, cases 1 and 2."""
    found = measure(np.concatenate([tone(-20, 20), tone(other_db, 20)], axis=1)).result()
    assert found.range_lu == pytest.approx(range_lu, abs=1)


@pytest.mark.parametrize("phase", [0.0, 45.0, 60.0, 67.5])
def test_peaks_between_the_samples(phase: float) -> None:
    """Tech 3341, cases 15 to 18: a quarter of the rate, half of full scale."""
    t = np.arange(SR)
    sine = 0.5 * np.sin(2 * np.pi * t / 4 + np.deg2rad(phase))
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 2000)
    found = measure((sine * fade).astype(np.float32)[np.newaxis]).result()
    assert found.true_peak_dbtp is not None
    assert -6.4 <= found.true_peak_dbtp <= -5.8


def test_loudness_does_not_depend_on_cuts() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 3 * SR)).astype(np.float32)
    assert measure(samples, block=997).result() == measure(samples, block=SR).result()


def test_one_channel_is_three_decibels_below_two() -> None:
    both = tone(-20, 3)
    one, two = measure(both[:1]).result(), measure(both).result()
    assert one.integrated_lufs is not None and two.integrated_lufs is not None
    assert two.integrated_lufs - one.integrated_lufs == pytest.approx(3.01, abs=0.02)


def test_low_frequencies_of_a_surround_file_do_not_count() -> None:
    six = np.zeros((6, 3 * SR), np.float32)
    six[3] = tone(-10, 3)[0]
    assert measure(six).result().integrated_lufs is None


def test_silence_has_no_loudness() -> None:
    found = measure(np.zeros((2, SR), np.float32)).result()
    assert (found.integrated_lufs, found.range_lu, found.true_peak_dbtp) == (None, None, None)


def test_the_rate_may_change_in_the_middle() -> None:
    meter = measure(tone(-23, 3))
    meter.push(tone(-23, 3, 44_100), 44_100)
    assert meter.result().integrated_lufs == pytest.approx(-23, abs=0.1)
    assert len(meter.curve()) == pytest.approx(57, abs=1)


@pytest.mark.parametrize("channels", [3, 4, 8, 16])
def test_channels_without_a_known_layout_count_the_same(channels: int) -> None:
    samples = np.repeat(tone(-30, 3)[:1], channels, axis=0)
    expected = -33.01 + 10 * np.log10(channels)
    assert measure(samples).result().integrated_lufs == pytest.approx(expected, abs=0.05)


def test_surround_channels_count_more() -> None:
    six = np.zeros((6, 3 * SR), np.float32)
    six[4] = tone(-20, 3)[0]
    loudness = measure(six).result().integrated_lufs
    assert loudness == pytest.approx(-23.01 + 1.5, abs=0.05)


@pytest.mark.parametrize("sr", [1000, 3999])
def test_very_low_sample_rates_have_a_loudness(sr: int) -> None:
    found = measure(tone(-23, 5, sr, hz=200.0), sr).result()
    assert found.integrated_lufs is not None
    assert -27 < found.integrated_lufs < -22


def test_the_peak_of_quiet_music_is_exact() -> None:
    peak = measure(tone(-80, 1)).result().true_peak_dbtp
    assert peak == pytest.approx(-80, abs=0.1)


def test_the_range_of_a_short_steady_tone_is_zero() -> None:
    """Windows that are not filled yet do not count."""
    assert measure(tone(-20, 5)).result().range_lu == 0
