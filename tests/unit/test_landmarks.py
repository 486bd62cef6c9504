"""Landmarks agree with plain loops; a hash depends on its three numbers alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.landmarks import (
    hash_bits,
    make_landmarks,
    pair_hash,
    shifted_landmarks,
    warped_landmarks,
)
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp, unwarp
from fingerprinter.types import Landmarks, Peaks

SMALL = LandmarkParams(max_bin=100, min_dt=2, max_dt=9, max_df=12)

Place = tuple[int, int]  # frame and bin in quarters


def peaks_at(places: list[Place]) -> Peaks:
    quarters = np.array(sorted(places), np.float32).reshape(-1, 2) / 4
    return Peaks(quarters[:, 0], quarters[:, 1], np.zeros(len(quarters), np.float32))


def as_sorted_pairs(marks: Landmarks) -> list[tuple[int, int]]:
    return sorted(zip(marks.hashes.tolist(), marks.frames.tolist(), strict=True))


def round_half_up(number: float) -> int:
    """The nearest integer, halves up."""
    return int(np.floor(number + 0.5))


def hash_of(anchor: Place, target: Place, params: LandmarkParams) -> int:
    numbers = (anchor[1], target[1] - anchor[1], target[0] - anchor[0])
    arrays = (np.array([number], np.int32) for number in numbers)
    return int(pair_hash(*arrays, params)[0])


def landmarks_by_plain_loops(
    peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float
) -> list[tuple[int, int]]:
    places = sorted(
        (round_half_up(frame + phase), round_half_up(bin_))
        for frame, bin_ in zip(peaks.frames, peaks.bins, strict=True)
    )
    marks = []
    for number, anchor in enumerate(places):
        zone = [
            target
            for target in places[number + 1 :]
            if params.min_dt <= target[0] - anchor[0] <= params.max_dt
            and abs(target[1] - anchor[1]) <= params.max_df
        ]
        marks += [(hash_of(anchor, target, params), anchor[0]) for target in zone[:fan_out]]
    return sorted(marks)


places = st.lists(st.tuples(st.integers(-2, 120), st.integers(0, 400)), max_size=40)


@given(places, st.integers(1, 6), st.sampled_from([0.0, 0.25, 0.5]))
def test_agrees_with_plain_loops(places: list[Place], fan_out: int, phase: float) -> None:
    peaks = peaks_at(places)
    marks = make_landmarks(peaks, SMALL, fan_out, phase)
    assert as_sorted_pairs(marks) == landmarks_by_plain_loops(peaks, SMALL, fan_out, phase)


@given(places, st.integers(1, 1000))
def test_shifted_peaks_have_the_same_hashes_at_shifted_frames(
    places: list[Place], later: int
) -> None:
    marks = make_landmarks(peaks_at(places), SMALL, 4)
    moved = make_landmarks(
        peaks_at([(frame + 4 * later, bin_) for frame, bin_ in places]), SMALL, 4
    )
    expected = [(hash_, frame + later) for hash_, frame in as_sorted_pairs(marks)]
    assert as_sorted_pairs(moved) == expected


@pytest.mark.parametrize("params", [DEFAULT, SMALL, LandmarkParams(max_bin=1023, max_df=64)])
def test_hashes_are_unique_and_fit_in_their_bits(params: LandmarkParams) -> None:
    bins = [0, 1, params.max_bin - 1, params.max_bin]
    df = [-params.max_df, -1, 0, 1, params.max_df]
    dt = [params.min_dt, params.max_dt - 1, params.max_dt]
    triples = np.array(list(product(bins, df, dt)), np.int32)
    hashes = pair_hash(*triples.T, params)
    assert hashes.dtype == np.uint32
    assert len(np.unique(hashes)) == len(triples)
    assert int(hashes.max()) < 1 << hash_bits(params)


@pytest.mark.parametrize("places", [[], [(0, 80)], [(0, 80), (4000, 80)]])
def test_peaks_without_a_pair_have_no_landmarks(places: list[Place]) -> None:
    marks = make_landmarks(peaks_at(places), SMALL, 5)
    assert len(marks) == 0
    assert (marks.hashes.dtype, marks.frames.dtype) == (np.uint32, np.int32)


def test_warped_landmarks_are_nearly_those_of_each_warp_alone() -> None:
    """Some of the chosen pairs lie outside the target zone of a single warp."""
    rng = np.random.default_rng(5)
    frames = np.sort(rng.integers(0, 1200, 300)).astype(np.float32) / 4
    peaks = Peaks(frames, rng.integers(80, 800, 300).astype(np.float32) / 4, frames * 0)
    warps = [Warp(0.8, 0.8), Warp(1.0, 1.06), Warp(1.3, 1.0)]
    for warp, marks in zip(warps, warped_landmarks(peaks, warps, DEFAULT, 8), strict=True):
        alone = make_landmarks(unwarp(peaks, warp), DEFAULT, 8)
        shared = set(as_sorted_pairs(marks)) & set(as_sorted_pairs(alone))
        assert len(shared) > 0.95 * len(marks) > 0.7 * len(alone)


def test_the_unchanged_warp_gives_the_plain_landmarks() -> None:
    peaks = peaks_at([(8 * i, 40 + 28 * (i % 5)) for i in range(60)])
    (marks,) = warped_landmarks(peaks, [UNCHANGED], DEFAULT, 8)
    alone = make_landmarks(peaks, DEFAULT, 8)
    assert sorted(marks.hashes.tolist()) == sorted(alone.hashes.tolist())


def test_a_clip_between_two_frames_matches_at_a_phase() -> None:
    """The clip is half a frame late and a quarter of a bin off, so plain rounding loses hashes."""
    places = [(4 * i, 160 + 31 * i % 97) for i in range(80)]
    recording = set(make_landmarks(peaks_at(places), DEFAULT, 4).hashes.tolist())
    moved = peaks_at([(frame + 2, bin_ + 1 + i % 2) for i, (frame, bin_) in enumerate(places)])
    found = shifted_landmarks(moved, DEFAULT, QueryParams(), 12)
    all_hashes = {hash_ for marks in found for hash_ in marks.hashes.tolist()}
    (alone,) = shifted_landmarks(moved, DEFAULT, QueryParams(phases=(0.0,), detunings=(0.0,)), 12)
    assert len(recording & all_hashes) > len(recording & set(alone.hashes.tolist()))
