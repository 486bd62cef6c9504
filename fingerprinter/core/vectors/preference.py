"""How well tracks suit a taste that is known by what is liked and what is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Width of the kernel and weight of a dislike. On simulated tastes (scripts/bench/tastes.py) widths
# of 6 to 10 are equal within their noise, and better than one mean vector (Rocchio 1971), the
# nearest like, ridge and logistic regression: who likes two kinds does not like what is between.
_KERNEL = 8.0
_DISLIKE = 0.5


def score_by_likes(to_liked: Floats, weights: Floats, to_disliked: Floats) -> Floats:
    """Likeness to what is liked, less that to what is disliked.

    A soft maximum over the likes, the logarithm of their kernel density on the sphere (von Mises
    & Fisher); with one like it is the likeness to that.

    to_liked: (n, m), m >= 1, to_disliked: (n, k), how alike tracks are to these, at most 1
    weights: (m,), how much each like counts, above 0
    returns: (n,) float32, about -1..1
    """
    near = np.exp(_KERNEL * to_liked) @ (weights / weights.sum())
    far = (1 + np.exp(_KERNEL * to_disliked).sum(axis=1)) / (1 + to_disliked.shape[1])
    return ((np.log(near) - _DISLIKE * np.log(far)) / _KERNEL).astype(np.float32)
