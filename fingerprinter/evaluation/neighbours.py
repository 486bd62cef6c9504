"""What lists of neighbours are worth: measures of a matrix of similarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.evaluation.metrics import Mean, Rate

Matrix = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Ranks = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hubness:
    """How evenly tracks turn up in the first ``k`` of others (Radovanovic et al. 2010).

    skew: of how often each turns up; 0: evenly, above 1: some are everywhere
    largest: how often the most common one does, ``k`` is the mean
    orphans: those that never do; coverage: those that do
    """

    k: int
    skew: float
    largest: int
    orphans: Rate

    @property
    def coverage(self) -> Rate:
        """The tracks that some list names."""
        return Rate(self.orphans.total - self.orphans.count, self.orphans.total)


def right_ranks(similarities: Matrix, right: Mask) -> Ranks:
    """The place of the best right answer to each query, from 1 on.

    similarities, right: (queries, answers); each query has a right answer
    Where a wrong answer is as similar as the right one, it comes first: likeness that
    does not tell them apart is no merit.
    """
    best = np.where(right, similarities, -np.inf).max(axis=1, keepdims=True)
    before: Ranks = ((similarities >= best) & ~right).sum(axis=1).astype(np.float64)
    return before + 1


def label_share(similarities: Matrix, labels: Sequence[str | None], left_out: Mask, k: int) -> Mean:
    """The share of the first ``k`` that have the query's label.

    similarities, left_out: (n, n); labels: (n,), None: not known, and then no query
    Queries count that have an answer of their label; with fewer than ``k``, all of them
    first is 1.
    """
    known = np.array([label is not None for label in labels], bool)
    names = np.array([label or "" for label in labels], object)
    same = (names[:, np.newaxis] == names) & known & ~left_out
    asked = known & same.any(axis=1)
    listed = first(similarities, left_out, k)
    found = np.take_along_axis(same, listed, axis=1).sum(axis=1)
    return Mean.of(found[asked] / np.minimum(k, same[asked].sum(axis=1)))


def first(similarities: Matrix, left_out: Mask, k: int) -> npt.NDArray[np.int64]:
    """The first ``k`` answers to each query, (queries, k or fewer)."""
    return np.argsort(np.where(left_out, np.inf, -similarities), axis=1, kind="stable")[:, :k]


def hubness(similarities: Matrix, left_out: Mask, k: int) -> Hubness:
    """Of the first ``k`` answers; similarities, left_out: (n, n)."""
    n = len(similarities)
    listed = first(similarities, left_out, k)
    counts = ~np.take_along_axis(left_out, listed, axis=1)  # where fewer than k are left
    times = np.bincount(listed[counts], minlength=n)
    centred = times - times.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    skew = float(np.mean(centred**3)) / spread**3 if spread else 0.0
    return Hubness(k, skew, int(times.max(initial=0)), Rate(int((times == 0).sum()), n))
