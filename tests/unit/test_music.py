"""Music analysis of synthetic music, and the beat model in blocks."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.embedding.beats import BANDS, SR, BandMeter, BeatModel
from fingerprinter.library.music.analyze import AnalyzeJob, analysis_id, analyze_music

Floats = npt.NDArray[np.float32]


def drums(bpm: float, duration_s: float = 12.0) -> Floats:
    """A kick on every other beat, a snare on the others, a hat on the offbeats."""
    rng = np.random.default_rng(0)
    samples = 0.001 * rng.standard_normal(round(duration_s * SR))
    t = np.arange(SR // 8) / SR
    kick = np.sin(2 * np.pi * 60 * t) * np.exp(-20 * t)
    for number, at_s in enumerate(np.arange(0.3, duration_s - 1, 60 / bpm)):
        hiss = rng.standard_normal(len(t))
        hat = 0.1 * np.diff(hiss, prepend=0) * np.exp(-60 * t)
        snare = 0.4 * hiss * np.exp(-25 * t)
        for after_s, sound in ((0.0, kick if number % 2 == 0 else snare), (30 / bpm, hat)):
            start = round((at_s + after_s) * SR)
            samples[start : start + len(t)] += 0.5 * sound
    return samples.astype(np.float32)


@pytest.mark.parametrize("bpm", [87.0, 104.5, 120.0, 138.0])
def test_tempo_and_beats_of_drums(bpm: float) -> None:
    found = analyze_music((drums(bpm), SR)).analysis
    assert found.tempo_bpm == pytest.approx(bpm, rel=0.01)
    true_s = np.arange(0.3, 11, 60 / bpm)
    away_s = np.abs(np.array(found.beats_s) - true_s[:, np.newaxis]).min(axis=1)
    assert np.mean(away_s < 0.05) > 0.85


def test_the_analysis_does_not_depend_on_the_level() -> None:
    loud, quiet = (analyze_music((gain * drums(120), SR)).analysis for gain in (0.9, 0.05))
    assert loud.tempo_bpm == pytest.approx(quiet.tempo_bpm, abs=0.1)
    assert loud.loudness.integrated_lufs is not None and quiet.loudness.integrated_lufs is not None
    gain_db = loud.loudness.integrated_lufs - quiet.loudness.integrated_lufs
    assert gain_db == pytest.approx(25.1, abs=0.5)


def test_loudness_uses_all_channels() -> None:
    t = np.arange(5 * 48_000) / 48_000
    sine = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * t)
    found = analyze_music((np.stack([sine, -sine]).astype(np.float32), 48_000)).analysis
    assert found.loudness.integrated_lufs == pytest.approx(-23, abs=0.1)
    assert found.key is None  # the mean of both channels is silence


@pytest.mark.parametrize("n", [1, 100, SR // 2, 10 * SR])
def test_silence_has_no_tempo_beats_or_key(n: int) -> None:
    found = analyze_music((np.zeros(n, np.float32), SR)).analysis
    assert (found.tempo_bpm, found.tempo_confidence, found.beats_s, found.key) == (
        None,
        None,
        (),
        None,
    )
    assert found.loudness.integrated_lufs is None


@pytest.mark.parametrize("sound", ["noise", "tone"])
def test_noise_and_a_tone_have_no_tempo_beats_or_key(sound: str) -> None:
    times = np.arange(30 * SR) / SR
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(times))
    samples = noise if sound == "noise" else 0.3 * np.sin(2 * np.pi * 440 * times)
    found = analyze_music((samples.astype(np.float32), SR)).analysis
    assert (found.tempo_bpm, found.beats_s, found.key) == (None, (), None)


def test_bands_do_not_depend_on_block_boundaries() -> None:
    samples = drums(100, 3.0)
    results = []
    for size in (441, 1000, 70_000):
        meter = BandMeter()
        for start in range(0, len(samples), size):
            meter.push(samples[start : start + size])
        results.append(meter.result())
    assert results[0].shape == (150, BANDS)
    for other in results[1:]:
        np.testing.assert_allclose(results[0], other, rtol=2e-3, atol=1e-4)


def test_activations_do_not_depend_on_the_chunk_size() -> None:
    bands = np.random.default_rng(0).gamma(0.3, size=(300, BANDS)).astype(np.float16)
    whole = BeatModel().activations(bands)
    in_chunks = BeatModel().activations(bands, chunk_frames=70)
    np.testing.assert_allclose(in_chunks, whole, atol=1e-4)


def test_only_the_first_hour_has_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprinter.library.music.analyze.LONGEST_S", 10.0)
    found = analyze_music((drums(120, 25.0), SR))
    assert found.duration_s == 25
    assert max(found.analysis.beats_s) < 10
    assert found.analysis.sections[-1].end_s == 10
    assert len(found.loudness_lufs) > 240


def test_the_analysis_id_is_a_digest() -> None:
    assert len(analysis_id()) == 16
    assert AnalyzeJob().prepare() is analyze_music


@pytest.mark.parametrize(("gain", "sr"), [(1e6, 44_100), (0.1, 1000), (1e-7, SR), (0.1, 192_000)])
def test_extreme_levels_and_rates_give_finite_values(gain: float, sr: int) -> None:
    noise = gain * np.random.default_rng(0).standard_normal((2, 5 * sr))
    text = json.dumps(
        asdict(analyze_music((noise.astype(np.float32), sr)).analysis), allow_nan=False
    )
    assert "beats_s" in text
