"""A map of a library: what sounds alike lies together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprinter.library.discover.clusters import Cluster, Grouping
from fingerprinter.library.similar.vectors import LibraryVectors

Floats = npt.NDArray[np.float32]

LANDMARKS: Final = 2000  # tracks that are laid out together; all others are put beside them
_PERPLEXITY = 30.0  # neighbours that a track is kept near to, about
_BESIDE = 5  # laid out tracks that another one is put between
_SHARPNESS = 10.0  # how much more the nearer of them count
_SEED = 0


@dataclass(frozen=True, slots=True)
class SoundMap:
    """Tracks on a plane.

    ids: (n,) int64; places: (n, 2) float32, -1..1; labels: (n,) int64, numbers of clusters
    """

    ids: npt.NDArray[np.int64]
    places: Floats
    labels: npt.NDArray[np.int64]
    clusters: tuple[Cluster, ...]


def compute_map(space: LibraryVectors, grouping: Grouping) -> SoundMap:
    """The map of a library, the same for the same tracks.

    t-SNE (van der Maaten & Hinton 2008) from the principal axes on, which keeps large distances
    meaningful (Kobak & Berens 2019). Beyond 2,000 tracks a sample is laid out, and every
    other one is put between those of the sample that it is most like.
    """
    rng = np.random.default_rng(_SEED)
    some = np.sort(rng.permutation(len(space))[:LANDMARKS])
    laid = _fitted_to_square(_embedded(space.vectors[some]))
    places = np.empty((len(space), 2), np.float32)
    others = np.setdiff1d(np.arange(len(space)), some)
    places[some] = laid
    places[others] = _beside(space.vectors[others], space.vectors[some], laid)
    return SoundMap(space.ids, places, grouping.labels, grouping.clusters)


def _embedded(vectors: Floats) -> Floats:
    """(n, 2) by t-SNE; by the principal axes alone where there are too few tracks for it."""
    start = _principal(vectors)
    if len(vectors) < 5:
        return start
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(_tsne(start).fit_transform(vectors), np.float32)


def _tsne(start: Floats) -> Any:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(start) - 1) / 3)
    return TSNE(perplexity=perplexity, init=start, random_state=_SEED, n_jobs=1)


def _principal(vectors: Floats) -> Floats:
    """Along the two main axes, as small as t-SNE wants to begin; signs are fixed."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = axes[:, :-3:-1]
    main = main * np.sign(main[np.abs(main).argmax(axis=0), range(2)])
    flat = centred @ main
    return (1e-4 * flat / max(float(flat[:, 0].std()), 1e-9)).astype(np.float32)


def _fitted_to_square(places: Floats) -> Floats:
    centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
    return centred / max(float(np.abs(centred).max()), 1e-9)


def _beside(vectors: Floats, known: Floats, places: Floats) -> Floats:
    """Places between those of the most alike of the known, block by block."""
    found = [
        _between(vectors[start : start + LANDMARKS] @ known.T, places)
        for start in range(0, len(vectors), LANDMARKS)
    ]
    return np.concatenate([np.empty((0, 2), np.float32), *found])


def _between(likeness: Floats, places: Floats) -> Floats:
    near = np.argpartition(-likeness, _BESIDE, axis=1)[:, :_BESIDE]
    weights = np.exp(_SHARPNESS * np.take_along_axis(likeness, near, axis=1))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weights, places[near])
