"""The stretches of a sequence that gain most: all maximal scoring subsequences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def maximal_runs(gains: npt.NDArray[np.float64], least: float) -> list[tuple[int, int]]:
    """(start, end) of the stretches whose sum is greatest and at least so much, in no order.

    gains: (n,), of what stands side by side

    After Ruzzo & Tompa (1999), by halves: the best stretch, then those on either side of it.

    >>> greatest_runs(np.array([-1.0, 2.0, -1.0, 3.0, -9.0, 2.0]), 2.0)
    [(1, 4), (5, 6)]
    """
    total = np.concatenate([[0.0], np.cumsum(gains)])
    found, waiting = [], [(0, len(gains))]
    while waiting:
        low, high = waiting.pop()
        part = total[low : high + 1]
        rise = part - np.minimum.accumulate(part)
        end = int(rise.argmax())
        if rise[end] < least or end == 0:
            continue
        start = end - int(part[: end + 1][::-1].argmin())
        found.append((low + start, low + end))
        waiting += [(low, low + start), (low + end, high)]
    return found
