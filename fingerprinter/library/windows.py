"""A clip of any length -> the recording of the first window that is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.core.params import LandmarkParams, QueryParams
from fingerprinter.core.peaks import Stretch
from fingerprinter.core.trail import Course
from fingerprinter.library.identification import Found
from fingerprinter.library.recent import Recent
from fingerprinter.types import Peaks

Identify = Callable[[Peaks], Sequence[Found]]


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
    identify: Identify, stretches: Iterable[Stretch], params: LandmarkParams, query: QueryParams
) -> Heard | None:
    """The best recording of the first window with any; no more of the clip is taken."""
    for start, end, peaks in _windows(stretches, params, query):
        for found in identify(peaks):
            return Heard(found, course_of(found, start), start, end)
    return None


def _windows(
    stretches: Iterable[Stretch], params: LandmarkParams, query: QueryParams
) -> Iterator[tuple[float, float, Peaks]]:
    """(first frame, last frame, peaks) of overlapping windows, as soon as they are there.

    A clip that is not much longer than one is one.
    """
    length, hop = query.window_s / params.hop_s, query.window_hop_s / params.hop_s
    clip, start = Recent(2 * length), 0.0
    for stretch in stretches:
        clip.push(stretch)
        while clip.end - start > length + hop / 2 + 1:
            yield start, start + length, clip.window(start, start + length)
            start += hop
    if clip.end:
        yield start, clip.end, clip.window(start, np.inf)
