"""Clusters of tracks that sound alike, named by their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats
from fingerprinter.core.vectors.tagging import describes_sound, standard_scores
from fingerprinter.errors import UsageError
from fingerprinter.library.similar.rows import require_embeddings
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import tracks
from fingerprinter.types import Neighbour

Labels = npt.NDArray[np.int64]

# Principal axes that k-means uses. Of the numbers tried, 32 agree best with the albums that the
# tracks are from (docs/research/discovery.md). Rows are scaled to unit length on these axes:
# otherwise 320 of 351 tracks, all with short rows, form one cluster.
_AXES = 32
_COUNTS: Final = (2, 3, 4, 6, 8, 10, 12, 16, 20)  # numbers of clusters to choose from
_MIN_MEAN_SIZE = 4  # smallest mean size of a cluster
_SILHOUETTE_TOLERANCE = 0.005  # within it, the smaller number of clusters is chosen
_MAX_SAMPLE = 2000  # tracks from which clusters are learned; more change little
_SEED = 0
_MAX_TAGS, _NAME_TAGS = 3, 2  # tags of a cluster, and the least of them that form its name
_MIN_TAG_SCORE = 0.3  # standard deviations above the library's mean
_SAME_TAG_CORRELATION = 0.8  # tags with a higher correlation have the same meaning
_REPRESENTATIVES = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """Tracks that sound alike.

    Attributes
    ----------
    id
        Number of the cluster, from 0.
    name
        Its strongest tags; different from the name of every other cluster.
    tags
        Tags that are above the library's mean, strongest first.
    size
        Number of tracks.
    tracks
        The tracks nearest to its mean, with their cosine to it.
    """

    id: int
    name: str
    tags: tuple[str, ...]
    size: int
    tracks: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """A division of a library into clusters.

    Attributes
    ----------
    labels
        (n,) int64, the cluster of each track.
    clusters
        The clusters, largest first.
    """

    labels: Labels
    clusters: tuple[Cluster, ...]


def group_tracks(
    connection: Connection, space: LibraryVectors, tags: Sequence[str], count: int | None
) -> Grouping:
    """Divide the tracks of a library into clusters, the same for the same tracks.

    Parameters
    ----------
    connection
        Connection to the library.
    space
        All embeddings of the library.
    tags
        Names of the tags in ``space``.
    count
        Number of clusters; None for the number with the best silhouette [2]_.

    Raises
    ------
    UsageError
        If there are more clusters than tracks.
    ModelError
        If no track has an embedding.

    Notes
    -----
    The method is k-means [1]_ on the principal axes of the vectors.

    References
    ----------
    .. [1] Lloyd (1982), "Least squares quantization in PCM".
    .. [2] Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis".
    """
    require_embeddings(space)
    if count is not None and not 1 <= count <= len(space):
        raise UsageError(f"{count} clusters of {len(space)} tracks; choose 1 to {len(space)}")
    labels = by_size(_cluster(principal_directions(space.vectors), count))
    tag_lists = _cluster_tags(standard_scores(space.tags), labels, tags)
    clusters: list[Cluster] = []
    for number, cluster_tags in enumerate(tag_lists):
        rows = np.flatnonzero(labels == number)
        name = _cluster_name(tag_lists, number)
        representatives = _representatives(connection, space, rows)
        clusters.append(Cluster(number, name, cluster_tags, len(rows), representatives))
    return Grouping(labels, tuple(clusters))


def by_size(labels: Labels) -> Labels:
    """Renumber clusters from the largest to the smallest.

    Examples
    --------
    >>> by_size(np.array([5, 2, 2, 7, 7, 7])).tolist()
    [2, 1, 1, 0, 0, 0]
    """
    _, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return np.argsort(np.argsort(-sizes, kind="stable"))[places]


def principal_directions(vectors: Floats) -> Floats:
    """Project vectors onto their main principal axes and scale the rows to unit length.

    Parameters
    ----------
    vectors
        (n, dim) float32.

    Returns
    -------
    (n, 32) float32
        Unit vectors.
    """
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    rows = np.ascontiguousarray(centred @ axes[:, : -_AXES - 1 : -1])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _cluster(rows: Floats, count: int | None) -> Labels:
    """Learn clusters from a sample of the rows, and assign all rows to them."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(_SEED)
    sample = np.sort(rng.permutation(len(rows))[:_MAX_SAMPLE])
    with threadpool_limits(1):  # threads would wait for each other where cores are busy
        model = _k_means(rows[sample], count) if count else _best_k_means(rows[sample])
        return np.asarray(model.predict(rows), np.int64)


def _k_means(rows: Floats, count: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=4, random_state=_SEED).fit(rows)


def _best_k_means(rows: Floats) -> Any:
    """Return the model with the fewest clusters among those of about the best silhouette."""
    from sklearn.metrics import silhouette_score

    counts = [count for count in _COUNTS if count * _MIN_MEAN_SIZE <= len(rows)]
    if not counts:
        return _k_means(rows, 1)
    models = [_k_means(rows, count) for count in counts]
    scores = [
        silhouette_score(rows, model.labels_) if len(set(model.labels_)) > 1 else -1.0
        for model in models
    ]
    threshold = max(scores) - _SILHOUETTE_TOLERANCE
    return next(model for model, score in zip(models, scores, strict=True) if score > threshold)


def _cluster_tags(scores: Floats, labels: Labels, tags: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the strongest tags of each cluster, without tags of the same meaning."""
    # The scores are standardised, so that their inner products are correlations times n.
    same_meaning = np.abs(scores.T @ scores) > _SAME_TAG_CORRELATION * len(scores)
    lists: list[tuple[str, ...]] = []
    for number in range(int(labels.max()) + 1):
        mean = scores[labels == number].mean(axis=0)
        chosen: list[int] = []
        for tag in np.argsort(-mean, kind="stable").tolist():
            if len(chosen) == _MAX_TAGS or not mean[tag] >= _MIN_TAG_SCORE:
                break
            if describes_sound(tags[tag]) and not same_meaning[tag, chosen].any():
                chosen.append(tag)
        lists.append(tuple(tags[tag] for tag in chosen))
    return lists


def _cluster_name(tag_lists: Sequence[tuple[str, ...]], number: int) -> str:
    """Name a cluster by its first tags, with a number if another cluster has the same tags."""
    own, others = tag_lists[number], [each for i, each in enumerate(tag_lists) if i != number]
    for count in range(_NAME_TAGS, _MAX_TAGS + 1):
        if own and own[:count] not in [each[:count] for each in others]:
            return ", ".join(own[:count])
    return f"{', '.join(own[:_NAME_TAGS]) or 'mixed'} ({number + 1})"


def _representatives(
    connection: Connection, space: LibraryVectors, rows: npt.NDArray[np.intp]
) -> tuple[Neighbour, ...]:
    """Return the tracks of a cluster that are nearest to its mean."""
    mean = space.vectors[rows].mean(axis=0)
    cosines = space.vectors[rows] @ (mean / max(float(np.linalg.norm(mean)), 1e-9))
    nearest = np.argsort(-cosines, kind="stable")[:_REPRESENTATIVES]
    ids = space.ids[rows[nearest]].tolist()
    known = tracks.get_many(connection, ids)
    return tuple(
        Neighbour(known[track_id], float(cosine))
        for track_id, cosine in zip(ids, cosines[nearest], strict=True)
    )
