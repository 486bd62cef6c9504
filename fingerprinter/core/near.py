"""Which peaks of two sets lie near each other in frequency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprinter.core import compiled

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def near_pairs(a_bins: Floats, b_bins: Floats, reach: float) -> tuple[Longs, Longs]:
    """Indices of all pairs that are at most so many bins apart.

    a_bins: (n,); b_bins: (m,), sorted
    returns: ((p,) index in a, (p,) index in b), by a and then b
    """
    kernels = compiled.kernels()
    if kernels:
        a_index, b_index = kernels.near_pairs(a_bins, b_bins, np.float32(reach))
        return a_index, b_index
    first = np.searchsorted(b_bins, a_bins - np.float32(reach))
    counts = np.searchsorted(b_bins, a_bins + np.float32(reach), side="right") - first
    return np.repeat(np.arange(len(a_bins)), counts), counted(counts) + np.repeat(first, counts)


def counted(counts: Longs) -> Longs:
    """0, 1, 2 ... anew for each of the counts, end to end."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)
