"""Pairs of peaks of two sets that are near in frequency, in time, or in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fingerprinter.core.arrays import Floats, Longs
from fingerprinter.core.numeric import compiled
from fingerprinter.types import Peaks


def near_pairs(a: Floats, b: Floats, reach: float) -> tuple[Longs, Longs]:
    """Find all pairs of bins, or of frames, that are at most ``reach`` apart.

    Parameters
    ----------
    a : (n,) float32
    b : (m,) float32
        Sorted.

    Returns
    -------
    a_index, b_index : (p,) int64
        Sorted by a, then by b.

    Examples
    --------
    >>> near_pairs(np.array([1.0, 5.0], "f4"), np.array([0.5, 1.5, 9.0], "f4"), 1.0)
    (array([0, 0]), array([0, 1]))
    """
    kernels = compiled.kernels()
    if kernels:
        a_index, b_index = kernels.near_pairs(a, b, np.float32(reach))
        return a_index, b_index
    first = np.searchsorted(b, a - np.float32(reach))
    counts = np.searchsorted(b, a + np.float32(reach), side="right") - first
    return np.repeat(np.arange(len(a)), counts), ranges(counts) + np.repeat(first, counts)


def near_points(a: Peaks, b: Peaks, reach_frames: float, reach_bins: float) -> tuple[Longs, Longs]:
    """Find all pairs of peaks at most ``reach_frames`` and ``reach_bins`` apart.

    Parameters
    ----------
    b : Peaks
        Sorted by frame.

    Returns
    -------
    a_index, b_index : (p,) int64
        Sorted by a, then by b.
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
    """Select the peaks of a recording that a clip covers.

    Parameters
    ----------
    offset : float
        Position of the start of the clip in the recording, in frames.
    length, margin : float
        Length of the clip, and how far a peak may lie outside of it, in frames.

    Returns
    -------
    Peaks
        Their frames count from the start of the clip.
    """
    frames = track.frames - np.float32(offset)
    inside = np.flatnonzero((frames > -margin) & (frames < length + margin))
    return replace(track.take(inside), frames=frames[inside])


def ranges(counts: Longs) -> Longs:
    """Return 0, 1, 2, ... up to each of the counts, end to end.

    Examples
    --------
    >>> ranges(np.array([2, 3]))
    array([0, 1, 0, 1, 2])
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)
