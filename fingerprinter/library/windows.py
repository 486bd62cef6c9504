"""Clips of any length, searched window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.params import LandmarkParams, QueryParams
from fingerprinter.library.identification import Found, Identifier
from fingerprinter.types import Peaks

_SAME_S = 0.5  # how far apart two windows may place the same passage


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording and the stretch of the clip it was heard in, in frames of the clip.

    offset: frame of the recording at frame 0 of the clip
    """

    found: Found
    offset: float
    first: float
    last: float


def hear(
    identifier: Identifier,
    peaks: Peaks,
    params: LandmarkParams,
    query: QueryParams,
    at_least: float,
    *,
    every: bool,
) -> list[Heard]:
    """The recordings in a clip: of the first window that is answered, or of all windows."""
    heard: list[Heard] = []
    for start, end in _windows(peaks, params, query):
        inside = (peaks.frames >= start - 0.5) & (peaks.frames < end - 0.5)
        window = peaks.take(inside)
        window = replace(window, frames=window.frames - np.float32(start))
        for found in identifier.identify(window, at_least, every=every)[: None if every else 1]:
            offset = found.alignment.offset - start * found.warp.tempo
            heard = _joined(heard, Heard(found, offset, start, end), params)
        if heard and not every:
            break
    return heard


def _windows(
    peaks: Peaks, params: LandmarkParams, query: QueryParams
) -> Iterator[tuple[float, float]]:
    """(first, last) frame of overlapping windows; a clip not much longer than one is one."""
    total = float(peaks.frames[-1]) + 1 if len(peaks) else 0.0
    length, hop = query.window_s / params.hop_s, query.window_hop_s / params.hop_s
    start = 0.0
    while total - start > length + hop / 2:
        yield start, start + length
        start += hop
    if total:
        yield start, total + 1


def _joined(heard: list[Heard], new: Heard, params: LandmarkParams) -> list[Heard]:
    """With the new one, which may continue one that was heard before."""
    same = _SAME_S / params.hop_s
    for number, old in enumerate(heard):
        if (
            old.found.track_id == new.found.track_id
            and new.first <= old.last
            and abs(_at(old, new.first) - _at(new, new.first)) <= same
        ):
            best = max(old, new, key=lambda each: each.found.score)
            joined = replace(best, first=old.first, last=new.last)
            return [*heard[:number], joined, *heard[number + 1 :]]
    return [*heard, new]


def _at(heard: Heard, frame: float) -> float:
    """The recording's frame at a frame of the clip."""
    return heard.offset + frame * heard.found.warp.tempo
