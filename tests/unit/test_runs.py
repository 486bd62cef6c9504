"""Maximal runs agree with a search over all runs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.numeric.runs import maximal_runs

MIN_SUM = 3.0

gains = st.lists(st.integers(-4, 4), max_size=14).map(lambda each: np.array(each, np.float64))


def greatest_sum(part: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    ends = combinations(range(len(part) + 1), 2)
    return max((float(part[low:high].sum()) for low, high in ends), default=0.0)


@given(gains)
def test_no_run_is_greater_and_none_above_the_minimum_is_missing(
    gains: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    runs = maximal_runs(gains, MIN_SUM)
    sums = [float(gains[low:high].sum()) for low, high in runs]
    assert all(each >= MIN_SUM for each in sums)
    assert max(sums, default=0.0) == (top if (top := greatest_sum(gains)) >= MIN_SUM else 0.0)
    borders = [0, *(border for run in sorted(runs) for border in run), len(gains)]
    assert borders == sorted(borders)
    assert all(
        greatest_sum(gains[low:high]) < MIN_SUM
        for low, high in zip(borders[::2], borders[1::2], strict=True)
    )


def test_an_empty_sequence_has_no_runs() -> None:
    assert maximal_runs(np.zeros(0), MIN_SUM) == []
