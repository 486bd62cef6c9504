"""A clip of any length -> the recording of the first window that is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import PeakChunk
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.match.tracking import TimeMap
from fingerprinter.library.identify.identifier import Found
from fingerprinter.library.identify.peak_buffer import PeakBuffer
from fingerprinter.types import Peaks

# The recordings in some seconds of a clip; without contrast where not all of their sound is meant
Identify = Callable[[Peaks, Floats | None], Sequence[Found]]


@dataclass(frozen=True, slots=True)
class LocatedMatch:
    """A recording and the stretch of the clip it was heard in, in frames of the clip."""

    found: Found
    time_map: TimeMap
    start: float
    end: float


def time_map_of(found: Found, start: float) -> TimeMap:
    """The line of what was found in a window that starts at a frame of the clip."""
    warp = found.warp
    return TimeMap(found.alignment.offset - start * warp.tempo, warp.tempo, warp.pitch)


def first_match(
    identify: Identify,
    stretches: Iterable[PeakChunk],
    params: LandmarkParams,
    query: QueryParams,
) -> LocatedMatch | None:
    """The best recording of the first window with any; no more of the clip is taken."""
    for start, end, peaks, contrast in _windows(stretches, params, query):
        for found in identify(peaks, contrast):
            return LocatedMatch(found, time_map_of(found, start), start, end)
    return None


def _windows(
    stretches: Iterable[PeakChunk], params: LandmarkParams, query: QueryParams
) -> Iterator[tuple[float, float, Peaks, Floats]]:
    """(first frame, last frame, peaks, contrast) of overlapping windows, as soon as they are there.

    A clip that is not much longer than one is one.
    """
    length, hop = query.window_s / params.hop_s, query.window_hop_s / params.hop_s
    clip, start = PeakBuffer(2 * length), 0.0
    for stretch in stretches:
        clip.push(stretch)
        while clip.end - start > length + hop / 2 + 1:
            end = start + length
            yield start, end, clip.window(start, end), clip.contrast(start, end)
            start += hop
    if clip.end:
        yield start, clip.end, clip.window(start, clip.end), clip.contrast(start, clip.end)
