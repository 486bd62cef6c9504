"""The median, without what NumPy loads for its own."""

from __future__ import annotations

import numpy as np

from fingerprinter.core.arrays import Floats


def median(values: Floats) -> np.float32:
    """Return the median as `np.median` does, which loads `numpy.ma` in 12 ms.

    Parameters
    ----------
    values : (n,) float32
        At least one. With a NaN among them the median is NaN.

    Examples
    --------
    >>> float(median(np.array([3, 1, 2, 9], np.float32)))
    2.5
    """
    ordered, n = np.sort(values), len(values)
    if np.isnan(ordered[-1]):  # NaN is sorted to the end
        return ordered[-1]
    return ordered[(n - 1) // 2 : n // 2 + 1].mean()
