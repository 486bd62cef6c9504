"""The overlapping windows of a clip, which are searched one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import PeakChunk
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.types import Peaks


class WindowSearch(Protocol):
    """Searches a library for the recordings in a window; `Identifier` is one."""

    def identify(
        self, peaks: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> Sequence[ScoredMatch]:
        """Return the recordings in some seconds, the most certain first."""

    def track_peaks(self, track_id: int) -> Peaks:
        """Return all stored peaks of a track, sorted by frame."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds of a clip.

    Parameters
    ----------
    start, end
        Frames of the clip.
    peaks
        Peaks of every grade, in frames from ``start``.
    spectrum
        The same seconds, to compare sketches.
    """

    start: float
    end: float
    peaks: Peaks
    spectrum: ClipSpectrum


def windows(
    chunks: Iterable[PeakChunk], params: LandmarkParams, query: QueryParams
) -> Iterator[Window]:
    """Yield the overlapping windows of a clip, each as soon as it is complete.

    A clip that is not much longer than one window is one window.
    """
    length, hop = query.window_s / params.hop_s, query.window_hop_s / params.hop_s
    clip, start = PeakBuffer(2 * length), 0.0
    for chunk in chunks:
        clip.push(chunk)
        while clip.end - start > length + hop / 2 + 1:
            end = start + length
            yield Window(start, end, clip.window(start, end), clip.spectrum(start, end))
            start += hop
    if clip.end:
        peaks, spectrum = clip.window(start, clip.end), clip.spectrum(start, clip.end)
        yield Window(start, clip.end, peaks, spectrum)


def first_matches(
    search: WindowSearch,
    chunks: Iterable[PeakChunk],
    min_confidence: float,
    params: LandmarkParams,
    query: QueryParams,
) -> list[ScoredMatch]:
    """Return the matches of the first window with any, the best first; no more is read."""
    for window in windows(chunks, params, query):
        matches = search.identify(window.peaks, min_confidence, window.spectrum)
        if matches:
            return [match.within(window.start, window.end) for match in matches]
    return []
