"""The last minutes of a clip, as peaks and contrast, while it comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats
from fingerprinter.core.fingerprint.peaks import PeakChunk, concat_peaks, sort_by_frame
from fingerprinter.core.fingerprint.sketch import BANDS
from fingerprinter.core.match.tracking import LAG_FRAMES, STEP_FRAMES, peaks_between
from fingerprinter.types import Peaks


class PeakBuffer:
    """A clip as far as it has come in.

    Parameters
    ----------
    kept_frames
        Frames at the end of the clip that are kept.

    Attributes
    ----------
    peaks, strongest
        Peaks of every grade, and those of grade 0, by which recordings are followed.
    first, end
        Frames of the clip between which its peaks are known.
    complete
        Whether the clip is at its end.
    """

    def __init__(self, kept_frames: float) -> None:
        nothing = np.empty(0, np.float32)
        self.peaks = self.strongest = Peaks(nothing, nothing, nothing)
        self.first, self.end, self.complete = 0.0, 0.0, False
        self._kept_frames = kept_frames
        self._contrast = np.empty((0, BANDS), np.float32)  # of the last frames

    def push(self, chunk: PeakChunk) -> None:
        """Take the next chunk of the clip."""
        self.end = float(chunk.end)
        self.first = max(self.first, self.end - self._kept_frames)
        self.peaks = peaks_between(
            sort_by_frame(concat_peaks([self.peaks, chunk.peaks])), self.first - 1, np.inf
        )
        self.strongest = self.peaks.take(self.peaks.grade == 0)
        rows = np.concatenate([self._contrast, chunk.contrast])
        self._contrast = rows[max(0, len(rows) - round(self._kept_frames)) :]

    def step(self, number: int) -> tuple[float, float] | None:
        """Return the first and last frame of a step, or None.

        None means that not all peaks of the step, and of `LAG_FRAMES` on either side, are known.
        """
        start, end = float(number * STEP_FRAMES), float((number + 1) * STEP_FRAMES)
        if start < self.first or start >= self.end:
            return None
        if self.complete:
            return start, min(end, self.end)
        return (start, end) if end + LAG_FRAMES < self.end else None

    def contrast(self, start: float, end: float) -> Floats:
        """Return the (frames, bands) contrast between two frames, as sketches take it."""
        first = round(self.end) - len(self._contrast)
        return self._contrast[max(0, round(start) - first) : max(0, round(end) - first)]

    def window(
        self, start: float, end: float, explained: npt.NDArray[np.bool_] | None = None
    ) -> Peaks:
        """Return the peaks between two frames, counted from the first of them.

        A window that reaches the end of the clip has all of its last peaks.

        Parameters
        ----------
        explained
            (n,) which of ``peaks`` are left out.
        """
        peaks = self.peaks if explained is None else self.peaks.take(~explained)
        inside = peaks_between(peaks, start - 0.5, end - 0.5 if end < self.end else np.inf)
        return replace(inside, frames=inside.frames - np.float32(start))
