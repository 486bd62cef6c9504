"""Peaks agree with plain loops, and do not depend on cuts, gain or position."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import play

from fingerprinter.core.fingerprint import peaks as peak_module
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density, sort_by_bin
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.types import Peaks

Floats = npt.NDArray[np.float32]

SMALL = LandmarkParams(
    sr=8000,
    n_fft=256,
    hop_length=80,
    min_bin=3,
    max_bin=60,
    peak_frames=5,
    peak_bins=7,
    mean_frames=11,
    mean_bins=9,
)


def noise(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def sine(hz: float, n: int, params: LandmarkParams) -> Floats:
    return (0.5 * np.sin(2 * np.pi * hz / params.sr * np.arange(n))).astype(np.float32)


def box_around(a: Floats, row: int, col: int, rows: int, cols: int) -> Floats:
    """The box of ``rows`` by ``cols`` around a point, cut at the borders."""
    up, left = row - rows // 2, col - cols // 2
    return a[max(up, 0) : row + rows // 2 + 1, max(left, 0) : col + cols // 2 + 1]


def parabola_vertex(before: float, middle: float, after: float) -> float:
    bend = before - 2 * middle + after
    return 0.0 if bend > -1e-6 else min(0.5, max(-0.5, (before - after) / (2 * bend)))


def peaks_by_plain_loops(
    samples: Floats, params: LandmarkParams
) -> list[tuple[float, float, float]]:
    """(frame, bin, salience) of each peak, by a loop over all points."""
    a = log_spectrogram(samples, params)
    levels = np.log(np.exp(2 * a).sum(axis=1)) / 2
    found = []
    for row, col in np.ndindex(len(a), params.max_bin):
        at = a[row, col]
        highest = box_around(a, row, col, params.peak_frames, params.peak_bins).max()
        if col < params.min_bin or at < highest or at <= params.floor:
            continue
        mean = box_around(a, row, col, params.mean_frames, params.mean_bins).mean(dtype=np.float64)
        above, below = a[max(row - 1, 0), col], a[min(row + 1, len(a) - 1), col]
        frame = row + parabola_vertex(above, at, below)
        bin_ = col + parabola_vertex(a[row, col - 1], at, a[row, col + 1])
        near = slice(max(row - params.mean_frames // 2, 0), row + params.mean_frames // 2 + 1)
        salience = at - mean + params.level_weight * (at - levels[near].max())
        found.append((round(frame * 4) / 4, round(bin_ * 4) / 4, float(salience)))
    return sorted(found)


def same_bits(a: Peaks, b: Peaks) -> bool:
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in Peaks.__slots__)


def places(peaks: Peaks) -> set[tuple[float, float]]:
    return set(zip(peaks.frames.tolist(), peaks.bins.tolist(), strict=True))


def test_a_grade_tells_the_narrowest_box_without_a_greater_value() -> None:
    samples = noise(16_000, seed=3)
    boxes = [(SMALL.peak_frames, SMALL.peak_bins), (3, 5), (3, 3)]
    graded = find_peaks([samples], SMALL, boxes[1:])
    assert same_bits(graded.take(graded.grade == 0), find_peaks([samples], SMALL))
    for number, (frames, bins) in enumerate(boxes):
        alone = find_peaks([samples], replace(SMALL, peak_frames=frames, peak_bins=bins))
        assert places(graded.take(graded.grade <= number)) == places(alone)


def test_graded_peaks_do_not_depend_on_cuts() -> None:
    samples = noise(50_000, seed=4)
    whole = find_peaks([samples], DEFAULT, [(5, 9), (3, 5)])
    cut = find_peaks(
        [samples[:777], samples[777:30_000], samples[30_000:]], DEFAULT, [(5, 9), (3, 5)]
    )
    assert set(whole.grade.tolist()) == {0, 1, 2}
    assert same_bits(whole, cut)


def random_peaks(seed: int, n: int, frames: int) -> Peaks:
    """Peaks in any order within a frame, with ties of salience."""
    rng = np.random.default_rng(seed)
    where = np.sort(rng.integers(0, 4 * frames, n)).astype(np.float32) / 4
    salience = rng.integers(0, 30, n).astype(np.float32)
    return Peaks(where, rng.integers(0, 100, n).astype(np.float32), salience)


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from([0, 1]))
def test_sliding_max_agrees_with_plain_loops(width: int, extra: int, axis: int) -> None:
    a = np.random.default_rng(width).normal(size=(width + extra, 3)).astype(np.float32)
    expected = np.array([a[i : i + width].max(axis=0) for i in range(extra + 1)])
    found = peak_module.sliding_max(a if axis == 0 else a.T, width, axis)
    assert np.array_equal(found if axis == 0 else found.T, expected)


@pytest.mark.parametrize("block_frames", [512, 7])
@pytest.mark.parametrize("params", [SMALL, replace(SMALL, peak_frames=15)])
def test_agrees_with_plain_loops(params: LandmarkParams, block_frames: int) -> None:
    samples = noise(60 * SMALL.hop_length)
    samples[2000:2600] = 0.0
    peaks = find_peaks([samples], params, block_frames=block_frames)
    found = zip(peaks.frames.tolist(), peaks.bins.tolist(), peaks.salience.tolist(), strict=True)
    expected = peaks_by_plain_loops(samples, params)
    assert len(expected) > 15
    assert np.allclose(list(found), expected, atol=1e-4)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 16_000), max_size=40))
def test_peaks_are_bit_equal_however_the_audio_is_cut(cuts: list[int]) -> None:
    samples = noise(16_000)
    whole = find_peaks([samples], SMALL, block_frames=50)  # several blocks in a short piece
    blocks = np.split(samples, sorted(cuts))
    assert same_bits(find_peaks(blocks, SMALL, block_frames=50), whole)


def test_peaks_of_music_are_bit_equal_however_it_is_cut() -> None:
    samples = play(1, 40)
    whole = find_peaks([samples], DEFAULT)
    assert len(whole) > 1000
    for size in (160_000, 7_777):
        blocks = np.split(samples, range(size, len(samples), size))
        assert same_bits(find_peaks(blocks, DEFAULT), whole)


def test_peaks_are_sorted_by_frame_and_bin() -> None:
    peaks = find_peaks([noise(16_000)], SMALL)
    assert all(a <= b for a, b in pairwise(zip(peaks.frames, peaks.bins, strict=True)))


@given(st.floats(1000, 1800))
def test_a_sine_has_its_peaks_at_its_frequency(hz: float) -> None:
    peaks = limit_density(find_peaks([sine(hz, 4000, SMALL)], SMALL), 10, SMALL)
    assert len(peaks)
    strongest = peaks.bins[peaks.salience.argmax()]
    assert abs(strongest - hz / SMALL.bin_hz) <= 0.25


@given(st.integers(2000, 3000))
def test_a_short_tone_has_its_peak_at_its_time(middle: int) -> None:
    t = np.arange(5000) - middle
    tone = sine(1500, 5000, SMALL) * np.exp(-((t / 60) ** 2)).astype(np.float32)
    peaks = find_peaks([tone], SMALL)
    strongest = peaks.frames[peaks.salience.argmax()]
    assert abs(strongest - (middle - SMALL.n_fft / 2) / SMALL.hop_length) <= 0.25


@pytest.mark.parametrize("decibels", [-0.5, -6, -20, -30])
def test_peaks_do_not_depend_on_gain(decibels: float) -> None:
    params = replace(DEFAULT, floor=-13.0)  # the default floor is an absolute level
    samples = play(2, 10) + noise(10 * DEFAULT.sr) / 100
    changed = (samples * 10 ** (decibels / 20)).astype(np.float32)
    before, after = (
        places(limit_density(find_peaks([each], params), 30, params)) for each in (samples, changed)
    )
    assert len(before & after) > 0.98 * len(before | after)


@pytest.mark.parametrize("n", [0, 1, SMALL.n_fft - 1])
def test_less_than_a_frame_has_no_peaks(n: int) -> None:
    assert len(find_peaks([noise(n)], SMALL)) == len(find_peaks([], SMALL)) == 0


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.5])
def test_silence_has_no_peaks(level: float) -> None:
    """Digital silence, less than a bit of noise, a constant."""
    n = 4 * DEFAULT.n_fft
    samples = np.full(n, level, np.float32) if level == 0.5 else noise(n) * 10 * level
    assert len(find_peaks([samples.astype(np.float32)], DEFAULT)) == 0


@given(st.integers(0, 1000), st.integers(0, 60), st.sampled_from([2.0, 10.0, 40.0]))
def test_limit_density_agrees_with_plain_loops(seed: int, n: int, per_s: float) -> None:
    peaks = random_peaks(seed, n, 40)
    rank = peak_module.RANK_FRAMES
    quota = per_s * (2 * rank + 1) * SMALL.hop_s
    kept = []
    for i, frame in enumerate(peaks.frames):
        near = [j for j in range(n) if j != i and abs(peaks.frames[j] - frame) <= rank]
        stronger = [peaks.salience[j] > peaks.salience[i] for j in near]
        earlier = [peaks.salience[j] == peaks.salience[i] and j < i for j in near]
        kept.append(sum(stronger) + sum(earlier) < quota)
    assert same_bits(limit_density(peaks, per_s, SMALL), peaks.take(np.array(kept, np.bool_)))


@given(st.integers(0, 1000), st.integers(0, 300))
def test_limit_density_keeps_about_the_given_number_of_peaks(seed: int, n: int) -> None:
    peaks = random_peaks(seed, n, 200)
    few, many = (places(limit_density(peaks, per_s, SMALL)) for per_s in (5.0, 20.0))
    assert few <= many
    assert len(few) <= 2 * 5.0 * 200 * SMALL.hop_s + 30


def test_sort_by_bin_keeps_the_order_of_frames_within_a_bin() -> None:
    places = [(0.0, 30.5), (0.25, 12.0), (1.0, 30.25), (2.0, 12.0), (2.5, 30.5)]
    frames, bins = np.array(places, np.float32).T
    ordered = sort_by_bin(Peaks(frames, bins, np.zeros(len(frames), np.float32)))
    assert list(zip(ordered.bins.tolist(), ordered.frames.tolist(), strict=True)) == sorted(
        (bin_, frame) for frame, bin_ in places
    )
