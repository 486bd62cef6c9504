"""In what a clip and a recording agree, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.landmarks import make_landmarks, shifted_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams, QueryParams
from fingerprinter.core.match.agreement import (
    DrawnLandmarks,
    OffsetVotes,
    coinciding,
    offset_votes,
    shared_landmarks,
)
from fingerprinter.types import Peaks

SMALL = LandmarkParams(max_bin=100, min_dt=2, max_dt=9, max_df=12, fan_out=3)
QUERY = QueryParams(fan_out=8)

Place = tuple[int, int]  # frame and bin in quarters

places = st.lists(st.tuples(st.integers(-2, 240), st.integers(0, 400)), max_size=30, unique=True)


def peaks_at(places: list[Place]) -> Peaks:
    quarters = np.array(sorted(places), np.float32).reshape(-1, 2) / 4
    return Peaks(quarters[:, 0], quarters[:, 1], np.zeros(len(quarters), np.float32))


def some_peaks(seed: int, n: int, frames: int) -> Peaks:
    rng = np.random.default_rng(seed)
    when, bins = rng.integers(0, 4 * frames, n), rng.integers(4 * 12, 4 * 500, n)
    return peaks_at(list(zip(when.tolist(), bins.tolist(), strict=True)))


def later(peaks: Peaks, frames: float) -> Peaks:
    return replace(peaks, frames=peaks.frames + np.float32(frames))


def between(peaks: Peaks, first: float, end: float) -> Peaks:
    return peaks.take((peaks.frames >= first) & (peaks.frames < end))


@given(places, places)
def test_peaks_coincide_within_a_frame_and_a_bin(mine: list[Place], theirs: list[Place]) -> None:
    clip, reference = peaks_at(mine), peaks_at(theirs)
    heard, found = coinciding(clip, reference)

    def on_one_of(others: Peaks, frame: float, bin_: float) -> bool:
        return bool(((abs(others.frames - frame) <= 1) & (abs(others.bins - bin_) <= 1)).any())

    for peaks, marked, others in ((clip, heard, reference), (reference, found, clip)):
        expected = [
            on_one_of(others, frame, bin_)
            for frame, bin_ in zip(peaks.frames, peaks.bins, strict=True)
        ]
        assert marked.tolist() == expected


@given(places, st.integers(1, 6), st.sampled_from([0.0, 0.25, 0.5]))
def test_every_landmark_is_drawn_between_its_peaks(
    places: list[Place], fan_out: int, phase: float
) -> None:
    peaks = peaks_at(places)
    drawn = DrawnLandmarks.of(peaks, SMALL, fan_out, phase)
    made = make_landmarks(peaks, SMALL, fan_out, phase)
    # two peaks may lie in one cell; then one landmark has several pictures
    assert set(zip(drawn.hashes.tolist(), drawn.frames.tolist(), strict=True)) == set(
        zip(made.hashes.tolist(), made.frames.tolist(), strict=True)
    )
    assert (drawn.hashes[1:] >= drawn.hashes[:-1]).all()
    apart = peaks.frames[drawn.targets] - peaks.frames[drawn.anchors]
    assert ((apart > SMALL.min_dt - 1) & (apart < SMALL.max_dt + 1)).all()


@pytest.mark.parametrize("start", [0, 130, 400.5])
def test_a_clip_of_a_recording_shares_its_landmarks(start: float) -> None:
    recording = some_peaks(1, 900, 900)
    beside = between(recording, start, start + 310)
    clip = later(beside, -start)
    mine, theirs = shared_landmarks(clip, beside, start, DEFAULT, QUERY)
    stored = make_landmarks(beside, DEFAULT, DEFAULT.fan_out)
    assert len(mine) == len(theirs) >= 0.9 * len(stored)
    # all but those of two peaks that lie almost at one place
    assert np.mean((mine.anchors == theirs.anchors) & (mine.targets == theirs.targets)) > 0.99


def test_other_music_shares_next_to_nothing() -> None:
    clip, recording = some_peaks(1, 300, 310), some_peaks(2, 300, 310)
    mine, theirs = shared_landmarks(clip, recording, 0.0, DEFAULT, QUERY)
    assert len(mine) == len(theirs) < 5


def votes_for(clip: Peaks, recording: Peaks, offset: float) -> OffsetVotes:
    return offset_votes(clip, recording, offset, DEFAULT, QUERY)


def test_votes_are_the_equal_landmarks_of_each_place() -> None:
    recording = some_peaks(3, 600, 600)
    clip = later(between(recording, 100, 400), -100)
    found = votes_for(clip, recording, 100.0)
    stored = make_landmarks(recording, DEFAULT, DEFAULT.fan_out)
    asked = {
        (hash_, frame)
        for marks in shifted_landmarks(clip, DEFAULT, QUERY, QUERY.fan_out)
        for hash_, frame in zip(marks.hashes.tolist(), marks.frames.tolist(), strict=True)
    }
    counted: dict[int, int] = {}
    for hash_, frame in zip(stored.hashes.tolist(), stored.frames.tolist(), strict=True):
        for other, when in asked:
            if other == hash_:
                counted[frame - when] = counted.get(frame - when, 0) + 1
    # a clip that begins between two frames votes for both
    expected = {offset: n + counted.get(offset + 1, 0) for offset, n in counted.items()}
    assert dict(zip(found.offsets.tolist(), found.votes.tolist(), strict=True)) == expected
    assert (np.diff(found.offsets) > 0).all()
    assert found.best == max(expected.values())


def test_the_right_place_stands_above_the_luckiest_of_chance() -> None:
    recording = some_peaks(4, 1500, 1500)
    clip = later(between(recording, 700, 1000), -700)
    right = votes_for(clip, recording, 700.0)
    assert right.chance < 1
    assert right.chance < right.luckiest < right.best / 5
    stranger = votes_for(some_peaks(5, 300, 300), recording, 700.0)
    assert stranger.best <= stranger.votes.max() < 2 * stranger.luckiest


def test_repeats_raise_what_chance_may_give() -> None:
    passage, once = some_peaks(6, 200, 200), some_peaks(7, 1600, 1600)
    repeated = [later(passage, 200 * n) for n in range(8)]
    looped = Peaks(*(np.concatenate([getattr(p, n) for p in repeated]) for n in Peaks.__slots__))
    assert votes_for(passage, looped, 0.0).luckiest > 5 * votes_for(passage, once, 0.0).luckiest


@pytest.mark.parametrize("empty", ["clip", "recording", "both"])
def test_nothing_agrees_with_nothing(empty: str) -> None:
    nothing, something = peaks_at([]), some_peaks(8, 50, 60)
    clip = something if empty == "recording" else nothing
    recording = something if empty == "clip" else nothing
    votes = votes_for(clip, recording, 3.0)
    assert (len(votes.offsets), votes.best) == (0, 0)
    assert 0 < votes.chance <= votes.luckiest
    assert len(shared_landmarks(clip, recording, 3.0, DEFAULT, QUERY)[0]) == 0
    assert not any(marked.any() for marked in coinciding(clip, recording))
