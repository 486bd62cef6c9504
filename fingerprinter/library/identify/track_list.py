"""Finds every recording in a long clip, from when to when, while it comes in.

Windows of the clip are searched as short clips are. What is found is followed back to where it
begins and on to where it ends (`fingerprinter.library.identify.tracker`). A window that is
explained by what plays already needs no search. Memory is bounded: some minutes of the clip's
peaks, the followed recordings, and the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import PeakChunk
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy, TrackListPolicy
from fingerprinter.core.match.tracking import LAG_FRAMES, STEP_FRAMES
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.library.identify.tracker import MatchTracker, Span, steps_between
from fingerprinter.library.identify.windows import WindowSearch
from fingerprinter.types import Peaks

_AHEAD = STEP_FRAMES + LAG_FRAMES + 1  # frames after a window with which its steps are complete

Spans = Mapping[MatchTracker, Span | None]


def merge_copies(
    matches: Iterable[ScoredMatch],
    are_copies: Callable[[int, int], bool],
    policy: TrackListPolicy = DEFAULT_POLICY.track_list,
) -> list[ScoredMatch]:
    """Return the matches in the order of the clip; of copies that play at once only the best.

    Parameters
    ----------
    matches
        The matches in any order.
    are_copies
        Whether two tracks, given by their ids, hold the same recording.
    """
    kept: list[ScoredMatch] = []
    for match in sorted(matches, key=lambda match: -match.score):
        if not any(
            _common_time(match, other) > policy.min_common_time
            and are_copies(match.track_id, other.track_id)
            for other in kept
        ):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


class TrackList:
    """Takes a clip as it comes in, and returns its recordings as they end.

    Parameters
    ----------
    search
        Finds the recordings in a window.
    min_confidence
        Matches of less confidence are left out.
    params
        The landmark parameters of the library.
    policy
        The values that decide answers.
    """

    def __init__(
        self,
        search: WindowSearch,
        min_confidence: float,
        params: LandmarkParams,
        policy: SearchPolicy = DEFAULT_POLICY,
    ) -> None:
        self._search, self._min_confidence, self._policy = search, min_confidence, policy
        self._length = policy.query.window_s / params.hop_s
        self._hop = policy.query.window_hop_s / params.hop_s
        self._recheck = policy.track_list.recheck_s / params.hop_s
        self._clip = PeakBuffer(policy.track_list.kept_s / params.hop_s)
        self._trackers: list[MatchTracker] = []
        self._cursor, self._searched, self._last_search = 0.0, 0.0, 0.0

    @property
    def kept_peaks(self) -> int:
        """Peaks of the clip in memory."""
        return len(self._clip.peaks)

    @property
    def playing(self) -> set[int]:
        """Ids of the tracks that are followed."""
        return {tracker.match.track_id for tracker in self._trackers}

    @property
    def settled(self) -> float:
        """Frame of the clip before which no other recording can be found by a window."""
        return max(0.0, self._cursor - self._length)

    def unfinished(self) -> list[ScoredMatch]:
        """Return the recordings that `push` has not returned yet, as far as they are known."""
        spans = {tracker: self._span(tracker) for tracker in self._trackers}
        return [
            _placed(tracker, span)
            for tracker, span in spans.items()
            if span and tracker is self._best_rival(tracker, spans)
        ]

    def push(self, chunk: PeakChunk) -> list[ScoredMatch]:
        """Take the next chunk of the clip; return the recordings that ended in it."""
        self._clip.push(chunk)
        self._follow_all()
        while self._cursor + self._length + _AHEAD <= self._clip.end:
            self._search_window(self._cursor)
        return self._pop_ended(self._cursor - self._length)  # no window reaches further back

    def close(self) -> list[ScoredMatch]:
        """End the clip; return the recordings that had not ended."""
        self._clip.complete = True
        self._follow_all()
        min_rest = self._policy.track_list.min_rest_frames
        while self._clip.end - self._searched > (min_rest if self._searched else 0.0):
            self._search_window(max(0.0, min(self._cursor, self._clip.end - self._length)))
        for tracker in self._trackers:
            tracker.ended = True
        return self._pop_ended(np.inf)

    def _follow_all(self) -> None:
        for tracker in self._trackers:
            tracker.follow(self._clip)

    def _search_window(self, start: float) -> None:
        """Search a window for what is not explained in it, and move on."""
        policy = self._policy.track_list
        end, found = min(start + self._length, self._clip.end), 0
        while found < policy.max_per_window and self._may_hold_more(start, end):
            if not self._find_one(start, end):
                break
            found += 1
        self._searched = end
        self._cursor = start + self._hop

    def _may_hold_more(self, start: float, end: float) -> bool:
        """Whether more may play in a window than what is known."""
        whole = start == 0 and end == self._clip.end
        due = start - self._last_search >= self._recheck
        return whole or due or self._presence(start, end) < self._policy.track_list.clear_presence

    def _presence(self, start: float, end: float) -> float:
        """Return 0..1, the mean share of the recordings' peaks that are present in a window."""
        steps = steps_between(start, end)
        present = [sum(tracker.presence(number) for tracker in self._trackers) for number in steps]
        borders = np.clip([*steps, steps[-1] + 1], start / STEP_FRAMES, end / STEP_FRAMES)
        return float(np.average(np.minimum(present, 1.0), weights=np.diff(borders)))

    def _find_one(self, start: float, end: float) -> bool:
        """Search a window; whether a new recording was found in it, which is followed then."""
        self._last_search = start
        peaks, spectrum = self._unexplained(start, end)
        for found in self._search.identify(peaks, self._min_confidence, spectrum):
            match = found.within(start, end)
            if self._is_new(match, start, end):
                recording = self._search.track_peaks(match.track_id)
                tracker = MatchTracker(match, recording, self._policy.tracking)
                tracker.start(self._clip, start, end)
                self._trackers.append(tracker)
                return True
        return False

    def _unexplained(self, start: float, end: float) -> tuple[Peaks, ClipSpectrum | None]:
        """Return a window's peaks without those of what plays, and its spectrum if nothing does."""
        known = np.zeros(len(self._clip.peaks), np.bool_)
        for number in steps_between(start, end):
            for tracker in self._trackers:
                if tracker.presence(number):
                    known |= tracker.explained(self._clip, number)
        spectrum = None if known.any() else self._clip.spectrum(start, end)
        return self._clip.window(start, end, known), spectrum

    def _is_new(self, match: ScoredMatch, start: float, end: float) -> bool:
        """Whether the recording is not followed yet along the time map of a match in a window.

        Where the speed jumps, the old and the new time map meet. So both ends are compared.
        """
        reach = self._policy.track_list.same_line_frames
        return all(
            tracker.match.track_id != match.track_id
            or max(abs(tracker.at(at) - match.time_map.at(at)) for at in (start, end)) > reach
            for tracker in self._trackers
        )

    def _span(self, tracker: MatchTracker) -> Span | None:
        """Return where a recording plays; a clip of one window needs no more than its match."""
        span = tracker.span()
        if span is None and self._clip.complete and self._clip.end <= self._length:
            return Span(tracker.match.time_map, 0.0, self._clip.end, 0.0)
        return span

    def _pop_ended(self, before: float) -> list[ScoredMatch]:
        """Return the recordings that ended before a frame of the clip, and stop following them.

        Of rivals only the one with the most evidence is returned.
        """
        spans = {tracker: self._span(tracker) for tracker in self._trackers}
        ended, matches = [], []
        for tracker, span in spans.items():
            rivals = _rivals(tracker, spans, self._policy.track_list.min_common_time)
            if not all(_has_ended(each, spans[each], before) for each in rivals):
                continue
            ended.append(tracker)
            if span and tracker is self._best_rival(tracker, spans):
                matches.append(_placed(tracker, span))
        self._trackers = [tracker for tracker in self._trackers if tracker not in ended]
        return matches

    def _best_rival(self, tracker: MatchTracker, spans: Spans) -> MatchTracker:
        """Return the one with the most evidence of a tracker and its rivals."""
        rivals = _rivals(tracker, spans, self._policy.track_list.min_common_time)
        return max(rivals, key=lambda each: _nats(spans[each]))


def _placed(tracker: MatchTracker, span: Span) -> ScoredMatch:
    """Return the match of a tracker where its recording plays."""
    time_map = span.time_map
    found = replace(tracker.match, offset=time_map.offset)
    warp = Warp(time_map.tempo, time_map.pitch)
    return replace(found, warp=warp, start=span.start, end=span.end)


def _has_ended(tracker: MatchTracker, span: Span | None, before: float) -> bool:
    return tracker.ended and (span is None or span.end <= before)


def _rivals(tracker: MatchTracker, spans: Spans, min_common: float) -> list[MatchTracker]:
    """Return the trackers of the same recording that share most of their time, and this one."""
    return [
        other
        for other, span in spans.items()
        if other is tracker
        or (
            other.match.track_id == tracker.match.track_id
            and _common_time(spans[tracker], span) > min_common
        )
    ]


def _nats(span: Span | None) -> float:
    return span.nats if span else 0.0


def _common_time(one: Span | ScoredMatch | None, other: Span | ScoredMatch | None) -> float:
    """Return the time that two have in common, as a share of the shorter one's."""
    if one is None or other is None:
        return 0.0
    common = min(one.end, other.end) - max(one.start, other.start)
    return common / max(1.0, min(one.end - one.start, other.end - other.start))
