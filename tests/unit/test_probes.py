"""Probes of recordings, and their votes against plain loops."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import SR, play

from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.match.duplicate_queries import (
    SPEEDS,
    DuplicateCandidate,
    DuplicateQuery,
    HashFrequencies,
    probe_landmarks,
)
from fingerprinter.types import Landmarks, Peaks

Mark = tuple[int, int]  # hash and frame
Posting = tuple[int, int, int]  # hash, track and frame

hashes = st.integers(0, 6)
probe_lists = st.lists(
    st.lists(st.tuples(hashes, st.integers(-1, 20)), max_size=12), min_size=1, max_size=3
)
libraries = st.lists(
    st.tuples(hashes, st.integers(1, 3), st.integers(0, 20)), max_size=40, unique=True
)


def landmarks(marks: list[Mark]) -> Landmarks:
    hashes, frames = np.array(marks, np.int64).reshape(-1, 2).T
    return Landmarks(hashes.astype(np.uint32), frames.astype(np.int32))


def proposed(probes: list[list[Mark]], library: list[Posting]) -> list[DuplicateCandidate]:
    query = DuplicateQuery([landmarks(marks) for marks in probes])
    hits = [
        (number, track, frame)
        for number, wanted in enumerate(query.hashes.tolist())
        for hash_, track, frame in library
        if hash_ == wanted
    ]
    hash_index, track, frame = np.array(hits, np.int64).reshape(-1, 3).T
    return list(query.proposals(hash_index, track, frame))


def votes_plainly(
    probes: list[list[Mark]], library: list[Posting]
) -> dict[tuple[int, int], Counter[int]]:
    """The votes for each offset of each probe and track; one between two frames has both's."""
    single: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for probe, marks in enumerate(probes):
        for hash_, frame in marks:
            for known, track, place in library:
                single[probe, track][place - frame] += hash_ == known
    return {
        pair: Counter({offset: n + votes[offset + 1] for offset, n in votes.items() if n})
        for pair, votes in single.items()
    }


@pytest.mark.slow
@given(probe_lists, libraries)
def test_votes_agree_with_plain_loops(probes: list[list[Mark]], library: list[Posting]) -> None:
    votes = votes_plainly(probes, library)
    enough = {pair for pair, each in votes.items() if max(each.values(), default=0) >= 4}
    found = proposed(probes, library)
    assert {(each.probe, each.track_id) for each in found} == enough
    for each in found:
        pair_votes = votes[each.probe, each.track_id]
        assert each.votes == max(pair_votes.values()) == pair_votes[each.offsets[0]]
        assert [pair_votes[offset] for offset in each.offsets] == sorted(
            (pair_votes[offset] for offset in each.offsets), reverse=True
        )
        assert all(pair_votes[offset] >= 3 for offset in each.offsets)
        assert min(np.diff(sorted(each.offsets)), default=5) > 4


def test_empty_probes_and_libraries_propose_nothing() -> None:
    assert proposed([[]], [(1, 1, 1)]) == []
    assert proposed([[(1, 1)]], []) == []


def music_peaks(seed: int, duration_s: float, speed: float = 1.0) -> Peaks:
    peaks = find_peaks([play(seed, duration_s, speed, speed)], DEFAULT)
    return limit_density(peaks, DEFAULT.peaks_per_s, DEFAULT)


@pytest.mark.slow
def test_a_probe_is_small_spread_and_without_repeats() -> None:
    marks = probe_landmarks(music_peaks(1, 90), DEFAULT)
    assert len(marks) == len(SPEEDS)
    for some, speed in zip(marks, SPEEDS, strict=True):
        probe = HashFrequencies(DEFAULT).probe(some, speed)
        assert len(probe) == (128 if speed == 1.0 else 192)
        assert len(np.unique(probe.hashes)) == len(probe)
        quarters = np.histogram(probe.frames, 4, (0, 90 / DEFAULT.hop_s * speed))[0]
        assert quarters.min() > 0.15 * len(probe)


def test_a_probe_has_the_rarest_landmarks() -> None:
    frequencies = HashFrequencies(DEFAULT)
    common, rare = np.uint32(5 << 12), np.uint32(9 << 12)
    frequencies.meet(Landmarks(np.full(50, common), np.zeros(50, np.int32)))
    hashes = np.tile([common, rare], 256) + np.arange(512, dtype=np.uint32) % 32
    marks = Landmarks(hashes, np.arange(512, dtype=np.int32))
    assert (frequencies.probe(marks, 1.0).hashes >= rare).all()
    few = Landmarks(hashes[:3], marks.frames[:3])
    assert frequencies.probe(few, 1.0).hashes.tolist() == hashes[:3].tolist()


def test_the_probe_of_a_short_recording_has_all_of_it() -> None:
    peaks = music_peaks(2, 4)
    marks = make_landmarks(peaks, DEFAULT, DEFAULT.fan_out)
    once = [h for h, n in Counter(marks.hashes.tolist()).items() if n == 1]
    assert sorted(probe_landmarks(peaks, DEFAULT)[0].hashes.tolist()) == sorted(once)


@pytest.mark.parametrize("duration_s", [0.0, 0.05])
def test_silence_has_no_landmarks(duration_s: float) -> None:
    peaks = find_peaks([np.zeros(round(duration_s * SR), np.float32)], DEFAULT)
    for some, speed in zip(probe_landmarks(peaks, DEFAULT), SPEEDS, strict=True):
        assert len(HashFrequencies(DEFAULT).probe(some, speed)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("speed", [SPEEDS[2], SPEEDS[5], SPEEDS[8]])
def test_a_changed_speed_is_undone(speed: float) -> None:
    original = make_landmarks(music_peaks(3, 30), DEFAULT, DEFAULT.fan_out).hashes
    marks = probe_landmarks(music_peaks(3, 30, speed), DEFAULT)
    shared = {s: shared_with(some, original) for s, some in zip(SPEEDS, marks, strict=True)}
    assert max(shared, key=shared.__getitem__) == speed
    assert shared[speed] > 3 * shared[1.0]


def shared_with(marks: Landmarks, hashes: npt.NDArray[np.uint32]) -> float:
    return float(np.isin(marks.hashes, hashes).mean())


def test_a_loop_has_a_probe_although_all_its_hashes_repeat() -> None:
    loop = np.tile(play(7, 2), 12)
    peaks = limit_density(find_peaks([loop], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)
    unchanged, *_ = probe_landmarks(peaks, DEFAULT)
    assert len(unchanged) > 64
    assert len(np.unique(unchanged.hashes)) == len(unchanged)
