"""The stretches of greatest sum, against every stretch that there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.numeric.runs import maximal_runs

LEAST = 3.0

gains = st.lists(st.integers(-4, 4), max_size=14).map(lambda each: np.array(each, np.float64))


def greatest_sum(part: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    ends = combinations(range(len(part) + 1), 2)
    return max((float(part[low:high].sum()) for low, high in ends), default=0.0)


@given(gains)
def test_no_stretch_is_greater_and_none_that_counts_is_left(
    gains: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    runs = maximal_runs(gains, LEAST)
    sums = [float(gains[low:high].sum()) for low, high in runs]
    assert all(each >= LEAST for each in sums)
    assert max(sums, default=0.0) == (top if (top := greatest_sum(gains)) >= LEAST else 0.0)
    borders = [0, *(border for run in sorted(runs) for border in run), len(gains)]
    assert borders == sorted(borders)
    assert all(
        greatest_sum(gains[low:high]) < LEAST
        for low, high in zip(borders[::2], borders[1::2], strict=True)
    )


def test_nothing_has_no_stretch() -> None:
    assert maximal_runs(np.zeros(0), LEAST) == []
