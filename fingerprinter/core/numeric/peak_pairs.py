"""Which peaks of two sets lie near each other, in frequency, or in time and frequency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.numeric import compiled
from fingerprinter.types import Peaks

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def near_pairs(a: Floats, b: Floats, reach: float) -> tuple[Longs, Longs]:
    """Indices of all pairs of bins, or of frames, that are at most so far apart.

    a: (n,); b: (m,), sorted
    returns: ((p,) index in a, (p,) index in b), by a and then b
    """
    kernels = compiled.kernels()
    if kernels:
        a_index, b_index = kernels.near_pairs(a, b, np.float32(reach))
        return a_index, b_index
    first = np.searchsorted(b, a - np.float32(reach))
    counts = np.searchsorted(b, a + np.float32(reach), side="right") - first
    return np.repeat(np.arange(len(a)), counts), ranges(counts) + np.repeat(first, counts)


def near_points(a: Peaks, b: Peaks, reach_frames: float, reach_bins: float) -> tuple[Longs, Longs]:
    """Indices of all pairs that are at most so many frames and so many bins apart.

    b: sorted by frame
    returns: ((p,) index in a, (p,) index in b), by a and then b
    """
    kernels = compiled.kernels()
    if kernels:
        reaches = np.float32(reach_frames), np.float32(reach_bins)
        a_index, b_index = kernels.near_points(a.frames, a.bins, b.frames, b.bins, *reaches)
        return a_index, b_index
    a_index, b_index = near_pairs(a.frames, b.frames, reach_frames)
    near = np.abs(b.bins[b_index] - a.bins[a_index]) <= np.float32(reach_bins)
    return a_index[near], b_index[near]


def covered_passage(track: Peaks, offset: float, length: float, margin: float = 0.5) -> Peaks:
    """A recording's peaks that a clip of so many frames covers, in frames of the clip."""
    frames = track.frames - np.float32(offset)
    inside = np.flatnonzero((frames > -margin) & (frames < length + margin))
    return replace(track.take(inside), frames=frames[inside])


def ranges(counts: Longs) -> Longs:
    """0, 1, 2 ... anew for each of the counts, end to end."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)
