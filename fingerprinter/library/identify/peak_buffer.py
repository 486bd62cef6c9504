"""The last minutes of a clip, as peaks and spectrum, while it comes in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.peaks import PeakChunk, concat_peaks, sort_by_frame
from fingerprinter.core.match.tracking import LAG_FRAMES, STEP_FRAMES, peaks_between
from fingerprinter.types import Peaks

# 41 s: a window of 15 s, the chunk behind it of 16 s that completes it, and what a track list waits
_SPECTRUM_FRAMES = 1280


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
        self._spectrum = ClipSpectrum.empty()  # of the last frames

    def push(self, chunk: PeakChunk) -> None:
        """Take the next chunk of the clip."""
        self.end = float(chunk.end)
        self.first = max(self.first, self.end - self._kept_frames)
        self.peaks = peaks_between(
            sort_by_frame(concat_peaks([self.peaks, chunk.peaks])), self.first - 1, np.inf
        )
        self.strongest = self.peaks.take(self.peaks.grade == 0)
        seen = self._spectrum.followed_by(chunk.spectrum)
        self._spectrum = seen.between(max(0, len(seen) - _SPECTRUM_FRAMES), len(seen))

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

    def spectrum(self, start: float, end: float) -> ClipSpectrum:
        """Return the spectrum between two frames of the last window, to compare sketches."""
        first = round(self.end) - len(self._spectrum)
        return self._spectrum.between(max(0, round(start) - first), max(0, round(end) - first))

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
