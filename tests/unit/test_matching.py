"""Votes and alignment against plain loops; what a score and a confidence must obey."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.peaks import sort_by_frame
from fingerprinter.core.fingerprint.warp import TEMPOS, Warp
from fingerprinter.core.match import matching
from fingerprinter.core.match.matching import (
    HashQuery,
    align,
    build_query,
    confidence,
    count_votes,
    vote_keys,
)
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.types import Landmarks, Peaks

Mark = tuple[int, int]  # hash and frame
Library = list[tuple[int, int]]  # hash and position

marks = st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 30)), max_size=12)
variants = st.lists(st.lists(marks, min_size=1, max_size=2), min_size=1, max_size=4)
libraries = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60)), max_size=40)


def landmarks(each: Sequence[Mark]) -> Landmarks:
    hashes, frames = np.array(each, np.int64).reshape(-1, 2).T
    return Landmarks(hashes.astype(np.uint32), frames.astype(np.int32))


def query_of(variants: Sequence[Sequence[Sequence[Mark]]]) -> HashQuery:
    return build_query([[landmarks(phase) for phase in phases] for phases in variants])


def keys_in(library: Library, query: HashQuery) -> npt.NDArray[np.int64]:
    """The keys that the postings of a library vote for."""
    hits = [
        (number, position)
        for number, wanted in enumerate(query.hashes.tolist())
        for hash_, position in library
        if hash_ == wanted
    ]
    hash_index, position = np.array(hits, np.int64).reshape(-1, 2).T
    return vote_keys(query, hash_index, position)


def votes_plainly(library: Library, phases: Sequence[Sequence[Mark]]) -> Counter[int]:
    """Votes for each place; a landmark that two phases share votes once."""
    once = {mark for phase in phases for mark in phase}
    return Counter(
        position - frame for hash_, frame in once for known, position in library if known == hash_
    )


def with_neighbour(votes: Counter[int]) -> dict[int, int]:
    """A clip between two frames votes for both: a place takes the next one's votes too."""
    return {place: count + votes[place + 1] for place, count in votes.items()}


@given(variants)
def test_a_query_has_each_hash_once(variants: list[list[list[Mark]]]) -> None:
    query = query_of(variants)
    all_hashes = [hash_ for phases in variants for phase in phases for hash_, _ in phase]
    assert query.hashes.tolist() == sorted(set(all_hashes))
    assert query.counts.sum() == len(query.shifts)


@given(variants, libraries)
def test_votes_agree_with_plain_loops(variants: list[list[list[Mark]]], library: Library) -> None:
    keys = keys_in(library, query_of(variants))
    for number, phases in enumerate(variants):
        votes = count_votes(keys, range(number, number + 1), 1000)
        expected = with_neighbour(votes_plainly(library, phases))
        assert dict(zip(votes.position.tolist(), votes.votes.tolist(), strict=True)) == expected


@given(variants, libraries, st.integers(1, 5))
def test_the_places_with_most_votes_come_first(
    variants: list[list[list[Mark]]], library: Library, limit: int
) -> None:
    keys = keys_in(library, query_of(variants))
    all_votes = count_votes(keys, range(1), 1000).votes.tolist()
    found = count_votes(keys, range(1), limit).votes.tolist()
    assert found == sorted(all_votes, reverse=True)[:limit]


def test_excess_ranks_places_as_their_votes_do() -> None:
    """Two places of the best track, then one each of three others."""
    tracks = np.array([5, 5, 9, 2, 7])
    excess = matching.vote_excess(np.array([40, 30, 7, 7, 3]), tracks)
    assert (np.diff(excess) <= 0).all()
    assert excess[1] > 0 > excess[-1]


def test_a_second_place_of_the_best_track_does_not_count_as_chance() -> None:
    alone = matching.vote_excess(np.array([40, 7, 7]), np.array([5, 9, 2]))
    both = matching.vote_excess(np.array([40, 30, 7, 7]), np.array([5, 5, 9, 2]))
    assert both[0] == alone[0]


@pytest.mark.parametrize("votes", [[], [40]])
def test_excess_needs_no_other_track(votes: list[int]) -> None:
    excess = matching.vote_excess(np.array(votes, np.int64), np.full(len(votes), 5))
    assert len(excess) == len(votes)


def random_peaks(seed: int, n: int, frames: float) -> Peaks:
    """Places to a quarter, sorted by bin as `align` takes a track."""
    rng = np.random.default_rng(seed)
    where = rng.integers(0, round(4 * frames), n).astype(np.float32) / 4
    bins = np.sort(rng.integers(40, 400, n)).astype(np.float32) / 4
    return Peaks(where, bins, np.zeros(n, np.float32))


def clip_of(track: Peaks, start: float, length: float) -> Peaks:
    inside = track.take((track.frames >= start) & (track.frames < start + length))
    return sort_by_frame(Peaks(inside.frames - np.float32(start), inside.bins, inside.salience))


def coincidences_plainly(clip: Peaks, track: Peaks, near: float) -> float:
    """The best weighted count of coincidences around a proposed offset, pair by pair."""
    policy = DEFAULT_POLICY.alignment
    reach = len(policy.kernel) // 2
    curve: defaultdict[int, float] = defaultdict(float)
    for frame, bin_ in zip(clip.frames, clip.bins, strict=True):
        for other_frame, other_bin in zip(track.frames, track.bins, strict=True):
            if abs(other_bin - bin_) <= policy.bin_tolerance:
                step = int(np.rint((other_frame - frame) * policy.steps_per_frame))
                for away in range(-reach, reach + 1):
                    curve[step + away] += policy.kernel[reach + away]
    middle = round(near * policy.steps_per_frame)
    tried = range(middle - policy.search_steps, middle + policy.search_steps + 1)
    return max(curve[step] for step in tried)


@settings(max_examples=30)
@given(st.integers(0, 500), st.floats(20, 120))
def test_alignment_agrees_with_plain_loops(seed: int, near: float) -> None:
    track, clip = random_peaks(seed, 200, 200), sort_by_frame(random_peaks(seed + 1, 30, 40))
    found = align(clip, track, near)
    assert found.coincidences == pytest.approx(coincidences_plainly(clip, track, near))


@given(st.integers(0, 500), st.integers(0, 1200), st.floats(-1.5, 1.5))
def test_a_clip_lies_where_it_was_cut(seed: int, start_quarters: int, error: float) -> None:
    track, start = random_peaks(seed, 800, 400), start_quarters / 4
    found = align(clip_of(track, start, 60), track, start + error)
    assert found.offset == start
    wrong = align(clip_of(track, start, 60), track, start + 30)
    assert found.score > 3 * wrong.score
    assert found.coincidences > wrong.coincidences


def test_a_clip_may_begin_before_its_track() -> None:
    track = random_peaks(7, 800, 400)
    clip = clip_of(track, 0, 60)
    late = Peaks(clip.frames + np.float32(25), clip.bins, clip.salience)
    assert align(late, track, -25).offset == -25


@given(st.integers(0, 200), st.floats(-0.015, 0.015), st.floats(-0.004, 0.004))
def test_a_warp_is_refined_by_what_coincides(seed: int, tempo: float, pitch: float) -> None:
    track, proposed = random_peaks(seed, 800, 400), Warp(1.04, 0.97)
    true = Warp(proposed.tempo * (1 + tempo), proposed.pitch * (1 + pitch))
    clip = clip_of(track, 100, 150)
    changed = Peaks(
        clip.frames / np.float32(true.tempo), clip.bins * np.float32(true.pitch), clip.bins
    )
    found = matching.refine_warp(changed, track, proposed, 100)
    assert found.tempo == pytest.approx(true.tempo, rel=0.002)
    assert found.pitch == pytest.approx(true.pitch, rel=0.002)


def test_a_warp_stays_where_nothing_coincides() -> None:
    proposed = Warp(1.04, 0.97)
    other = random_peaks(1, 5, 50)
    assert matching.refine_warp(other, random_peaks(2, 800, 400), proposed, 100) == proposed


@pytest.mark.parametrize("n_clip, n_track", [(0, 0), (0, 20), (20, 0)])
def test_nothing_in_common_scores_nothing(n_clip: int, n_track: int) -> None:
    found = align(random_peaks(1, n_clip, 50), random_peaks(2, n_track, 100), 10)
    assert (found.coincidences, found.score) == (0, 0)


def test_peaks_of_other_frequencies_score_nothing() -> None:
    track = random_peaks(1, 100, 100)
    higher = Peaks(track.frames, track.bins + 500, track.salience)
    assert align(higher, track, 0).score == 0


def test_a_proposal_beyond_the_track_scores_nothing() -> None:
    track = random_peaks(1, 100, 100)
    assert align(clip_of(track, 0, 50), track, 100_000).score == 0


@given(st.floats(0, 200), st.floats(0.1, 100), st.floats(-10, 30))
def test_confidence_rises_with_the_score(score: float, more: float, chance: float) -> None:
    certain = confidence(score, chance)
    assert 0 <= certain <= 1
    assert confidence(score + more, chance) >= certain >= confidence(score, chance + more)
    assert confidence(chance, chance) == 0.5


@given(st.floats(0.3, 20), st.floats(0, 10), st.floats(60, 1e9), st.floats(5, 60), st.booleans())
def test_chance_reaches_more_in_short_clips_large_or_sparse_libraries_and_under_changes(
    clip_s: float, longer: float, library_s: float, peaks_per_s: float, sketched: bool
) -> None:
    level = partial(matching.null_score, reach="unchanged", sketched=sketched)
    usual = level(clip_s, library_s, peaks_per_s)
    assert level(clip_s + longer, library_s, peaks_per_s) <= usual
    assert level(clip_s, 10 * library_s, peaks_per_s) >= usual
    assert level(clip_s, library_s, peaks_per_s / 2) >= usual
    warped = level(clip_s, library_s, peaks_per_s, reach="warped")
    assert level(clip_s, library_s, peaks_per_s, reach="wide") > warped > usual
    assert level(clip_s, library_s, peaks_per_s, sketched=True) >= usual


def test_a_clip_of_few_patterns_needs_more_and_most_under_changes() -> None:
    level = partial(matching.null_score, 3.0, 1e5, 30.0, sketched=True)
    unchanged, warped = partial(level, reach="unchanged"), partial(level, reach="warped")
    assert unchanged(patterns=150.0) > unchanged(patterns=2500.0) + 10
    assert warped(patterns=150.0) - warped() > unchanged(patterns=150.0) - unchanged()
    assert unchanged(patterns=2500.0) == unchanged()


@given(st.floats(-20, 20), st.floats(-30, 100))
def test_likeness_says_nothing_where_the_peaks_speak_against_a_place(
    likeness: float, by_peaks: float
) -> None:
    supported = matching.supported_likeness(likeness, 9.0, by_peaks)
    assert supported <= likeness
    assert by_peaks > -6 or supported <= 0
    assert matching.supported_likeness(likeness, 0.0, by_peaks) <= 0


def test_without_contrast_a_clip_of_few_notes_needs_more_under_changes_only() -> None:
    level = partial(matching.null_score, 3.0, 1e5, 30.0, sketched=True)
    assert level(reach="warped", bins=12) > level(reach="warped", bins=50) + 3
    assert level(reach="warped", bins=50) == level(reach="warped")
    assert level(reach="unchanged", bins=1) == level(reach="unchanged")


@pytest.mark.parametrize("tempo", [0.78, 0.9, 1.1, 1.3])
def test_a_clip_that_fits_in_part_is_laid_at_its_tempo(tempo: float) -> None:
    """Found at the recording's own tempo, where only what lies around its middle agrees."""
    track = random_peaks(7, 3000, 2000)
    passage = clip_of(track, 800, 160 * tempo)
    clip = Peaks(passage.frames / np.float32(tempo), passage.bins, passage.salience)
    held = 800 + 80 * tempo - 80  # so that the middles lie on each other
    warp, offset = matching.refit_tempo(clip, track, Warp(1.0, 1.0), held, TEMPOS)
    assert warp.tempo == pytest.approx(tempo, rel=0.011)
    assert warp.pitch == 1.0
    assert offset == pytest.approx(800, abs=3)


def test_nothing_near_leaves_a_place_as_it_is() -> None:
    clip, track = random_peaks(1, 0, 10), random_peaks(2, 100, 50)
    assert matching.refit_tempo(clip, track, Warp(1.1, 0.9), 7.0, TEMPOS) == (Warp(1.1, 0.9), 7.0)
