"""Whitening: the affine map under which the vectors of one library are compared."""

from __future__ import annotations

import numpy as np

from fingerprinter.core.arrays import Floats

# Weight of the prior, in tracks. The prior has the mean 0 and the variance 1 that the model's
# vectors have over music at large. It makes the similarity of one or two tracks meaningful.
_PRIOR_TRACKS = 10

# Added to the variance along every axis, because the model's projection is already whitened.
# Measured on artists that were left out of the training in turn (195 tracks in four lists): the
# other half is found first for 89.7 % with a ridge of 1, 90.3 % with 5, 90.5 % with 20. The share
# of the same artist in the first five results is 62, 63 and 64 %.
RIDGE = 5.0


def whitening(vectors: Floats) -> tuple[Floats, Floats]:
    """Compute the map ``matrix @ vector + offset`` that standardises the vectors of a library.

    The map brings each dimension to zero mean and unit variance, and then decorrelates the
    dimensions. Otherwise dimensions that carry the same information would dominate the cosine.

    Parameters
    ----------
    vectors
        (n, dim) float32, n >= 0.

    Returns
    -------
    matrix : (dim, dim) float32
        Matrix of the map.
    offset : (dim,) float32
        Offset of the map.

    Notes
    -----
    Regularised Cholesky whitening [1]_. All whitening methods give the same inner products; this
    one is the cheapest.

    References
    ----------
    .. [1] Kessy, Lewin & Strimmer (2018), "Optimal whitening and decorrelation".
    """
    n = len(vectors)
    mean = vectors.sum(axis=0, dtype=np.float64) / (n + _PRIOR_TRACKS)
    centred = vectors - mean.astype(np.float32)
    scatter = np.einsum("nd,nd->d", centred, centred, dtype=np.float64)
    deviation = np.sqrt((scatter + _PRIOR_TRACKS) / (n + _PRIOR_TRACKS))
    standard = centred / deviation.astype(np.float32)
    covariance = (standard.T @ standard).astype(np.float64) / max(n, 1)
    root = np.linalg.cholesky(covariance + RIDGE * np.eye(covariance.shape[0]))
    matrix = np.linalg.inv(root) / deviation
    return matrix.astype(np.float32), (-matrix @ mean).astype(np.float32)
