"""Recordings followed through long clips of peaks made from seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from constellations import PER_S, Heard, clip_of, joined, looped, moved, sky

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import PeakChunk
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp, unwarp
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.library.identify.track_list import TrackList, merge_copies
from fingerprinter.types import Peaks

MIN_AGREEING = 40  # peaks of a window
NEAR_S = 1.0  # borders lie between slices of half a second

Recordings = Mapping[int, Peaks]


def scored(track_id: int, offset: float, score: float, warp: Warp = UNCHANGED) -> ScoredMatch:
    return ScoredMatch(
        track_id,
        offset,
        warp,
        alignment=9.0,
        closeness=9.0,
        share=1.0,
        score=score,
        null_score=2.0,
        confidence=1.0,
    )


class Searcher:
    """Finds, by trying everything, what most of a window's peaks agree on."""

    def __init__(
        self,
        recordings: Recordings,
        warps: Sequence[Warp] = (UNCHANGED,),
        min_agreeing: int = MIN_AGREEING,
    ) -> None:
        self.recordings, self.warps, self.min_agreeing = recordings, warps, min_agreeing
        self.searches = 0

    def identify(
        self, window: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> list[ScoredMatch]:
        self.searches += 1
        tried = [
            (*best_offset(unwarp(window, warp), recording), track_id, warp)
            for track_id, recording in self.recordings.items()
            for warp in self.warps
        ]
        agree, offset, track_id, warp = max(tried, key=lambda each: each[0])
        return [scored(track_id, offset, agree, warp)] if agree >= self.min_agreeing else []

    def track_peaks(self, track_id: int) -> Peaks:
        return self.recordings[track_id]


class ConstantSearcher(Searcher):
    """Finds the same matches in every window."""

    def __init__(self, matches: list[ScoredMatch]) -> None:
        super().__init__(RECORDINGS)
        self.matches = matches

    def identify(
        self, window: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> list[ScoredMatch]:
        return self.matches


def best_offset(window: Peaks, recording: Peaks) -> tuple[int, float]:
    """(pairs that agree, offset) of the offset with most of them."""
    alike = np.abs(recording.bins[:, None] - window.bins[None]) <= 0.25
    apart = (recording.frames[:, None] - window.frames[None])[alike]
    if len(apart) == 0:
        return 0, 0.0
    steps = np.rint(apart).astype(np.int64)
    counts = np.bincount(steps - steps.min())
    return int(counts.max()), float(counts.argmax() + steps.min())


def chunks_of(clip: Peaks, duration_s: float, frames: int = 512) -> list[PeakChunk]:
    total = round(duration_s * PER_S)
    ends = [*range(frames, total, frames), total]
    borders = np.searchsorted(clip.frames, [0, *ends])
    borders[-1] = len(clip)
    return [
        PeakChunk(clip.take(np.arange(low, high)), end)
        for low, high, end in zip(borders, borders[1:], ends, strict=False)
    ]


def listed(
    searcher: Searcher, clip: Peaks, duration_s: float, frames: int = 512
) -> list[tuple[int, float, float]]:
    """(track, start, end) in seconds, in the order of the clip."""
    return [
        (each.track_id, each.start / PER_S, each.end / PER_S)
        for each in matches_in(searcher, clip, duration_s, frames)
    ]


def matches_in(
    searcher: Searcher, clip: Peaks, duration_s: float, frames: int = 512
) -> list[ScoredMatch]:
    track_list = TrackList(searcher, 0.95, DEFAULT)
    parts = chunks_of(clip, duration_s, frames)
    ended = [each for part in parts for each in track_list.push(part)]
    return sorted([*ended, *track_list.close()], key=lambda each: each.start)


RECORDINGS = {number: sky(number, 130) for number in (1, 2, 3)}


def test_tracks_have_exact_borders_and_unknown_music_has_none() -> None:
    clip = clip_of(
        230,
        Heard(RECORDINGS[1], 31, 90, from_s=20),
        Heard(RECORDINGS[2], 130, 200, from_s=15),
    )
    first, second = listed(Searcher(RECORDINGS), clip, 230)
    assert first == pytest.approx((1, 31, 90), abs=NEAR_S)
    assert second == pytest.approx((2, 130, 200), abs=NEAR_S)


def test_a_recording_that_is_followed_needs_no_search() -> None:
    searcher = Searcher(RECORDINGS)
    clip = clip_of(100, Heard(RECORDINGS[1], 0, 100))
    (entry,) = listed(searcher, clip, 100)
    assert entry == pytest.approx((1, 0, 100), abs=NEAR_S)
    assert searcher.searches == 1


def test_two_at_once_are_both_followed() -> None:
    clip = clip_of(
        120,
        Heard(RECORDINGS[1], 0, 80, from_s=10, share=0.5),
        Heard(RECORDINGS[2], 30, 110, from_s=12, share=0.4),
    )
    first, second = listed(Searcher(RECORDINGS), clip, 120)
    assert first == pytest.approx((1, 0, 80), abs=NEAR_S)
    assert second == pytest.approx((2, 30, 110), abs=NEAR_S)


def test_a_recording_is_followed_as_its_tempo_drifts() -> None:
    warps = [Warp(1 + percent / 100, 1.0) for percent in range(-4, 5)]
    heard = Heard(RECORDINGS[1], 10, 100, tempo=(0.98, 1.02))
    (found,) = matches_in(Searcher(RECORDINGS, warps), clip_of(110, heard), 110)
    assert (found.start / PER_S, found.end / PER_S) == pytest.approx((10, 100), abs=NEAR_S)
    assert found.time_map.tempo == pytest.approx(1.0, abs=0.003)


def test_a_recording_is_followed_where_its_tempo_jumps() -> None:
    warps = [UNCHANGED, Warp(1.05, 1.0)]
    clip = clip_of(
        31,
        Heard(RECORDINGS[1], 0, 15, from_s=40),
        Heard(RECORDINGS[1], 15, 30, from_s=55, tempo=(1.05, 1.05)),
    )
    before, after = matches_in(Searcher(RECORDINGS, warps), clip, 31)
    borders = before.end / PER_S, after.start / PER_S
    assert borders == pytest.approx((15, 15), abs=3.0)  # near the jump both time maps fit
    assert before.time_map.tempo == pytest.approx(1.0, abs=0.003)
    assert after.time_map.tempo == pytest.approx(1.05, abs=0.003)


def test_the_tempo_is_made_exact() -> None:
    warps = [UNCHANGED, Warp(1.04, 1.0)]
    heard = Heard(RECORDINGS[1], 10, 90, tempo=(1.043, 1.043))
    (found,) = matches_in(Searcher(RECORDINGS, warps), clip_of(100, heard), 100)
    assert found.time_map.tempo == pytest.approx(1.043, abs=2e-4)
    assert found.time_map.at(10 * PER_S) == pytest.approx(0, abs=0.5)


def test_the_same_recording_at_two_times_is_two_entries() -> None:
    clip = clip_of(
        200,
        Heard(RECORDINGS[1], 0, 60, from_s=10),
        Heard(RECORDINGS[1], 120, 190, from_s=12),
    )
    first, second = listed(Searcher(RECORDINGS), clip, 200)
    assert first == pytest.approx((1, 0, 60), abs=NEAR_S)
    assert second == pytest.approx((1, 120, 190), abs=NEAR_S)


def test_a_beginning_and_an_end_that_are_drowned_are_taken_as_played() -> None:
    """What fades in a few seconds after its beginning was played from there."""
    of = RECORDINGS[3]
    clip = clip_of(
        170,
        Heard(of, 23, 28, from_s=3, share=0.25),
        Heard(of, 28, 141, from_s=8),
        Heard(of, 141, 147, from_s=121, share=0.25),
    )
    (entry,) = listed(Searcher(RECORDINGS), clip, 170)
    assert entry == pytest.approx((3, 20, 150), abs=0.2)


def test_what_breaks_off_near_its_end_was_cut() -> None:
    clip = clip_of(170, Heard(RECORDINGS[3], 25, 144, from_s=5))
    (entry,) = listed(Searcher(RECORDINGS), clip, 170)
    assert entry == pytest.approx((3, 25, 144), abs=NEAR_S)


def test_a_loop_is_one_entry_wherever_in_it_the_clip_is_found() -> None:
    loop = joined([looped(sky(7, 8), 8, 6), moved(sky(8, 40), 48)])
    clip = clip_of(100, Heard(loop, 5, 93))
    entries = listed(Searcher({7: loop}), clip, 100)
    assert entries == [(7, pytest.approx(5, abs=NEAR_S), pytest.approx(93, abs=NEAR_S))]


@pytest.mark.parametrize("gap_s, entries", [(20, 1), (50, 2)])
def test_a_pause_joins_what_a_break_divides(gap_s: float, entries: int) -> None:
    clip = clip_of(
        140,
        Heard(sky(4, 200), 0, 40, from_s=30),
        Heard(sky(4, 200), 40 + gap_s, 130, from_s=70 + gap_s),
    )
    found = listed(Searcher({4: sky(4, 200)}), clip, 140)
    assert len(found) == entries
    assert (found[0][1], found[-1][2]) == pytest.approx((0, 130), abs=NEAR_S)


def test_what_is_found_late_is_followed_back() -> None:
    """Under the other sound, only its last third would be found by a search."""
    clip = clip_of(
        100,
        Heard(RECORDINGS[1], 5, 60, from_s=19, share=0.15),
        Heard(RECORDINGS[1], 60, 90, from_s=74),
    )
    (entry,) = listed(Searcher(RECORDINGS), clip, 100)
    assert entry == pytest.approx((1, 5, 90), abs=3 * NEAR_S)


def test_unknown_music_and_silence_have_no_entry() -> None:
    assert listed(Searcher(RECORDINGS), clip_of(120), 120) == []
    assert listed(Searcher(RECORDINGS), clip_of(60, noise_per_s=0), 60) == []


@pytest.mark.parametrize(
    "duration_s, min_agreeing", [(1, 8), (4, 40), (14, 40), (16, 40), (24, 40)]
)
def test_short_clips_have_their_match(duration_s: float, min_agreeing: int) -> None:
    clip = clip_of(duration_s, Heard(RECORDINGS[2], 0, duration_s, from_s=40))
    assert listed(Searcher(RECORDINGS, min_agreeing=min_agreeing), clip, duration_s) == [
        (2, pytest.approx(0, abs=NEAR_S), pytest.approx(duration_s, abs=NEAR_S))
    ]


def test_a_long_clip_needs_more_than_one_match() -> None:
    """A match that the peaks along its time map do not support is dropped."""
    beginning = RECORDINGS[1].take(RECORDINGS[1].frames < 400)
    matches = Searcher(RECORDINGS).identify(beginning, 0.95)
    assert len(matches) == 1
    track_list = TrackList(ConstantSearcher(matches), 0.95, DEFAULT)
    assert [each for part in chunks_of(clip_of(90), 90) for each in track_list.push(part)] == []
    assert track_list.close() == []


@pytest.mark.parametrize("frames", [100, 777, 5000])
def test_cuts_do_not_matter(frames: int) -> None:
    clip = clip_of(
        150,
        Heard(RECORDINGS[1], 0, 80, from_s=10, share=0.5),
        Heard(RECORDINGS[2], 50, 140, from_s=20, share=0.4),
    )
    whole = listed(Searcher(RECORDINGS), clip, 150)
    assert listed(Searcher(RECORDINGS), clip, 150, frames) == whole


def test_of_a_long_clip_only_the_last_minutes_are_kept() -> None:
    track_list = TrackList(ConstantSearcher([]), 0.95, DEFAULT)
    kept = [
        (track_list.push(part), track_list.kept_peaks)[1] for part in chunks_of(clip_of(1500), 1500)
    ]
    assert max(kept) < 330 * 40 < sum(kept)


def match_in(track_id: int, start: float, end: float, score: float) -> ScoredMatch:
    return replace(scored(track_id, 0.0, score), start=start, end=end)


def test_of_copies_that_play_at_once_the_best_is_kept() -> None:
    copies = {frozenset((1, 2)), frozenset((4, 5))}
    compared = []

    def are_copies(a: int, b: int) -> bool:
        compared.append({a, b})
        return frozenset((a, b)) in copies

    matches = [
        match_in(1, 0, 100, 5),
        match_in(2, 2, 99, 8),  # a copy of 1 at its time, and better
        match_in(3, 0, 90, 3),  # another recording at the same time
        match_in(1, 300, 400, 5),  # at another time than its copy
        match_in(4, 500, 600, 9),
        match_in(5, 580, 700, 2),  # a copy that takes over, as in a mix of two versions
    ]
    kept = [(each.track_id, each.start) for each in merge_copies(matches, are_copies)]
    assert kept == [(3, 0), (2, 2), (1, 300), (4, 500), (5, 580)]
    assert {4, 5} not in compared  # only what plays at once is compared
