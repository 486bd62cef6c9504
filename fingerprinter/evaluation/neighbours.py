"""Measures of lists of neighbours, computed from a matrix of similarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Mask
from fingerprinter.evaluation.metrics import Mean, Rate

Matrix = npt.NDArray[np.float32]
Ranks = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hubness:
    """How evenly tracks appear among the ``k`` nearest neighbours of others.

    Attributes
    ----------
    k
        Length of the lists; also the mean number of appearances.
    skew
        Skewness of the number of appearances: 0 if even, above 1 if some tracks are in most lists.
    largest
        Appearances of the most common track.
    orphans
        Tracks that appear in no list.

    References
    ----------
    M. Radovanovic, A. Nanopoulos and M. Ivanovic, "Hubs in space: popular nearest neighbors in
    high-dimensional data", JMLR 11, 2010.
    """

    k: int
    skew: float
    largest: int
    orphans: Rate

    @property
    def coverage(self) -> Rate:
        """Tracks that appear in some list."""
        return Rate(self.orphans.total - self.orphans.count, self.orphans.total)


def right_ranks(similarities: Matrix, right: Mask) -> Ranks:
    """The rank of the best right answer to each query, from 1 on.

    A wrong answer that is as similar as the right one comes before it, because a measure that
    cannot separate them must not profit.

    Parameters
    ----------
    similarities
        (queries, answers) float32.
    right
        (queries, answers) bool. Each query has a right answer.
    """
    best = np.where(right, similarities, -np.inf).max(axis=1, keepdims=True)
    before: Ranks = ((similarities >= best) & ~right).sum(axis=1).astype(np.float64)
    return before + 1


def label_share(similarities: Matrix, labels: Sequence[str | None], left_out: Mask, k: int) -> Mean:
    """The share of the ``k`` nearest neighbours that have the label of the query.

    Parameters
    ----------
    similarities
        (n, n) float32.
    labels
        (n,) labels; a track with ``None`` is no query.
    left_out
        (n, n) bool, answers that do not count.
    k
        Length of the lists.

    Returns
    -------
    Mean
        Over the queries for which an answer with their label exists. If there are fewer than ``k``
        of these, finding all of them counts as 1.
    """
    known = np.array([label is not None for label in labels], bool)
    names = np.array([label or "" for label in labels], object)
    same = (names[:, np.newaxis] == names) & known & ~left_out
    asked = known & same.any(axis=1)
    listed = nearest(similarities, left_out, k)
    found = np.take_along_axis(same, listed, axis=1).sum(axis=1)
    return Mean.of(found[asked] / np.minimum(k, same[asked].sum(axis=1)))


def nearest(similarities: Matrix, left_out: Mask, k: int) -> npt.NDArray[np.int64]:
    """The ``k`` nearest answers to each query, (queries, k or fewer) int64."""
    return np.argsort(np.where(left_out, np.inf, -similarities), axis=1, kind="stable")[:, :k]


def hubness(similarities: Matrix, left_out: Mask, k: int) -> Hubness:
    """Hubness of the ``k`` nearest neighbours; similarities, left_out: (n, n)."""
    n = len(similarities)
    listed = nearest(similarities, left_out, k)
    counts = ~np.take_along_axis(left_out, listed, axis=1)  # where fewer than k are left
    times = np.bincount(listed[counts], minlength=n)
    centred = times - times.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    skew = float(np.mean(centred**3)) / spread**3 if spread else 0.0
    return Hubness(k, skew, int(times.max(initial=0)), Rate(int((times == 0).sum()), n))
