"""Shares of trials and means of measures, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Mask

_Z = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Rate:
    """A count out of a total."""

    count: int
    total: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Rate:
        """Count the outcomes that are true."""
        outcomes = list(outcomes)
        return cls(sum(outcomes), len(outcomes))

    @property
    def share(self) -> float | None:
        """The share, 0..1; ``None`` if the total is 0."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share (Wilson 1927).

        >>> [round(end, 3) for end in Rate(99, 100).interval]
        [0.946, 0.998]
        """
        if not self.total:
            return 0.0, 1.0
        n, z2 = self.total, _Z * _Z
        middle = (self.count + z2 / 2) / (n + z2)
        half = _Z / (n + z2) * (self.count * (n - self.count) / n + z2 / 4) ** 0.5
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a measure that is 0..1 for each query.

    Attributes
    ----------
    share
        The mean; ``None`` without any query.
    total
        Number of queries.
    error
        Standard error of the mean.
    """

    share: float | None
    total: int
    error: float

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Mean:
        """The mean of a value for each query, (n,) float64."""
        n = len(values)
        if n == 0:
            return cls(None, 0, 0.0)
        return cls(float(values.mean()), n, float(values.std(ddof=1) / n**0.5) if n > 1 else 1.0)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean, by the normal distribution.

        >>> Mean(0.5, 100, 0.05).interval
        (0.402, 0.598)
        """
        if self.share is None:
            return 0.0, 1.0
        low, high = self.share - _Z * self.error, self.share + _Z * self.error
        return round(max(0.0, low), 4), round(min(1.0, high), 4)


def precision_of_ranking(relevant: Mask, total: int) -> float:
    """The average precision of a ranking: the mean of the precision at each relevant result.

    Parameters
    ----------
    relevant
        (n,) Which results are relevant, the best first.
    total
        How many there are; those that are not among the results count as 0.

    Examples
    --------
    >>> precision_of_ranking(np.array([True, False, True]), 2)
    0.8333333333333333
    """
    ranks = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / total)
