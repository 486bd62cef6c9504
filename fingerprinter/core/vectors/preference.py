"""Scores of tracks by their similarity to liked and disliked tracks."""

from __future__ import annotations

import numpy as np

from fingerprinter.core.arrays import Floats

# Sharpness of the kernel and weight of a dislike. On simulated listeners, kernels of 6 to 10 are
# equal within their noise and better than one mean vector (Rocchio 1971), the nearest like, and
# ridge or logistic regression. Someone who likes two genres does not like what lies between them.
_KERNEL = 8.0
_DISLIKE = 0.5


def score_by_likes(to_liked: Floats, weights: Floats, to_disliked: Floats) -> Floats:
    """Score tracks by their similarity to likes, less that to dislikes.

    The score is a soft maximum over the likes: the logarithm of their kernel density on the
    sphere (von Mises-Fisher). With a single like and no dislike it is the similarity to it.

    Parameters
    ----------
    to_liked : (n, m) float32
        Cosine similarity of n tracks to m likes, m >= 1.
    weights : (m,) float32
        Weight of each like, above 0.
    to_disliked : (n, k) float32
        Cosine similarity of the tracks to k dislikes, k >= 0.

    Returns
    -------
    (n,) float32
        About -1..1.

    Examples
    --------
    >>> one_like = np.array([[0.5], [1.0]], np.float32)
    >>> score_by_likes(one_like, np.ones(1, np.float32), np.empty((2, 0), np.float32))
    array([0.5, 1. ], dtype=float32)
    """
    near = np.exp(_KERNEL * to_liked) @ (weights / weights.sum())
    far = (1 + np.exp(_KERNEL * to_disliked).sum(axis=1)) / (1 + to_disliked.shape[1])
    return ((np.log(near) - _DISLIKE * np.log(far)) / _KERNEL).astype(np.float32)
