"""Groups of tracks that sound alike, named by their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.vectors.tagging import describes_sound, standard_scores
from fingerprinter.errors import UsageError
from fingerprinter.library.similar.rows import require_embeddings
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import tracks
from fingerprinter.types import Neighbour

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

# The axes that carry most of the spread; of the counts tried, 32 agree best with the games that the
# tracks are from (docs/discovery.md). Where a track lies far from the middle of all along none of
# them, its length says so, and without unit length such tracks were one cluster of 320 of 351.
_AXES = 32
_COUNTS: Final = (2, 3, 4, 6, 8, 10, 12, 16, 20)  # of clusters, to choose from
_LEAST = 4  # tracks of a cluster on average
_AS_GOOD = 0.005  # silhouettes so near to each other are equal: then fewer clusters are better
_SAMPLE = 2000  # tracks from which clusters are learned; more would change little
_SEED = 0
_TAGS, _SAID = 3, 2  # tags of a cluster, and how many of them are its name at first
_ABOVE = 0.3  # deviations above the library's mean that a tag must have to be told
_ALIKE = 0.8  # correlation from which on two tags say the same
_REPRESENTATIVES = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """Tracks that sound alike.

    name: its strongest tags; unlike that of any other cluster
    tags: those that its tracks have most above the library's mean, strongest first
    size: how many tracks; tracks: the nearest to its middle, with their likeness to it
    """

    id: int
    name: str
    tags: tuple[str, ...]
    size: int
    tracks: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which cluster each track of a space is in, (n,) int64, and the clusters, largest first."""

    labels: Labels
    clusters: tuple[Cluster, ...]


def group_tracks(
    connection: Connection, space: LibraryVectors, tags: Sequence[str], count: int | None
) -> Grouping:
    """The tracks of a library by k-means (Lloyd 1982), the same for the same tracks.

    count: of clusters; None: as many as have the best silhouette (Rousseeuw 1987)
    Raises `UsageError` for more clusters than tracks, `ModelError` without embeddings.
    """
    require_embeddings(space)
    if count is not None and not 1 <= count <= len(space):
        raise UsageError(f"{count} clusters of {len(space)} tracks; choose 1 to {len(space)}")
    labels = by_size(_labels(_directions(space.vectors), count))
    scores = standard_scores(space.tags)
    named = _names(scores, labels, tags)
    clusters: list[Cluster] = []
    for number, own in enumerate(named):
        rows = np.flatnonzero(labels == number)
        middle = _middle(connection, space, rows)
        clusters.append(Cluster(number, _name(named, number), own, len(rows), middle))
    return Grouping(labels, tuple(clusters))


def by_size(labels: Labels) -> Labels:
    """The same groups, numbered from the largest on.

    >>> by_size(np.array([5, 2, 2, 7, 7, 7])).tolist()
    [2, 1, 1, 0, 0, 0]
    """
    _, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return np.argsort(np.argsort(-sizes, kind="stable"))[places]


def _directions(vectors: Floats) -> Floats:
    """(n, 32): the vectors along the axes of their greatest spread, of unit length."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    rows = np.ascontiguousarray(centred @ axes[:, : -_AXES - 1 : -1])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _labels(rows: Floats, count: int | None) -> Labels:
    """Learned from a sample, where there are many tracks, and given to all."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(_SEED)
    some = np.sort(rng.permutation(len(rows))[:_SAMPLE])
    with threadpool_limits(1):  # where cores are busy, threads wait for each other
        model = _means(rows[some], count) if count else _best(rows[some])
        return np.asarray(model.predict(rows), np.int64)


def _means(rows: Floats, count: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=4, random_state=_SEED).fit(rows)


def _best(rows: Floats) -> Any:
    """The fewest clusters whose silhouette is about the best."""
    from sklearn.metrics import silhouette_score

    counts = [count for count in _COUNTS if count * _LEAST <= len(rows)]
    if not counts:
        return _means(rows, 1)
    models = [_means(rows, count) for count in counts]
    scores = [
        silhouette_score(rows, each.labels_) if len(set(each.labels_)) > 1 else -1.0
        for each in models
    ]
    good = (
        each for each, score in zip(models, scores, strict=True) if score > max(scores) - _AS_GOOD
    )
    return next(good)


def _names(scores: Floats, labels: Labels, tags: Sequence[str]) -> list[tuple[str, ...]]:
    """The tags of each cluster, strongest first, none of which says what another one says."""
    alike = np.abs(scores.T @ scores) > _ALIKE * len(scores)  # they are standardised
    return [
        _strongest(scores[labels == number].mean(axis=0), alike, tags)
        for number in range(int(labels.max()) + 1)
    ]


def _strongest(mean: Floats, alike: npt.NDArray[np.bool_], tags: Sequence[str]) -> tuple[str, ...]:
    told: list[int] = []
    for tag in np.argsort(-mean, kind="stable").tolist():
        news = describes_sound(tags[tag]) and not alike[tag, told].any()
        if news and mean[tag] >= _ABOVE and len(told) < _TAGS:
            told.append(tag)
    return tuple(tags[tag] for tag in told)


def _name(named: Sequence[tuple[str, ...]], number: int) -> str:
    """So many of its tags that no other cluster begins so; with a number where all are shared."""
    own, others = named[number], [each for i, each in enumerate(named) if i != number]
    for count in range(_SAID, _TAGS + 1):
        if own and own[:count] not in [each[:count] for each in others]:
            return ", ".join(own[:count])
    return f"{', '.join(own[:_SAID]) or 'mixed'} ({number + 1})"


def _middle(
    connection: Connection, space: LibraryVectors, rows: npt.NDArray[np.intp]
) -> tuple[Neighbour, ...]:
    """The tracks nearest to the mean of some."""
    mean = space.vectors[rows].mean(axis=0)
    likeness = space.vectors[rows] @ (mean / max(float(np.linalg.norm(mean)), 1e-9))
    first = np.argsort(-likeness, kind="stable")[:_REPRESENTATIVES]
    ids = space.ids[rows[first]].tolist()
    known = tracks.get_many(connection, ids)
    return tuple(Neighbour(known[i], float(s)) for i, s in zip(ids, likeness[first], strict=True))
