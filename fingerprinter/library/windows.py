"""A clip of any length -> the recording of the first window that is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.core.params import LandmarkParams, QueryParams
from fingerprinter.core.peaks import Stretch
from fingerprinter.core.spectrogram import Floats
from fingerprinter.core.trail import Course
from fingerprinter.library.identification import Found
from fingerprinter.library.recent import Recent
from fingerprinter.types import Peaks

Identify = Callable[[Peaks], Sequence[Found]]
IdentifyShort = Callable[[Peaks, Floats | None], Sequence[Found]]  # with the contrast, if short


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording and the stretch of the clip it was heard in, in frames of the clip."""

    found: Found
    course: Course
    start: float
    end: float


def course_of(found: Found, start: float) -> Course:
    """The line of what was found in a window that starts at a frame of the clip."""
    warp = found.warp
    return Course(found.alignment.offset - start * warp.tempo, warp.tempo, warp.pitch)


def hear_first(
    identify: IdentifyShort,
    stretches: Iterable[Stretch],
    params: LandmarkParams,
    query: QueryParams,
) -> Heard | None:
    """The best recording of the first window with any; no more of the clip is taken."""
    for start, end, peaks, contrast in _windows(stretches, params, query):
        for found in identify(peaks, contrast):
            return Heard(found, course_of(found, start), start, end)
    return None


def _windows(
    stretches: Iterable[Stretch], params: LandmarkParams, query: QueryParams
) -> Iterator[tuple[float, float, Peaks, Floats | None]]:
    """(first frame, last frame, peaks, contrast) of overlapping windows, as soon as they are there.

    A clip that is not much longer than one is one. Contrast: of a clip that is short enough.
    """
    length, hop = query.window_s / params.hop_s, query.window_hop_s / params.hop_s
    clip, start = Recent(2 * length), 0.0
    above: list[Floats] | None = []
    for stretch in stretches:
        clip.push(stretch)
        if above is not None and clip.end * params.hop_s <= query.sketched_s:
            above.append(stretch.contrast)
        else:
            above = None
        while clip.end - start > length + hop / 2 + 1:
            yield start, start + length, clip.window(start, start + length), None
            start += hop
    if clip.end:
        contrast = np.concatenate(above) if above else None
        yield start, clip.end, clip.window(start, np.inf), contrast
