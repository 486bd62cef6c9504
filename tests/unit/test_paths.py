"""Paths agree with a search over all paths, with groups and in small libraries."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.vectors.paths import NO_GROUP, StepGraph, bottleneck

Floats = npt.NDArray[np.float32]


def steps_of(places: Floats) -> Floats:
    return np.linalg.norm(places[:, np.newaxis] - places, axis=2).astype(np.float32)


def cloud(seed: int, m: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((m, 3)).astype(np.float32)


def ungrouped(steps: Floats) -> StepGraph:
    return StepGraph(steps, np.full(len(steps), NO_GROUP))


def bottleneck_by_plain_loops(steps: Floats, n: int) -> float:
    """The largest step of the best path from the first to the last place with n stops."""
    last = len(steps) - 1
    paths = ((0, *between, last) for between in permutations(range(1, last), n - 2))
    return min(max(float(steps[a, b]) for a, b in pairwise(path)) for path in paths)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_largest_step_is_the_smallest_possible(seed: int, n: int) -> None:
    steps = steps_of(cloud(seed, 7))
    at_most = min(bottleneck_by_plain_loops(steps, count) for count in range(2, n + 1))
    assert bottleneck(steps, 0, 6, n - 1) == pytest.approx(at_most)
    path = ungrouped(steps).path(0, 6, n)
    assert (path[0], path[-1], len(path), len(set(path))) == (0, 6, n, n)
    assert ungrouped(steps).largest_step(path) >= at_most - 1e-6


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_path_has_the_given_ends_and_length(seed: int, n: int) -> None:
    path = ungrouped(steps_of(cloud(seed, 8))).path(3, 5, n)
    assert (path[0], path[-1]) == (3, 5)
    assert len(path) == len(set(path)) == min(n, 8)


def test_the_most_even_of_the_best_paths_is_taken() -> None:
    line = np.array([[0, 0, 0], [10, 0, 0], [2, 0, 0], [3, 0, 0], [5, 0, 0]], np.float32)
    assert ungrouped(steps_of(line)).path(0, 1, 4) == [0, 2, 4, 1]


def test_a_path_goes_around_a_gap() -> None:
    bow = np.array([[t, np.sqrt(9 - t**2), 0] for t in np.linspace(-3, 3, 12)], np.float32)
    stops = ungrouped(steps_of(np.vstack([bow, [[0, 0, 0]]])))
    assert stops.path(0, 11, 12) == list(range(12))


@given(st.integers(0, 10_000), st.integers(2, 10))
def test_a_path_visits_a_group_once(seed: int, n: int) -> None:
    groups = np.random.default_rng(seed).integers(-1, 4, 12)
    path = StepGraph(steps_of(cloud(seed, 12)), groups).path(0, 11, n)
    inner = [group for group in groups[path[1:-1]].tolist() if group != NO_GROUP]
    assert len(inner) == len(set(inner))
    assert not set(inner) & {groups[0], groups[11]}
    assert (path[0], path[-1]) == (0, 11)


def test_a_path_has_at_most_one_stop_per_group() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    path = StepGraph(steps_of(cloud(0, 8)), groups).path(0, 2, 8)
    assert sorted(groups[path].tolist()) == [0, 1, 2, 3]
