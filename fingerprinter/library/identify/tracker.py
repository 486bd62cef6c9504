"""Follows a recording that was found in a window of a clip, backward and forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.core.match.policy import DEFAULT_POLICY, TrackingPolicy
from fingerprinter.core.match.tracking import (
    SLICE_FRAMES,
    STEP_FRAMES,
    Correspondence,
    Step,
    TimeMap,
    explained_peaks,
    fit_time_map,
    measure_step,
)
from fingerprinter.core.numeric.runs import maximal_runs
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.types import Peaks


@dataclass(frozen=True, slots=True)
class Span:
    """Where a recording plays.

    Parameters
    ----------
    time_map
        Time map of the whole span.
    start, end
        Frames of the clip.
    nats
        Evidence that it plays, against chance.
    """

    time_map: TimeMap
    start: float
    end: float
    nats: float


class MatchTracker:
    """Follows one recording through a clip.

    Parameters
    ----------
    match
        The recording as it was found in a window, in frames of the whole clip.
    recording
        Stored peaks of the recording, sorted by frame.

    Attributes
    ----------
    ended
        Whether the recording no longer plays.
    """

    def __init__(
        self,
        match: ScoredMatch,
        recording: Peaks,
        policy: TrackingPolicy = DEFAULT_POLICY.tracking,
    ) -> None:
        self.match, self.ended = match, False
        self._recording, self._policy = recording, policy
        self._length = float(recording.frames[-1]) + 1 if len(recording) else 0.0
        self._steps: dict[int, Step] = {}
        self._correspondences: dict[int, Correspondence] = {}
        self._next, self._last_evidence = 0, 0

    def start(self, clip: PeakBuffer, start: float, end: float) -> None:
        """Follow from the window where it was found, back to its beginning and on.

        The window is measured twice. In the first pass its first steps do not know the time map
        well yet.
        """
        window = steps_between(start, end)
        self._next = self._last_evidence = window.start
        while self._next < window.stop and clip.step(self._next):
            self._advance(clip)
        number, silent = self._next - 1, 0
        while (
            silent <= self._policy.max_gap_steps
            and clip.step(number)
            and self._recording_frame(number + 1) > 0
        ):
            silent = 0 if self._measure(clip, number) else silent + 1
            number -= 1
        self.follow(clip)

    def follow(self, clip: PeakBuffer) -> None:
        """Follow as far as the clip has come in."""
        while not self.ended and clip.step(self._next):
            self._advance(clip)
            silent = self._next - self._last_evidence > self._policy.max_gap_steps
            self.ended = silent or self._recording_frame(self._next) > self._length

    def _advance(self, clip: PeakBuffer) -> None:
        if self._measure(clip, self._next):
            self._last_evidence = self._next
        self._next += 1

    def _measure(self, clip: PeakBuffer, number: int) -> bool:
        """Lay the recording over a step of the clip; return whether that gave evidence of it."""
        span = clip.step(number) or (0.0, 0.0)
        self._correspondences.pop(number, None)
        policy = self._policy
        spread = policy.spread if self._correspondences else policy.first_spread
        time_map = self._local_map(number)
        step = measure_step(clip.strongest, self._recording, time_map, span, spread, policy)
        self._steps[number] = step
        if step.nats.sum() <= policy.min_step_nats:
            return False
        middle = sum(span) / 2
        self._correspondences[number] = Correspondence(middle, step.time_map.at(middle), step.hits)
        return True

    def _local_map(self, number: int) -> TimeMap:
        """Return the time map around a step."""
        correspondences = [*self._correspondences.values()]
        frame = (number + 0.5) * STEP_FRAMES
        return fit_time_map(correspondences, self.match.time_map, frame, self._policy)

    def _recording_frame(self, number: int) -> float:
        """Return the frame of the recording where a step of the clip begins."""
        return self._local_map(number).at(number * STEP_FRAMES)

    def presence(self, number: int) -> float:
        """Return 0..1, the share of the recording's peaks that are present in a step."""
        step = self._steps.get(number)
        return step.presence if step is not None and step.nats.sum() > 0 else 0.0

    def explained(self, clip: PeakBuffer, number: int) -> npt.NDArray[np.bool_]:
        """Return (n,) which of the clip's peaks the recording has too, within a step."""
        span = number * STEP_FRAMES, (number + 1) * STEP_FRAMES
        time_map = self._steps[number].time_map
        return explained_peaks(clip.peaks, self._recording, time_map, span, self._policy)

    def at(self, frame: float) -> float:
        """Return the frame of the recording at a frame of the clip."""
        return self._local_map(int(frame // STEP_FRAMES)).at(frame)

    def span(self) -> Span | None:
        """Return where the recording plays, as far as it is known; None if nowhere."""
        policy = self._policy
        first = min(self._steps, default=0) * STEP_FRAMES
        nats = np.concatenate([self._steps[n].nats for n in sorted(self._steps)] or [np.zeros(0)])
        runs = maximal_runs(nats, policy.min_run_nats)
        total = float(sum(nats[slice(*run)].sum() for run in runs))
        if total < policy.min_total_nats:
            return None
        low, high = min(run[0] for run in runs), max(run[1] for run in runs)
        start, end = first + low * SLICE_FRAMES, first + high * SLICE_FRAMES
        inside = [each for each in self._correspondences.values() if start <= each.frame < end]
        time_map = fit_time_map(inside, self.match.time_map, policy=policy)
        playing = nats[low:high]
        return Span(
            time_map=time_map,
            start=-_border(-start, -time_map.when(0.0), playing[::-1], policy),
            end=_border(end, time_map.when(self._length), playing, policy),
            nats=total,
        )


def _border(
    end: float, edge: float, nats: npt.NDArray[np.float64], policy: TrackingPolicy
) -> float:
    """Return where a recording ends.

    end: the last frame with evidence of it
    edge: the frame of the clip at the end of the recording
    nats: evidence of its slices
    """
    last = nats[-policy.fade_slices - 1 : -1]  # the very last slice may be cut
    fades = len(last) > 0 and last.mean() < policy.fade_level * np.median(nats)
    return edge if edge <= end + (policy.edge_frames if fades else SLICE_FRAMES) else end


def steps_between(start: float, end: float) -> range:
    """Return the numbers of the steps that lie between two frames, at least in part."""
    return range(int(start // STEP_FRAMES), int(-(-end // STEP_FRAMES)))
