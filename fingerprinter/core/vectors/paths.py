"""From one place to another by small steps: the path whose largest step is smallest.

The bottleneck shortest path (Pollack 1960; also minimax path) with a limited number of
stops. In a high-dimensional space a straight line runs through emptiness: the tracks nearest to
its points are far from each other. A path need not be straight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Groups = npt.NDArray[np.int64]

NO_GROUP: Final = -1


@dataclass(frozen=True)
class StepGraph:
    """The places that a path may touch.

    steps: (m, m) float32, the size of the step between any two, symmetric, not negative
    groups: (m,) int64; of one group a path may touch one place only; `NO_GROUP` binds nothing
    """

    steps: Floats
    groups: Groups

    def path(self, start: int, end: int, n: int) -> list[int]:
        """Stops from start to end, n of them, or fewer where there are not so many.

        The largest step is the smallest possible for n stops at most; of all such paths, the one
        with the least sum of squared steps, which is the most even one. Where that has fewer
        stops, others are put between, and the largest step grows where none is near enough. With
        groups it is a path, but maybe not the best: to find that is NP-hard.
        """
        allowed = ~self._forbidden({start, end})
        while True:
            found = self._between(start, end, n, allowed)
            twice = self._twice(found)
            if twice is None:
                return self._padded(found, n, allowed)
            allowed &= ~self._forbidden({self._better(found, twice)})

    def largest_step(self, stops: list[int]) -> float:
        """The bottleneck of a path."""
        return float(self.steps[stops[:-1], stops[1:]].max(initial=0))

    def _forbidden(self, taken: set[int]) -> npt.NDArray[np.bool_]:
        """All others of the groups of some stops."""
        groups = [group for group in self.groups[list(taken)] if group != NO_GROUP]
        mask: npt.NDArray[np.bool_] = np.isin(self.groups, groups)
        mask[list(taken)] = False
        return mask

    def _between(self, start: int, end: int, n: int, allowed: npt.NDArray[np.bool_]) -> list[int]:
        """The most even of the best paths with at most n stops."""
        places = np.flatnonzero(allowed)
        steps = self.steps[np.ix_(places, places)]
        first, last = np.searchsorted(places, [start, end]).tolist()
        largest = bottleneck(steps, first, last, n - 1)
        return places[_most_even(steps, first, last, n - 1, largest)].tolist()

    def _twice(self, stops: list[int]) -> list[int] | None:
        """The stops of the first group that a path touches more than once."""
        for group in self.groups[stops].tolist():
            same = [stop for stop in stops if self.groups[stop] == group]
            if group != NO_GROUP and len(same) > 1 and not {stops[0], stops[-1]} >= set(same):
                return same
        return None

    def _better(self, stops: list[int], some: list[int]) -> int:
        """Which of some stops of a path has the smaller steps beside it."""
        around = {stop: stops[i - 1 : i + 2] for i, stop in enumerate(stops)}
        return min(some, key=lambda stop: self.largest_step(around[stop]))

    def _padded(self, stops: list[int], n: int, allowed: npt.NDArray[np.bool_]) -> list[int]:
        """With other stops between, each where it makes the smallest steps, until there are n."""
        free = allowed & ~self._forbidden(set(stops))
        free[stops] = False
        while len(stops) < n and free.any():
            others = np.flatnonzero(free)
            beside = self.steps[stops][:, others]
            detours = np.maximum(beside[:-1], beside[1:])
            place, which = np.unravel_index(int(detours.argmin()), detours.shape)
            new = int(others[which])
            stops = [*stops[: place + 1], new, *stops[place + 1 :]]
            free &= ~self._forbidden({new})
            free[new] = False
        return stops


def bottleneck(steps: Floats, start: int, end: int, count: int) -> float:
    """The largest step of the best path with at most so many steps."""
    cost = steps[start].copy()
    cost[start] = 0
    for _ in range(count - 1):
        shorter = np.minimum(cost, np.maximum(cost[:, np.newaxis], steps).min(axis=0))
        if np.array_equal(shorter, cost):
            break
        cost = shorter
    return float(cost[end])


def _most_even(
    steps: Floats, start: int, end: int, count: int, largest: float
) -> npt.NDArray[np.intp]:
    """The path with the least sum of squares, of at most so many steps, none too large."""
    squares = np.where(steps <= largest, np.square(steps, dtype=np.float64), np.inf)
    np.fill_diagonal(squares, 0)  # to stay is no step
    cost = squares[start].copy()
    came = [np.full(len(steps), start)]
    for _ in range(count - 1):
        sums = cost[:, np.newaxis] + squares
        came.append(sums.argmin(axis=0))
        cost = np.take_along_axis(sums, came[-1][np.newaxis], axis=0)[0]
    stops = [end]
    for before in reversed(came):
        stops.append(int(before[stops[-1]]))
    return np.array([stop for i, stop in enumerate(stops) if i == 0 or stop != stops[i - 1]])[::-1]
