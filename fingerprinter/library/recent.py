"""The last minutes of a clip's peaks, while it comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.peaks import Stretch, in_order, joined
from fingerprinter.core.trail import BESIDE_FRAMES, STEP_FRAMES, between
from fingerprinter.types import Peaks


class Recent:
    """A clip as far as it came in, of which only so many frames are remembered.

    peaks: of every grade; greatest: those of grade 0, by which recordings are followed
    first, end: frames of the clip between which its peaks are known
    ended: whether nothing more comes
    """

    def __init__(self, kept_frames: float) -> None:
        nothing = np.empty(0, np.float32)
        self.peaks = self.greatest = Peaks(nothing, nothing, nothing)
        self.first, self.end, self.ended = 0.0, 0.0, False
        self._kept_frames = kept_frames

    def push(self, stretch: Stretch) -> None:
        """What comes next."""
        self.end = float(stretch.end)
        self.first = max(self.first, self.end - self._kept_frames)
        self.peaks = between(in_order(joined([self.peaks, stretch.peaks])), self.first - 1, np.inf)
        self.greatest = self.peaks.take(self.peaks.grade == 0)

    def step(self, number: int) -> tuple[float, float] | None:
        """The frames of a step; None where the peaks in and beside it are not all known."""
        start, end = float(number * STEP_FRAMES), float((number + 1) * STEP_FRAMES)
        if start < self.first or start >= self.end:
            return None
        if self.ended:
            return start, min(end, self.end)
        return (start, end) if end + BESIDE_FRAMES < self.end else None

    def window(self, start: float, end: float, known: npt.NDArray[np.bool_] | None = None) -> Peaks:
        """The peaks between two frames, counted from the first of them.

        known: (n,) which of ``peaks`` are left out
        """
        peaks = self.peaks if known is None else self.peaks.take(~known)
        inside = between(peaks, start - 0.5, end - 0.5)
        return replace(inside, frames=inside.frames - np.float32(start))
