"""A long clip -> every recording in it, from when to when, while it comes in.

Windows of the clip are searched as short clips are. What is found is followed along its line
back to where it begins and on to where it ends (`fingerprinter.library.identify.tracker`); a window that is
explained by what plays already needs no search. Memory is bounded: some minutes of the clip's
peaks, the recordings that are followed, and the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import PeakChunk
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.match.tracking import BESIDE_FRAMES, STEP_FRAMES, TimeMap
from fingerprinter.library.identify.identifier import Found
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.library.identify.tracker import MatchTracker, Span, steps_between
from fingerprinter.library.identify.windows import Identify, LocatedMatch, time_map_of
from fingerprinter.types import Peaks

_KEPT_S = 300.0  # of the clip's peaks: how far back a recording is followed that is found late
# Presence of all that plays, above which something else is looked for seldom only: one of two
# at equal level has more in one clip of three, so a clip of one window is always looked through.
_CLEAR, _SELDOM_S = 0.75, 120.0
_HIDES = 0.2  # presence above which what plays may hide the rest for long
_MOST_HOPS = 4  # between windows that are looked into in vain then
_AT_ONCE = 4  # recordings that are looked for in a window
_SAME_FRAMES = 16.0  # half a second: lines that lie closer are the same
_SAME_TIME = 0.5  # of the shorter, in which two entries of a recording are one
_LEFT_OVER = 62.0  # 2 s at the end of a clip say nothing new
_AHEAD = STEP_FRAMES + BESIDE_FRAMES + 1  # of the clip behind a window whose steps are complete

Stored = Callable[[int], Peaks]
Spans = Mapping[MatchTracker, Span | None]


def all_matches(
    identify: Identify,
    stored: Stored,
    stretches: Iterable[PeakChunk],
    params: LandmarkParams,
    query: QueryParams,
) -> Iterator[LocatedMatch]:
    """Every recording in a clip, in the order in which they end.

    identify: the recordings in a clip of some seconds; stored: the peaks of a track
    """
    track_list = TrackList(identify, stored, params, query)
    for stretch in stretches:
        yield from track_list.push(stretch)
    yield from track_list.close()


def merge_copies(
    heard: Iterable[LocatedMatch], are_one: Callable[[int, int], bool]
) -> list[LocatedMatch]:
    """The recordings in their order, of copies that are heard at once only the best.

    are_one: whether two tracks hold the same recording
    """
    kept: list[LocatedMatch] = []
    for each in sorted(heard, key=lambda each: -each.found.score):
        if not any(
            _in_common(each, other) > _SAME_TIME
            and are_one(each.found.track_id, other.found.track_id)
            for other in kept
        ):
            kept.append(each)
    return sorted(kept, key=lambda each: each.start)


class TrackList:
    """Takes a clip as it comes in, and gives its recordings as they end."""

    def __init__(
        self, identify: Identify, stored: Stored, params: LandmarkParams, query: QueryParams
    ) -> None:
        self._identify, self._stored = identify, stored
        self._length = query.window_s / params.hop_s
        self._hop = query.window_hop_s / params.hop_s
        self._clip = PeakBuffer(_KEPT_S / params.hop_s)
        self._trails: list[MatchTracker] = []
        self._seldom = _SELDOM_S / params.hop_s
        self._cursor, self._searched, self._last_search, self._hops = 0.0, 0.0, 0.0, 1

    def push(self, stretch: PeakChunk) -> list[LocatedMatch]:
        """What comes next of the clip; the recordings that are over by then."""
        self._clip.push(stretch)
        self._go_on()
        while self._cursor + self._length + _AHEAD <= self._clip.end:
            self._look(self._cursor)
        return self._taken_off(self._cursor - self._length)  # no window goes further back

    def close(self) -> list[LocatedMatch]:
        """The clip is at its end; the recordings that were not over before."""
        self._clip.ended = True
        self._go_on()
        while self._clip.end - self._searched > (_LEFT_OVER if self._searched else 0.0):
            self._look(max(0.0, min(self._cursor, self._clip.end - self._length)))
        for trail in self._trails:
            trail.over = True
        return self._taken_off(np.inf)

    def _go_on(self) -> None:
        for trail in self._trails:
            trail.go_on(self._clip)

    def _look(self, start: float) -> None:
        """Searches a window for what is not explained in it, and moves on."""
        end = min(start + self._length, self._clip.end)
        found = 0
        while found < _AT_ONCE and self._has_room(start, end) and self._search(start, end):
            found += 1
        hidden = not found and _HIDES <= self._presence(start, end) < _CLEAR
        self._hops = min(self._hops + 1, _MOST_HOPS) if hidden else 1
        self._searched = end
        self._cursor = start + self._hops * self._hop

    def _has_room(self, start: float, end: float) -> bool:
        """Whether more may be heard in a window than what is known to play there."""
        whole = start == 0 and end == self._clip.end
        late = start - self._last_search >= self._seldom
        return whole or late or self._presence(start, end) < _CLEAR

    def _presence(self, start: float, end: float) -> float:
        """Mean share of the recordings' peaks that are in a window, 0..1."""
        steps = steps_between(start, end)
        plays = [sum(trail.presence(number) for trail in self._trails) for number in steps]
        borders = np.clip([*steps, steps[-1] + 1], start / STEP_FRAMES, end / STEP_FRAMES)
        return float(np.average(np.minimum(plays, 1.0), weights=np.diff(borders)))

    def _search(self, start: float, end: float) -> bool:
        """Whether something new was found in a window; it is followed."""
        self._last_search = start
        for found in self._identify(*self._unexplained(start, end)):
            course = time_map_of(found, start)
            if self._is_new(found, course, (start + end) / 2):
                trail = MatchTracker(found, course, self._stored(found.track_id))
                trail.follow(self._clip, start, end)
                self._trails.append(trail)
                return True
        return False

    def _unexplained(self, start: float, end: float) -> tuple[Peaks, Floats | None]:
        """The peaks of a window without those of what plays, and its contrast if nothing does."""
        known = np.zeros(len(self._clip.peaks), np.bool_)
        for number in steps_between(start, end):
            for trail in self._trails:
                if trail.presence(number):
                    known |= trail.explained(self._clip, number)
        contrast = None if known.any() else self._clip.contrast(start, end)
        return self._clip.window(start, end, known), contrast

    def _is_new(self, found: Found, course: TimeMap, frame: float) -> bool:
        """Whether nothing is followed along its line yet."""
        return all(
            trail.found.track_id != found.track_id
            or abs(trail.at(frame) - course.at(frame)) > _SAME_FRAMES
            for trail in self._trails
        )

    def _extent(self, trail: MatchTracker) -> Span | None:
        """Where a recording is heard; a clip of one window needs no more than its answer."""
        extent = trail.extent()
        if extent is None and self._clip.ended and self._clip.end <= self._length:
            return Span(trail.first, 0.0, self._clip.end, 0.0)
        return extent

    def _taken_off(self, before: float) -> list[LocatedMatch]:
        """The recordings that ended before a frame of the clip; they are let go."""
        extents = {trail: self._extent(trail) for trail in self._trails}
        ended = [
            trail
            for trail, extent in extents.items()
            if all(_is_done(each, extents[each], before) for each in _rivals(trail, extents))
        ]
        self._trails = [trail for trail in self._trails if trail not in ended]
        return [
            LocatedMatch(trail.found, extent.time_map, extent.start, extent.end)
            for trail in ended
            if (extent := extents[trail]) and trail is _best(_rivals(trail, extents), extents)
        ]


def _is_done(trail: MatchTracker, extent: Span | None, before: float) -> bool:
    return trail.over and (extent is None or extent.end <= before)


def _rivals(trail: MatchTracker, extents: Spans) -> list[MatchTracker]:
    """Itself and what holds the same recording, along another line, for most of its time."""
    mine = extents[trail]
    return [
        other
        for other, extent in extents.items()
        if other is trail
        or (other.found.track_id == trail.found.track_id and _in_common(mine, extent) > _SAME_TIME)
    ]


def _in_common(one: Span | LocatedMatch | None, other: Span | LocatedMatch | None) -> float:
    """Time that two have in common, as a share of the shorter one's."""
    if one is None or other is None:
        return 0.0
    common = min(one.end, other.end) - max(one.start, other.start)
    return common / max(1.0, min(one.end - one.start, other.end - other.start))


def _best(trails: Sequence[MatchTracker], extents: Spans) -> MatchTracker:
    return max(trails, key=lambda trail: extent.nats if (extent := extents[trail]) else 0.0)
