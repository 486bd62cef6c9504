"""Collaborative filtering of many listeners' plays, with factors predicted for unplayed tracks.

Matrix factorisation for implicit feedback [1]_. The factors of tracks that nobody has played are
predicted from their embeddings, after [2]_, here by ridge regression.

References
----------
.. [1] Hu, Koren & Volinsky (2008), "Collaborative filtering for implicit feedback datasets".
.. [2] van den Oord, Dieleman & Schrauwen (2013), "Deep content-based music recommendation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats
from fingerprinter.errors import UsageError

# Chosen with `evaluate recommend` on simulated listeners of one seed; reported on other seeds.
FACTORS: Final = 32
_REGULARIZATION = 10.0  # of the factors
_RIDGE = 30.0  # of the regression on unit vectors
_ITERATIONS = 15
_SEED = 0


@dataclass(frozen=True, slots=True)
class Plays:
    """Play counts of pairs of a listener and a track.

    Attributes
    ----------
    users, tracks
        (p,) int64, rows of the listener and of the track.
    counts
        (p,) int64, plays, above 0.
    """

    users: npt.NDArray[np.int64]
    tracks: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors whose inner product is the predicted preference, about 0 to 1.

    Attributes
    ----------
    users
        (u, f) float32, factors of the listeners.
    tracks
        (n, f) float32, factors of the tracks.
    """

    users: Floats
    tracks: Floats


def confidence(counts: npt.NDArray[np.int64]) -> Floats:
    """Return the weight of a number of plays, where no play has the weight 1.

    Examples
    --------
    >>> [round(float(weight), 2) for weight in confidence(np.array([0, 1, 10]))]
    [1.0, 2.39, 5.8]
    """
    return (1 + 2 * np.log1p(counts)).astype(np.float32)


def fit_factors(plays: Plays, n_users: int, vectors: Floats) -> Factors:
    """Fit the factors of all listeners and tracks.

    Parameters
    ----------
    plays
        Play counts.
    n_users
        Number of listeners.
    vectors
        (n, dim) float32, unit vectors of all tracks.

    Raises
    ------
    UsageError
        If the optional library `implicit` is not installed.
    """
    model = _fit(plays, (n_users, len(vectors)))
    fitted = np.asarray(model.item_factors, np.float32)
    played = np.unique(plays.tracks)
    tracks = predict_factors(vectors[played], fitted[played], vectors)
    tracks[played] = fitted[played]
    return Factors(np.asarray(model.user_factors, np.float32), tracks)


def predict_factors(known_vectors: Floats, known_factors: Floats, vectors: Floats) -> Floats:
    """Predict factors from vectors by ridge regression.

    Parameters
    ----------
    known_vectors
        (m, dim) float32, vectors of the tracks whose factors are known.
    known_factors
        (m, f) float32, their factors.
    vectors
        (n, dim) float32, vectors of all tracks.

    Returns
    -------
    (n, f) float32
        Predicted factors of all tracks.

    Notes
    -----
    Regression shrinks predictions towards the mean, so that a new track would never be among the
    best. Each factor is therefore scaled to the deviation that it has among the known tracks. With
    1,000 simulated listeners and a fifth of the tracks new, 28 % of the first 20 results are then
    new instead of none; 27 % would be right.
    """
    mean = known_factors.mean(axis=0)
    ridge = _RIDGE * np.eye(known_vectors.shape[1], dtype=np.float32)
    gram = known_vectors.T @ known_vectors + ridge
    deviations = vectors @ np.linalg.solve(gram, known_vectors.T @ (known_factors - mean))
    stretch = known_factors.std(axis=0) / np.maximum(deviations.std(axis=0), 1e-9)
    return (mean + deviations * stretch).astype(np.float32)


def _fit(plays: Plays, shape: tuple[int, int]) -> Any:
    """Fit the model of `implicit` by alternating least squares on one thread."""
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise UsageError(
            "implicit is not installed, and histories of many listeners need it;"
            ' `pip install "fingerprinter[recommend]"`'
        ) from error
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    weights = csr_matrix((confidence(plays.counts), (plays.users, plays.tracks)), shape=shape)
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=_REGULARIZATION,
            iterations=_ITERATIONS,
            num_threads=1,
            random_state=_SEED,
        )
        model.fit(weights, show_progress=False)
    return model
