"""Closeness of a clip and a recording: exact offsets, and low scores for other music."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.peaks import sort_by_frame
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.core.match.closeness import closeness
from fingerprinter.types import Peaks


def recording(seed: int, n: int = 900, frames: int = 900) -> Peaks:
    """Peaks at quarters of frames and bins, sorted by bin."""
    rng = np.random.default_rng(seed)
    bins = np.sort(rng.integers(4 * 20, 4 * 500, n)).astype(np.float32) / 4
    when = rng.integers(0, 4 * frames, n).astype(np.float32) / 4
    return Peaks(when, bins, rng.normal(-1, 2, n).astype(np.float32))


def passage(track: Peaks, start: float, length: float) -> Peaks:
    inside = track.take((track.frames >= start) & (track.frames < start + length))
    return sort_by_frame(replace(inside, frames=inside.frames - np.float32(start)))


@given(st.integers(0, 50), st.integers(0, 800), st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]))
def test_a_passage_is_found_within_an_eighth_of_a_frame(
    seed: int, start: int, wrong: float
) -> None:
    track = recording(seed)
    found = closeness(passage(track, start, 60), track, start + wrong)
    assert found.offset == pytest.approx(start, abs=0.125)
    assert found.score > 10


@given(st.integers(0, 50))
def test_other_music_scores_below_zero(seed: int) -> None:
    track = recording(seed)
    assert closeness(passage(recording(seed + 1000), 100, 60), track, 300.0).score < 0


def test_every_missing_peak_lowers_the_score() -> None:
    track = recording(3)
    clip = passage(track, 200, 100)
    scores = [
        closeness(clip.take(np.arange(len(clip)) % 4 < kept), track, 200.0).score
        for kept in (4, 3, 2, 1)
    ]
    assert scores == sorted(scores, reverse=True)


def test_peaks_of_lower_grades_add_less_evidence() -> None:
    track = recording(5)
    clip = passage(track, 200, 100)
    half = np.where(np.arange(len(clip)) % 2, np.int8(1), np.int8(0))
    scores = [
        closeness(replace(clip, grade=(half * grade).astype(np.int8)), track, 200.0).score
        for grade in (0, 1, 2)
    ]
    without = closeness(clip.take(half == 0), track, 200.0)
    assert scores[0] > scores[1] > scores[2] > without.score
    graded = closeness(replace(clip, grade=half), track, 200.0)
    assert graded.share == pytest.approx(without.share, abs=0.02)  # the place may be another eighth


def test_salience_is_evidence_for_or_against_a_passage() -> None:
    track = recording(6)
    clip = passage(track, 200, 100)
    known = closeness(clip, track, 200.0)
    fainter = replace(
        clip, salience=clip.salience - np.float32(1.7)
    )  # noise lowers all saliences alike
    assert closeness(fainter, track, 200.0).score == pytest.approx(known.score)
    other = replace(clip, salience=clip.salience[::-1])
    unknown = replace(track, salience=np.full(len(track), np.float32(np.nan)))
    without = closeness(clip, unknown, 200.0)
    assert closeness(other, track, 200.0).score < without.score - 3 < known.score - 6
    assert without.offset == known.offset


@pytest.mark.parametrize("warp", [Warp(2.0, 1.0), Warp(1.0, 0.5), Warp(2.0, 0.5)])
def test_peaks_of_a_fast_or_low_clip_may_lie_farther_off(warp: Warp) -> None:
    track, rng = recording(7), np.random.default_rng(7)
    exact = passage(track, 200, 100)
    off_frames, off_bins = rng.normal(0, 0.3, (2, len(exact))).astype(np.float32)
    clip = sort_by_frame(
        replace(
            exact,
            frames=exact.frames + off_frames * np.float32(warp.tempo),
            bins=exact.bins + off_bins / np.float32(warp.pitch),
        )
    )
    assert closeness(clip, track, 200.0, warp).score > closeness(clip, track, 200.0).score + 3
    assert closeness(passage(recording(1007), 100, 60), track, 300.0, warp).score < 0
    opposite = Warp(1 / warp.tempo, 1 / warp.pitch)
    slow_or_high = closeness(clip, track, 200.0, opposite)
    assert slow_or_high == closeness(clip, track, 200.0, UNCHANGED)


def test_an_empty_clip_scores_zero() -> None:
    nothing = passage(recording(1), 0, 0)
    assert closeness(nothing, recording(2), 7.0) == closeness(nothing, recording(1), 7.0)
    assert closeness(nothing, recording(2), 7.0).score == 0.0


def test_an_offset_after_the_recording_scores_zero() -> None:
    track = recording(4)
    assert closeness(passage(track, 0, 60), track, 5000.0).score == 0.0
