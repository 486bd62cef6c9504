"""Counts of trials as rates with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_Z = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` out of ``total``."""

    count: int
    total: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Rate:
        """How many of the outcomes are true."""
        outcomes = list(outcomes)
        return cls(sum(outcomes), len(outcomes))

    @property
    def share(self) -> float | None:
        """0..1; ``None`` of nothing."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with a probability of 95 % (Wilson 1927).

        >>> [round(end, 3) for end in Rate(99, 100).interval]
        [0.946, 0.998]
        """
        if not self.total:
            return 0.0, 1.0
        n, z2 = self.total, _Z * _Z
        middle = (self.count + z2 / 2) / (n + z2)
        half = _Z / (n + z2) * (self.count * (n - self.count) / n + z2 / 4) ** 0.5
        return max(0.0, middle - half), min(1.0, middle + half)
