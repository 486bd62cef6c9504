"""Playlists from one track to another by small steps: the path whose largest step is smallest.

This is the bottleneck shortest path, or minimax path [1]_, with a limited number of stops. A
straight line between two embeddings is no alternative: in a high-dimensional space it runs through
empty regions, and the tracks nearest to its points are far from each other.

References
----------
.. [1] M. Pollack, "The maximum capacity through a network", Operations Research 1960.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fingerprinter.core.arrays import Floats, Indices, Longs, Mask

NO_GROUP: Final = -1


@dataclass(frozen=True)
class StepGraph:
    """The tracks that a path may visit, and the steps between them.

    Attributes
    ----------
    steps : (m, m) float32
        Size of the step between any two tracks; symmetric, not negative.
    groups : (m,) int64
        A path visits at most one track of a group. `NO_GROUP` is a track without a group.
    """

    steps: Floats
    groups: Longs

    def path(self, start: int, end: int, n: int) -> list[int]:
        """Find the stops from start to end, both included.

        The largest step is as small as possible for at most n stops. Of all such paths this is
        the one with the least sum of squared steps, which is the most even one. If it has fewer
        than n stops, others are inserted, and the largest step grows if none is near enough.
        With groups the path may not be the best one, because finding that is NP-hard.

        Returns
        -------
        list of int
            n stops, or fewer if there are not enough tracks.

        Examples
        --------
        >>> line = np.array([0.0, 3.0, 1.0, 2.0], np.float32)
        >>> steps = np.abs(np.subtract.outer(line, line))
        >>> StepGraph(steps, np.full(4, NO_GROUP)).path(0, 1, 4)
        [0, 2, 3, 1]
        """
        allowed = ~self._group_mates({start, end})
        while True:
            stops = self._best_path(start, end, n, allowed)
            repeated = self._repeated_group(stops)
            if repeated is None:
                return self._fill(stops, n, allowed)
            # Keep the stop with the smallest steps around it, and forbid the rest of its group.
            steps_around = {stop: stops[i - 1 : i + 2] for i, stop in enumerate(stops)}
            best = min(repeated, key=lambda stop: self.largest_step(steps_around[stop]))
            allowed &= ~self._group_mates({best})

    def largest_step(self, stops: list[int]) -> float:
        """Size of the largest step of a path."""
        return float(self.steps[stops[:-1], stops[1:]].max(initial=0))

    def _group_mates(self, stops: set[int]) -> Mask:
        """All other tracks of the groups of some stops."""
        groups = [group for group in self.groups[list(stops)] if group != NO_GROUP]
        mask: Mask = np.isin(self.groups, groups)
        mask[list(stops)] = False
        return mask

    def _best_path(self, start: int, end: int, n: int, allowed: Mask) -> list[int]:
        """Find the most even of the best paths with at most n stops, without regard to groups."""
        tracks = np.flatnonzero(allowed)
        steps = self.steps[np.ix_(tracks, tracks)]
        first, last = np.searchsorted(tracks, [start, end]).tolist()
        largest = bottleneck(steps, first, last, n - 1)
        return tracks[_most_even_path(steps, first, last, n - 1, largest)].tolist()

    def _repeated_group(self, stops: list[int]) -> list[int] | None:
        """The stops of the first group that a path visits more than once."""
        for group in self.groups[stops].tolist():
            same = [stop for stop in stops if self.groups[stop] == group]
            if group != NO_GROUP and len(same) > 1 and not {stops[0], stops[-1]} >= set(same):
                return same
        return None

    def _fill(self, stops: list[int], n: int, allowed: Mask) -> list[int]:
        """Insert stops, each where it makes the smallest steps, until there are n."""
        free = allowed & ~self._group_mates(set(stops))
        free[stops] = False
        while len(stops) < n and free.any():
            candidates = np.flatnonzero(free)
            to_candidates = self.steps[stops][:, candidates]
            detours = np.maximum(to_candidates[:-1], to_candidates[1:])
            place, which = np.unravel_index(int(detours.argmin()), detours.shape)
            new = int(candidates[which])
            stops = [*stops[: place + 1], new, *stops[place + 1 :]]
            free &= ~self._group_mates({new})
            free[new] = False
        return stops


def bottleneck(steps: Floats, start: int, end: int, max_steps: int) -> float:
    """Size of the largest step of the best path with at most ``max_steps`` steps.

    Parameters
    ----------
    steps : (m, m) float32
    """
    cost = steps[start].copy()
    cost[start] = 0
    for _ in range(max_steps - 1):
        smaller = np.minimum(cost, np.maximum(cost[:, np.newaxis], steps).min(axis=0))
        if np.array_equal(smaller, cost):
            break
        cost = smaller
    return float(cost[end])


def _most_even_path(steps: Floats, start: int, end: int, max_steps: int, largest: float) -> Indices:
    """Find the path with the least sum of squared steps, none of them above ``largest``."""
    squares = np.where(steps <= largest, np.square(steps, dtype=np.float64), np.inf)
    np.fill_diagonal(squares, 0)  # staying costs nothing, so a path may have fewer steps
    cost = squares[start].copy()
    previous = [np.full(len(steps), start)]
    for _ in range(max_steps - 1):
        sums = cost[:, np.newaxis] + squares
        previous.append(sums.argmin(axis=0))
        cost = np.take_along_axis(sums, previous[-1][np.newaxis], axis=0)[0]
    stops = [end]
    for before in reversed(previous):
        stops.append(int(before[stops[-1]]))
    return np.array([stop for i, stop in enumerate(stops) if i == 0 or stop != stops[i - 1]])[::-1]
