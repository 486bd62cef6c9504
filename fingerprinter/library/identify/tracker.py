"""A recording that was found in a window of a clip, followed to both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.match.tracking import (
    SLICE_FRAMES,
    STEP_FRAMES,
    Correspondence,
    Step,
    TimeMap,
    explained_peaks,
    local_time_map,
    measure_step,
    whole_time_map,
)
from fingerprinter.core.numeric.runs import maximal_runs
from fingerprinter.library.identify.identifier import Found
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.types import Peaks

_FIRST_SPREAD, _SPREAD = 1.5, 0.5  # frames by which the line is off, at first and later on
_GAP_STEPS = 8  # 32 s without a sign of the recording, after which it is over
_SIGN_NATS = 4.0  # of a step that tells where the line is
_RUN_NATS = 12.0  # of a stretch in which the recording is heard
# Of all of them: a long clip gives chance many goes. A second of music alone gives 20 to 40.
_LEAST_NATS = 30.0
# Where a recording fades and is drowned within 4 s of its beginning or its end, it was played from
# there or up to there; where it breaks off it was cut.
_EDGE_FRAMES = 125.0
_LAST_SLICES, _FADED = 4, 0.75  # of what is usual in a slice: 2 s with less evidence are a fade


@dataclass(frozen=True, slots=True)
class Span:
    """Where a recording is heard.

    start, end: frames of the clip; nats: evidence for it, against chance
    """

    time_map: TimeMap
    start: float
    end: float
    nats: float


class MatchTracker:
    """Follows one recording.

    found: in a window of the clip; first: its line there; over: it is no longer heard
    """

    def __init__(self, found: Found, first: TimeMap, recording: Peaks) -> None:
        self.found, self.first, self.over = found, first, False
        self._recording = recording
        self._length = float(recording.frames[-1]) + 1 if len(recording) else 0.0
        self._steps: dict[int, Step] = {}
        self._signs: dict[int, Correspondence] = {}
        self._next, self._last_sign = 0, 0

    def follow(self, clip: PeakBuffer, start: float, end: float) -> None:
        """From the window where it was found back to its beginning, and on.

        The window is gone through twice: its first steps do not know the line well yet.
        """
        here = steps_between(start, end)
        self._next = self._last_sign = here.start
        while self._next < here.stop and clip.step(self._next):
            self._advance(clip)
        self._go_back(clip, self._next - 1)
        self.go_on(clip)

    def go_on(self, clip: PeakBuffer) -> None:
        """As far as the clip has come in."""
        while not self.over and clip.step(self._next):
            self._advance(clip)
            silent = self._next - self._last_sign > _GAP_STEPS
            self.over = silent or self._at(self._next) > self._length

    def _advance(self, clip: PeakBuffer) -> None:
        if self._take(clip, self._next):
            self._last_sign = self._next
        self._next += 1

    def _go_back(self, clip: PeakBuffer, number: int) -> None:
        silent = 0
        while silent <= _GAP_STEPS and clip.step(number) and self._at(number + 1) > 0:
            silent = 0 if self._take(clip, number) else silent + 1
            number -= 1

    def _take(self, clip: PeakBuffer, number: int) -> bool:
        """Lays the recording over a step of the clip; whether that gave a sign of it."""
        span = clip.step(number) or (0.0, 0.0)
        self._signs.pop(number, None)
        spread = _SPREAD if self._signs else _FIRST_SPREAD
        taken = measure_step(clip.greatest, self._recording, self._course(number), span, spread)
        self._steps[number] = taken
        if taken.nats.sum() <= _SIGN_NATS:
            return False
        middle = sum(span) / 2
        self._signs[number] = Correspondence(middle, taken.time_map.at(middle), taken.hits)
        return True

    def _course(self, number: int) -> TimeMap:
        return local_time_map([*self._signs.values()], self.first, (number + 0.5) * STEP_FRAMES)

    def _at(self, number: int) -> float:
        """The recording's frame where a step of the clip begins."""
        return self._course(number).at(number * STEP_FRAMES)

    def presence(self, number: int) -> float:
        """Share of the recording's peaks that are in a step of the clip, 0..1."""
        taken = self._steps.get(number)
        return taken.presence if taken is not None and taken.nats.sum() > 0 else 0.0

    def explained(self, clip: PeakBuffer, number: int) -> npt.NDArray[np.bool_]:
        """(n,) which of the clip's peaks the recording has too, within a step."""
        span = number * STEP_FRAMES, (number + 1) * STEP_FRAMES
        return explained_peaks(clip.peaks, self._recording, self._steps[number].time_map, span)

    def at(self, frame: float) -> float:
        """The recording's frame at one of the clip."""
        return self._course(int(frame // STEP_FRAMES)).at(frame)

    def extent(self) -> Span | None:
        """Where it is heard, as far as is known; None if nowhere."""
        first = min(self._steps, default=0) * STEP_FRAMES
        nats = np.concatenate([self._steps[n].nats for n in sorted(self._steps)] or [np.zeros(0)])
        runs = maximal_runs(nats, _RUN_NATS)
        total = float(sum(nats[slice(*run)].sum() for run in runs))
        if total < _LEAST_NATS:
            return None
        low, high = min(run[0] for run in runs), max(run[1] for run in runs)
        start, end = first + low * SLICE_FRAMES, first + high * SLICE_FRAMES
        course = whole_time_map(
            [s for s in self._signs.values() if start <= s.frame < end], self.first
        )
        heard = nats[low:high]
        return Span(
            time_map=course,
            start=-_border(-start, -course.when(0.0), heard[::-1]),
            end=_border(end, course.when(self._length), heard),
            nats=total,
        )


def _border(end: float, edge: float, nats: npt.NDArray[np.float64]) -> float:
    """Where a recording ends that was heard up to a frame; edge: of the recording."""
    last = nats[-_LAST_SLICES - 1 : -1]  # the very last may be cut
    fades = len(last) > 0 and last.mean() < _FADED * np.median(nats)
    return edge if edge <= end + (_EDGE_FRAMES if fades else SLICE_FRAMES) else end


def steps_between(start: float, end: float) -> range:
    """The numbers of the steps that lie between two frames, at least in part."""
    return range(int(start // STEP_FRAMES), int(-(-end // STEP_FRAMES)))
