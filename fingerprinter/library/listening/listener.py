"""Turns the sound of a station, with the time at which it came in, into events.

The module knows neither sources nor networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.signal import Mono
from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import LIVE_BLOCK_FRAMES, peak_chunks
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.library.identify.recognizer import match_in_seconds
from fingerprinter.library.identify.track_list import TrackList
from fingerprinter.library.identify.windows import WindowSearch
from fingerprinter.library.listening.events import ClaimLog, EventType, StationEvent, at, in_order
from fingerprinter.library.listening.unknown import UnknownPolicy, UnknownSounds
from fingerprinter.types import Match, Track

# Positions are counted in float32: after 37 hours they would lose their quarter frames. A session
# ends after an hour once nothing plays, and after 12 hours in any case.
_SESSION_S, _LONGEST_SESSION_S = 3600.0, 12 * 3600.0
_BURST_S = 30.0  # of sound: a station first sends what it has buffered
_SAME_START_S = 0.1  # a start that moved less is said as before, so that events can be matched
_MAX_LAG_S = 20.0  # by which sound may come late: segments of HLS have 10 s


@dataclass(frozen=True, slots=True)
class TimedBlock:
    """Some sound and when it came in.

    Parameters
    ----------
    samples
        (n,) float32, mono, at the rate of the library's parameters.
    arrived_at
        When the last sample came in, in seconds since 1970.
    claimed
        What the station said at that time about what it plays.
    """

    samples: Mono
    arrived_at: float
    claimed: str | None = None


class StationSearch(WindowSearch, Protocol):
    """The queries of a listener to a library; `WindowSearcher` answers them."""

    def track(self, track_id: int) -> Track | None:
        """Return a track; None if it was removed."""

    def are_copies(self, a: int, b: int) -> bool:
        """Return whether two tracks hold the same recording."""


OnUnknown = Callable[[StationEvent, Mono], None]
"""Receives an unknown passage and its samples."""


@dataclass(slots=True)
class _Entry:
    """A recording that plays: its match so far, and the frame of its last event."""

    match: ScoredMatch
    track: Track
    told: float
    ended: bool = False
    began_at: float | None = None  # the clock at its start, as events say it


class Listener:
    """Listens to one station.

    Parameters
    ----------
    search
        Searches the library.
    station
        Name of the station in events.
    params
        The fingerprint parameters of the library.
    policy
        The values that decide answers.
    min_confidence
        Matches of less confidence are left out; None: that of the policy.
    still_s
        Seconds of sound between two events "still" of a recording.
    on_unknown
        Receives unknown passages with their samples. Without it no samples are kept.
    unknown
        When unknown sound is an event, and when it is the same as earlier unknown sound.

    Attributes
    ----------
    heard_s : float
        Seconds of sound so far.
    """

    def __init__(
        self,
        search: StationSearch,
        station: str,
        params: LandmarkParams,
        policy: SearchPolicy = DEFAULT_POLICY,
        *,
        min_confidence: float | None = None,
        still_s: float = 60.0,
        on_unknown: OnUnknown | None = None,
        unknown: UnknownPolicy | None = None,
    ) -> None:
        self.search, self.station, self.params, self.policy = search, station, params, policy
        default = policy.score.min_confidence
        self.min_confidence = default if min_confidence is None else min_confidence
        self.still_s, self.on_unknown = still_s, on_unknown
        self.unknown_policy = unknown or UnknownPolicy()
        self.unknown_sounds = UnknownSounds(params, self.unknown_policy)
        self.heard_s = 0.0

    def listen(self, blocks: Iterable[TimedBlock]) -> Iterator[StationEvent]:
        """Yield the events of sound without a gap, as soon as they are certain.

        Parameters
        ----------
        blocks
            The sound as it comes in.
        """
        rest, more = iter(blocks), True
        while more:
            session = _Session(self)
            yield from session.events(rest)
            more = not session.at_end


@dataclass
class _Session:
    """A part of the sound of a station, on one axis of frames."""

    listener: Listener
    at_end: bool = False
    _entries: list[_Entry] = field(default_factory=list)
    _unknown_from: float = 0.0  # frame up to which all events are out

    def __post_init__(self) -> None:
        listener = self.listener
        self._params = listener.params
        self._list = TrackList(
            listener.search, listener.min_confidence, listener.params, listener.policy
        )
        kept_s = listener.policy.track_list.kept_s + listener.unknown_policy.max_s
        self._kept_frames = kept_s / self._params.hop_s
        self._peaks = PeakBuffer(self._kept_frames)
        self._samples: list[tuple[float, npt.NDArray[np.float16]]] = []  # (first frame, samples)
        self._claims = ClaimLog()
        self._began_at: float | None = None
        self._position_s = 0.0

    def events(self, blocks: Iterator[TimedBlock]) -> Iterator[StationEvent]:
        """Yield the events until the sound or the session is at its end."""
        inner_boxes = self.listener.policy.query.narrower
        samples = self._take(blocks)
        for chunk in peak_chunks(samples, self._params, inner_boxes, LIVE_BLOCK_FRAMES):
            self._peaks.push(replace(chunk, spectrum=ClipSpectrum.empty()))
            ended = self._list.push(chunk)
            told = [*self._tell_recordings(self._list.unfinished(), ended)]
            yield from in_order([*told, *self._tell_unknown(self._list.settled)])
            self._prune()
        told = [*self._tell_recordings([], self._list.close())]
        end = self._frame(self._position_s)
        yield from in_order([*told, *self._tell_unknown(end, close=True)])

    def _take(self, blocks: Iterator[TimedBlock]) -> Iterator[Mono]:
        """Yield the samples of blocks; keep their times and what the station claims."""
        for block in blocks:
            duration_s = len(block.samples) / self._params.sr
            self._claims.add(self._frame(self._position_s), block.claimed)
            if self.listener.on_unknown:
                kept = block.samples.astype(np.float16)  # half the memory; 11 bits are enough
                self._samples.append((self._frame(self._position_s), kept))
            first_s = block.arrived_at - duration_s - self._position_s
            if self._began_at is None or self._position_s < _BURST_S:
                self._began_at = min(first_s, self._began_at or first_s)
            elif first_s - self._began_at > _MAX_LAG_S:  # the station paused
                self._began_at = first_s
            self._position_s += duration_s
            self.listener.heard_s += duration_s
            yield block.samples
            is_on = any(not each.ended for each in self._entries)
            limit_s = _LONGEST_SESSION_S if is_on else _SESSION_S
            if self._position_s >= limit_s:
                return
        self.at_end = True

    def _frame(self, seconds: float) -> float:
        return seconds / self._params.hop_s

    # --- recordings -----------------------------------------------------------------------

    def _tell_recordings(
        self, playing: list[ScoredMatch], ended: list[ScoredMatch]
    ) -> Iterator[StationEvent]:
        """Yield an event for each recording that began, still plays, or ended."""
        now = self._frame(self._position_s)
        current = []
        for match, is_over in [*((each, True) for each in ended), *((e, False) for e in playing)]:
            entry = self._entry(match)
            if entry is None:
                entry = self._new_entry(match)
                if entry is None:
                    continue
                yield self._event("began", entry)
            entry.match = replace(match, start=entry.match.start) if not is_over else match
            current.append(entry)
            if is_over:
                entry.ended = True
                yield self._event("ended", entry)
            elif now - entry.told >= self._frame(self.listener.still_s):
                entry.told = now
                yield self._event("still", entry)
        for entry in self._entries:
            if not entry.ended and entry not in current:  # another explanation was better
                entry.ended = True
                yield self._event("ended", entry)

    def _entry(self, match: ScoredMatch) -> _Entry | None:
        """Return the entry of the recording that a match belongs to."""
        return next(
            (
                each
                for each in self._entries
                if not each.ended
                and each.match.track_id == match.track_id
                and min(each.match.end, match.end) > max(each.match.start, match.start)
            ),
            None,
        )

    def _new_entry(self, match: ScoredMatch) -> _Entry | None:
        """Add a recording, unless a copy of it plays already or its track was removed."""
        min_common = self.listener.policy.track_list.min_common_time
        search = self.listener.search
        for other in self._entries:
            common = min(match.end, other.match.end) - max(match.start, other.match.start)
            shorter = min(match.end - match.start, other.match.end - other.match.start)
            if common > min_common * max(shorter, 1.0) and (
                other.match.track_id == match.track_id
                or search.are_copies(match.track_id, other.match.track_id)
            ):
                return None
        track = search.track(match.track_id)
        if track is None:
            return None
        entry = _Entry(match, track, self._frame(self._position_s))
        self._entries.append(entry)
        return entry

    def _event(self, kind: EventType, entry: _Entry) -> StationEvent:
        found = match_in_seconds(entry.track, entry.match, self._position_s, self._params)
        start_s, end_s = found.clip_start_s, max(found.clip_start_s, found.clip_end_s)
        if entry.began_at is None or abs(self._clock(start_s) - entry.began_at) > _SAME_START_S:
            entry.began_at = self._clock(start_s)
        match = Match(
            track=found.track,
            score=found.score,
            confidence=found.confidence,
            offset_s=found.offset_s + start_s * found.tempo,
            clip_start_s=0.0,
            clip_end_s=end_s - start_s,
            tempo=found.tempo,
            pitch=found.pitch,
        )
        return StationEvent(
            type=kind,
            station=self.listener.station,
            started_at=at(entry.began_at),
            ended_at=at(self._clock(end_s)) if kind == "ended" else None,
            match=match,
            claimed=self._claims.during(entry.match.start, max(entry.match.end, 1.0)),
        )

    def _clock(self, position_s: float) -> float:
        return (self._began_at or 0.0) + position_s

    # --- unknown sound --------------------------------------------------------------------

    def _tell_unknown(self, settled: float, *, close: bool = False) -> Iterator[StationEvent]:
        """Yield the unknown passages that have ended."""
        longest = self._frame(self.listener.unknown_policy.max_s)
        for entry in sorted(self._entries, key=lambda each: each.match.start):
            if entry.match.start > self._unknown_from:
                yield from self._unknown_stretch(entry.match.start)
            self._unknown_from = max(self._unknown_from, entry.match.end)
        is_on = any(not each.ended for each in self._entries)
        self._entries = [
            each for each in self._entries if not each.ended or each.match.end > settled - longest
        ]
        if close:
            yield from self._unknown_stretch(settled)
        elif not is_on and settled - self._unknown_from >= longest:
            yield from self._unknown_stretch(self._unknown_from + longest)

    def _unknown_stretch(self, end: float) -> Iterator[StationEvent]:
        """Yield the unknown sound up to a frame, divided where a part was heard before."""
        start, policy = self._unknown_from, self.listener.unknown_policy
        self._unknown_from = end
        hop_s, length = self._params.hop_s, end - start
        if length * hop_s < policy.min_s:
            return
        peaks = self._peaks.window(start, end)
        peaks = peaks.take(peaks.grade == 0)
        if len(peaks) < policy.min_peaks_per_s * length * hop_s:
            return
        for part in self.listener.unknown_sounds.meet(peaks, length):
            first, last = start + part.start, start + part.end
            event = StationEvent(
                type="unknown",
                station=self.listener.station,
                started_at=at(self._clock(first * hop_s)),
                ended_at=at(self._clock(last * hop_s)),
                claimed=self._claims.during(first, last),
                heard_before=part.heard_before,
            )
            if self.listener.on_unknown:
                self.listener.on_unknown(event, self._sound(first, last))
            yield event

    def _sound(self, start: float, end: float) -> Mono:
        """Return the samples between two frames."""
        if not self._samples:
            return np.empty(0, np.float32)
        first = self._samples[0][0]
        joined = np.concatenate([samples for _, samples in self._samples]).astype(np.float32)
        low, high = (round((each - first) * self._params.hop_length) for each in (start, end))
        return joined[max(0, low) : max(0, high)]

    def _prune(self) -> None:
        """Drop the samples that no unknown passage needs any more."""
        while len(self._samples) > 1 and self._samples[1][0] <= self._unknown_from:
            del self._samples[0]
