"""The form of a recording: its sections, and which of them are alike.

This is Laplacian segmentation [1]_. Moments (beats) are linked to those that sound alike and to the
next one, and the eigenvectors of this graph are clustered.

References
----------
.. [1] B. McFee and D. Ellis, "Analyzing song structure with spectral clustering", ISMIR 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from fingerprinter.core.arrays import Doubles, Floats, Longs
from fingerprinter.types import Section

_MAX_MOMENTS = 600  # longer recordings have coarser moments; the eigenvectors take n^3
_MIN_MOMENTS = 12
_MIN_SECTION_S = 6.0
_NEIGHBOURS = 2.0  # of each moment, times log2(n)
_MIN_LAG = 3  # moments: a nearer one is no repetition
_MAX_KINDS = 6  # of sections, in the spectral clustering
_DIAGONAL, _SMOOTHING = 7, 9  # lengths of the median filters, in moments
# Two sections are alike if the squared distance of their means is below this share of the variance
# within sections. Pieces of one track lie below it in 18 of 21 pairs, and pieces of two tracks
# above 1.1 in all of 64 pairs.
_MAX_DISTANCE = 0.5
_KMEANS_STARTS = 8


@dataclass(frozen=True, slots=True)
class Moments:
    """The features of a recording, beat by beat.

    Attributes
    ----------
    edges_s : (n + 1,) float64
        Start of each moment, and the end of the last one.
    harmony : (n, 12) float64
        Chroma.
    timbre : (n, d) float64
    """

    edges_s: Doubles
    harmony: Doubles
    timbre: Doubles

    def __len__(self) -> int:
        return len(self.harmony)


def moments(edges_s: Doubles, hop_s: float, harmony: Floats, timbre: Floats) -> Moments:
    """Average frames between edges. If there are too many edges, some are left out.

    Parameters
    ----------
    edges_s : (n + 1,) float64
        Ascending.
    hop_s : float
        Seconds from frame to frame.
    harmony, timbre : (m, ...) float32
        One row for each frame.
    """
    step = -(-(len(edges_s) - 1) // _MAX_MOMENTS)
    edges_s = np.append(edges_s[:-1:step], edges_s[-1])
    frames = np.clip(np.rint(edges_s / hop_s).astype(np.int64), 0, len(harmony))
    frames, first = np.unique(frames, return_index=True)
    counts = np.diff(frames)[:, np.newaxis]
    return Moments(
        np.append(edges_s[first[:-1]], edges_s[-1]),
        np.add.reduceat(harmony.astype(np.float64), frames[:-1]) / counts,
        np.add.reduceat(timbre.astype(np.float64), frames[:-1]) / counts,
    )


def sections(track: Moments, rng: np.random.Generator) -> tuple[Section, ...]:
    """Find the sections of a recording.

    Parameters
    ----------
    rng : numpy.random.Generator
        Starts the clustering.

    Returns
    -------
    tuple of Section
        Labelled A, B, ... in the order in which they first appear; one section if the recording
        is too short for more.
    """
    if len(track) < _MIN_MOMENTS:
        return _labelled(track.edges_s[[0, -1]], [0]) if len(track) else ()
    vectors, values = _spectrum(track)
    # The number of kinds is where the eigenvalues make the widest step, two at least.
    n_kinds = 2 + int(np.diff(values)[1:].argmax())
    kinds = _cluster(vectors[:, :n_kinds], rng)
    starts = np.append(0, np.flatnonzero(np.diff(kinds)) + 1)
    names = _merge_alike(_features(track), np.append(starts, len(track)))
    bounds_s = [*track.edges_s[starts].tolist(), float(track.edges_s[-1])]
    return _labelled(*_without_short_sections(bounds_s, names))


def _spectrum(track: Moments) -> tuple[Doubles, Doubles]:
    """First eigenvectors of the graph's normalised Laplacian, smoothed, and their eigenvalues."""
    from scipy.ndimage import median_filter

    graph = _graph(track)
    scale = 1 / np.sqrt(np.maximum(graph.sum(axis=1), 1e-9))
    laplacian = np.eye(len(graph)) - scale[:, np.newaxis] * graph * scale
    values, vectors = np.linalg.eigh(laplacian)
    smooth = median_filter(vectors[:, : _MAX_KINDS + 1], size=(_SMOOTHING, 1))
    return smooth, values[: _MAX_KINDS + 1]


def _graph(track: Moments) -> Doubles:
    """Weights of the links between moments: repetitions, and steps to the next moment, (n, n)."""
    repetitions = _repetitions(_features(track))
    distance = np.square(np.diff(_scaled(track.timbre), axis=0)).sum(axis=1)
    weight = np.exp(-distance / max(float(np.median(distance)), 1e-9))
    path = np.diag(weight, 1) + np.diag(weight, -1)
    # The share with which both kinds of links weigh the same (equation 7 of the paper).
    path_degree = path.sum(axis=1)
    degree = repetitions.sum(axis=1) + path_degree
    share = float(np.dot(path_degree, degree) / max(float(np.dot(degree, degree)), 1e-9))
    return share * repetitions + (1 - share) * path


def _features(track: Moments) -> Doubles:
    """Harmony and timbre side by side, each with unit variance."""
    return np.concatenate([_scaled(track.harmony), _scaled(track.timbre)], axis=1)


def _scaled(features: Doubles) -> Doubles:
    """Subtract the mean of each feature, and scale all of them together to unit variance."""
    centred = features - features.mean(axis=0)
    return centred / max(float(np.sqrt(np.square(centred).sum(axis=1).mean())), 1e-9)


def _repetitions(features: Doubles) -> Doubles:
    """Similarity of moments, 0..1, between mutual nearest neighbours, (n, n)."""
    from scipy.ndimage import median_filter

    # A moment is compared together with the two before it.
    padded = np.concatenate([features[:1], features[:1], features])
    history = np.concatenate([padded[2:], padded[1:-1], padded[:-2]], axis=1)
    square = np.square(history).sum(axis=1)
    distance = np.maximum(0, square[:, np.newaxis] + square - 2 * history @ history.T)
    n = len(distance)
    close_in_time = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < _MIN_LAG
    count = min(n - 2 * _MIN_LAG, 1 + int(_NEIGHBOURS * np.log2(n)))
    candidates = np.where(close_in_time, np.inf, distance)
    limit = np.partition(candidates, count - 1, axis=1)[:, count - 1 : count]
    mutual = (candidates <= limit) & (candidates <= limit.T)
    width = float(np.median(limit))
    similarity = np.where(mutual, np.exp(-distance / max(width, 1e-9)), 0.0)
    # A repetition lasts for some time, so the median along each diagonal is taken.
    return median_filter(similarity, footprint=np.eye(_DIAGONAL, dtype=bool), mode="constant")


def _cluster(vectors: Doubles, rng: np.random.Generator) -> Longs:
    """Cluster the rows into as many kinds as there are columns: the best of some k-means runs."""
    from scipy.cluster.vq import ClusterError, kmeans2

    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    n_kinds = min(rows.shape[1], len(np.unique(rows.round(6), axis=0)))
    best, least = np.zeros(len(rows), np.int64), np.inf
    for _ in range(_KMEANS_STARTS):
        try:
            centres, kinds = kmeans2(rows, n_kinds, iter=30, minit="++", missing="raise", rng=rng)
        except ClusterError:  # a cluster lost its last row
            continue
        error = float(np.square(rows - centres[kinds]).sum())
        if error < least:
            best, least = kinds.astype(np.int64), error
    return best


def _merge_alike(features: Doubles, bounds: Longs) -> list[int]:
    """Give each section a name, the same one to sections whose mean features are close.

    The spectral clusters mix what sounds alike with what is near in time, so this compares the
    sound alone. The two closest names are merged until none are close enough.
    """
    parts = [features[start:end] for start, end in pairwise(bounds)]
    spread = np.concatenate([np.square(part - part.mean(axis=0)).sum(axis=1) for part in parts])
    names = list(range(len(parts)))
    while len(set(names)) > 1:
        means = {}
        for name in set(names):
            same = [part for part, other in zip(parts, names, strict=True) if other == name]
            means[name] = np.concatenate(same).mean(axis=0)
        distance, one, other = min(
            (float(np.square(means[one] - means[other]).sum()), one, other)
            for one, other in combinations(sorted(means), 2)
        )
        if distance > _MAX_DISTANCE * float(spread.mean()):
            break
        names = [one if name == other else name for name in names]
    return names


def _without_short_sections(
    bounds_s: list[float], names: list[int]
) -> tuple[list[float], list[int]]:
    """Merge each section that is too short into the shorter one of its neighbours."""
    bounds_s, names = _join_equal(bounds_s, names)
    while len(names) > 1:
        lengths = np.diff(bounds_s)
        shortest = int(lengths.argmin())
        if lengths[shortest] >= _MIN_SECTION_S:
            break
        neighbours = [n for n in (shortest - 1, shortest + 1) if 0 <= n < len(lengths)]
        names[shortest] = names[min(neighbours, key=lambda n: float(lengths[n]))]
        bounds_s, names = _join_equal(bounds_s, names)
    return bounds_s, names


def _join_equal(bounds_s: list[float], names: list[int]) -> tuple[list[float], list[int]]:
    """Join neighbours that have the same name."""
    kept = [n for n in range(len(names)) if n == 0 or names[n] != names[n - 1]]
    return [bounds_s[n] for n in kept] + bounds_s[-1:], [names[n] for n in kept]


def _labelled(bounds_s: Doubles | list[float], names: list[int]) -> tuple[Section, ...]:
    """Make sections with the labels A, B, ... in the order in which the names appear."""
    letters = {name: chr(ord("A") + n) for n, name in enumerate(dict.fromkeys(names))}
    return tuple(
        Section(round(float(start), 3), round(float(end), 3), letters[name])
        for (start, end), name in zip(pairwise(bounds_s), names, strict=True)
    )
