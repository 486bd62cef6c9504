"""The last minutes of a clip, by its peaks and contrast, while it comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.peaks import PeakChunk, concat_peaks, sort_by_frame
from fingerprinter.core.fingerprint.sketch import BANDS
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.match.tracking import BESIDE_FRAMES, STEP_FRAMES, peaks_between
from fingerprinter.types import Peaks


class PeakBuffer:
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
        self._contrast = np.empty((0, BANDS), np.float32)  # of the last frames

    def push(self, stretch: PeakChunk) -> None:
        """What comes next."""
        self.end = float(stretch.end)
        self.first = max(self.first, self.end - self._kept_frames)
        self.peaks = peaks_between(
            sort_by_frame(concat_peaks([self.peaks, stretch.peaks])), self.first - 1, np.inf
        )
        self.greatest = self.peaks.take(self.peaks.grade == 0)
        rows = np.concatenate([self._contrast, stretch.contrast])
        self._contrast = rows[max(0, len(rows) - round(self._kept_frames)) :]

    def step(self, number: int) -> tuple[float, float] | None:
        """The frames of a step; None where the peaks in and beside it are not all known."""
        start, end = float(number * STEP_FRAMES), float((number + 1) * STEP_FRAMES)
        if start < self.first or start >= self.end:
            return None
        if self.ended:
            return start, min(end, self.end)
        return (start, end) if end + BESIDE_FRAMES < self.end else None

    def contrast(self, start: float, end: float) -> Floats:
        """(frames, bands) between two frames; see `fingerprinter.core.fingerprint.sketch`."""
        first = round(self.end) - len(self._contrast)
        return self._contrast[max(0, round(start) - first) : max(0, round(end) - first)]

    def window(self, start: float, end: float, known: npt.NDArray[np.bool_] | None = None) -> Peaks:
        """The peaks between two frames, counted from the first of them; at its end to the last.

        known: (n,) which of ``peaks`` are left out
        """
        peaks = self.peaks if known is None else self.peaks.take(~known)
        inside = peaks_between(peaks, start - 0.5, end - 0.5 if end < self.end else np.inf)
        return replace(inside, frames=inside.frames - np.float32(start))
