"""All maximal scoring subsequences: the runs of a sequence with the greatest sums."""

from __future__ import annotations

import numpy as np

from fingerprinter.core.arrays import Doubles


def maximal_runs(gains: Doubles, min_sum: float) -> list[tuple[int, int]]:
    """Find the runs with the greatest sums: the best run, then those on either side of it.

    Parameters
    ----------
    gains : (n,) float64
        Gain of each element; a loss is negative.
    min_sum : float
        Smallest sum of a run.

    Returns
    -------
    list of (start, end)
        Disjoint runs, in no order; end is exclusive.

    References
    ----------
    W. L. Ruzzo and M. Tompa, "A linear time algorithm for finding all maximal scoring
    subsequences", ISMB 1999. This is a simpler algorithm with the same result.

    Examples
    --------
    >>> maximal_runs(np.array([-1.0, 2.0, -1.0, 3.0, -9.0, 2.0]), 2.0)
    [(1, 4), (5, 6)]
    """
    total = np.concatenate([[0.0], np.cumsum(gains)])
    runs, pending = [], [(0, len(gains))]
    while pending:
        low, high = pending.pop()
        part = total[low : high + 1]
        rise = part - np.minimum.accumulate(part)
        end = int(rise.argmax())
        if rise[end] < min_sum or end == 0:
            continue
        start = end - int(part[: end + 1][::-1].argmin())
        runs.append((low + start, low + end))
        pending += [(low, low + start), (low + end, high)]
    return runs
