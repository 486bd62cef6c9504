"""A two-dimensional map of a library on which tracks that sound alike lie near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats
from fingerprinter.library.discover.clusters import Cluster, Grouping
from fingerprinter.library.similar.vectors import LibraryVectors

LANDMARKS: Final = 2000  # tracks placed by t-SNE; all others are placed relative to these
_MAX_NEW_SHARE = 0.2  # of the tracks; with more new ones the whole map is computed again
_PERPLEXITY = 30.0  # effective number of neighbours of a track in t-SNE
_NEAREST_LANDMARKS = 5  # landmarks between which another track is placed
_SHARPNESS = 10.0  # how much more the nearer landmarks count
_MIN_TSNE_TRACKS = 5
_SEED = 0


@dataclass(frozen=True, slots=True)
class SoundMap:
    """The positions of tracks on a plane.

    Attributes
    ----------
    ids
        (n,) int64, track ids.
    places
        (n, 2) float32, positions, -1 to 1.
    labels
        (n,) int64, the cluster of each track.
    clusters
        The clusters, largest first.
    """

    ids: npt.NDArray[np.int64]
    places: Floats
    labels: npt.NDArray[np.int64]
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """The positions of tracks on an earlier map.

    Attributes
    ----------
    ids
        (n,) int64, track ids.
    places
        (n, 2) float32, positions, -1 to 1.
    """

    ids: npt.NDArray[np.int64]
    places: Floats


def compute_map(
    space: LibraryVectors, grouping: Grouping, earlier: Places | None = None
) -> SoundMap:
    """Compute the map of a library, the same for the same tracks and the same earlier map.

    Parameters
    ----------
    space
        All embeddings of the library.
    grouping
        Its clusters.
    earlier
        An earlier map of the library. If it has most of the tracks, these keep their places, and
        the others are placed between them.

    Notes
    -----
    The positions come from t-SNE [1]_, which starts from the principal axes, because this keeps
    large distances meaningful [2]_. In libraries of more than 2,000 tracks a sample of landmarks is
    placed by t-SNE. Every other track is placed between the landmarks that it is most similar to.

    References
    ----------
    .. [1] van der Maaten & Hinton (2008), "Visualizing data using t-SNE".
    .. [2] Kobak & Berens (2019), "The art of using t-SNE for single-cell transcriptomics".
    """
    rng = np.random.default_rng(_SEED)
    places = np.empty((len(space), 2), np.float32)
    known = _known_rows(space, earlier) if earlier else None
    if earlier and known is not None:
        rows, earlier_rows = known
        places[rows] = earlier.places[earlier_rows]
        landmarks = np.sort(rng.permutation(rows)[:LANDMARKS])
        others = np.setdiff1d(np.arange(len(space)), rows)
    else:
        landmarks = np.sort(rng.permutation(len(space))[:LANDMARKS])
        places[landmarks] = _scale_to_square(_embed(space.vectors[landmarks]))
        others = np.setdiff1d(np.arange(len(space)), landmarks)
    for start in range(0, len(others), LANDMARKS):
        chunk = others[start : start + LANDMARKS]
        cosines = space.vectors[chunk] @ space.vectors[landmarks].T
        places[chunk] = _interpolate(cosines, places[landmarks])
    return SoundMap(space.ids, places, grouping.labels, grouping.clusters)


def _known_rows(
    space: LibraryVectors, earlier: Places
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None:
    """Return the rows of `space` and of an earlier map with the same tracks; None if too few."""
    _, rows, earlier_rows = np.intersect1d(space.ids, earlier.ids, return_indices=True)
    if len(rows) < (1 - _MAX_NEW_SHARE) * len(space) or len(rows) < _NEAREST_LANDMARKS:
        return None
    return rows, earlier_rows


def _embed(vectors: Floats) -> Floats:
    """Return positions by t-SNE, (n, 2); by the principal axes alone for very few tracks."""
    start = _principal_axes(vectors)
    if len(vectors) < _MIN_TSNE_TRACKS:
        return start
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_PERPLEXITY, (len(start) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=start, random_state=_SEED, n_jobs=1)
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(vectors), np.float32)


def _principal_axes(vectors: Floats) -> Floats:
    """Project vectors onto the two main axes, with fixed signs and the small scale of t-SNE."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = axes[:, :-3:-1]
    main = main * np.sign(main[np.abs(main).argmax(axis=0), range(2)])
    projected = centred @ main
    return (1e-4 * projected / max(float(projected[:, 0].std()), 1e-9)).astype(np.float32)


def _scale_to_square(places: Floats) -> Floats:
    """Centre positions and scale them to -1 to 1."""
    centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
    return centred / max(float(np.abs(centred).max()), 1e-9)


def _interpolate(cosines: Floats, places: Floats) -> Floats:
    """Place tracks between their nearest landmarks.

    `cosines` (m, landmarks) compare the tracks with the landmarks at `places` (landmarks, 2).
    """
    nearest = np.argpartition(-cosines, _NEAREST_LANDMARKS, axis=1)[:, :_NEAREST_LANDMARKS]
    weights = np.exp(_SHARPNESS * np.take_along_axis(cosines, nearest, axis=1))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("nk,nkd->nd", weights, places[nearest])
