"""The form of a recording: which parts follow each other, and which of them are alike.

Laplacian segmentation (McFee & Ellis, "Analyzing song structure with spectral clustering", ISMIR
2014): moments are linked to those that sound alike and to the next one, and the eigenvectors of
that graph are clustered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from fingerprinter.types import Section

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_MOMENTS = 600  # a longer recording has coarser ones; the eigenvectors take n^3
_LEAST_MOMENTS = 12
_SHORTEST_S = 6.0
_NEIGHBOURS = 2.0  # times log2(n)
_APART = 3  # moments: a nearer one is no repetition
_MOST_KINDS = 6
_DIAGONAL, _SMOOTH = 7, 9  # moments of the median filters
# Squared distance of two parts' means, over the variance within parts. Pieces of one track lie
# below 0.5 in 18 of 21 pairs, pieces of two tracks above 1.1 in all of 64.
_SAME = 0.5
_STARTS = 8  # of the clustering


@dataclass(frozen=True, slots=True)
class Moments:
    """A recording, beat by beat.

    edges_s: (n + 1,) float64, where each begins, and the end
    harmony: (n, 12), timbre: (n, d) float64
    """

    edges_s: Doubles
    harmony: Doubles
    timbre: Doubles

    def __len__(self) -> int:
        return len(self.harmony)


def moments(edges_s: Doubles, hop_s: float, harmony: Floats, timbre: Floats) -> Moments:
    """The mean of frames between edges, some of which are left out where there are too many.

    harmony, timbre: (m, ...), a frame each `hop_s`
    """
    step = -(-(len(edges_s) - 1) // _MOST_MOMENTS)
    edges_s = np.append(edges_s[:-1:step], edges_s[-1])
    at = np.clip(np.rint(edges_s / hop_s).astype(np.int64), 0, len(harmony))
    at, first = np.unique(at, return_index=True)
    counts = np.diff(at)[:, np.newaxis]
    return Moments(
        np.append(edges_s[first[:-1]], edges_s[-1]),
        np.add.reduceat(harmony.astype(np.float64), at[:-1]) / counts,
        np.add.reduceat(timbre.astype(np.float64), at[:-1]) / counts,
    )


def sections(given: Moments, rng: np.random.Generator) -> tuple[Section, ...]:
    """The parts, labelled A, B, ... in the order in which they first come."""
    if len(given) < _LEAST_MOMENTS:
        return _named(given.edges_s[[0, -1]], [0]) if len(given) else ()
    vectors, values = _spectrum(given)
    kinds = _kind_count(values)
    labels = _clustered(vectors, kinds, rng)
    starts = _starts(labels)
    names = _alike(_features(given), np.append(starts, len(given)))
    return _named(*_merged(given.edges_s, starts, names))


def _spectrum(given: Moments) -> tuple[Doubles, Doubles]:
    """The first eigenvectors of the graph, smoothed, and their eigenvalues."""
    from scipy.ndimage import median_filter

    graph = _graph(given)
    degree = 1 / np.sqrt(np.maximum(graph.sum(axis=1), 1e-9))
    laplacian = np.eye(len(graph)) - degree[:, np.newaxis] * graph * degree
    values, vectors = np.linalg.eigh(laplacian)
    first = median_filter(vectors[:, : _MOST_KINDS + 1], size=(_SMOOTH, 1))
    return first, values[: _MOST_KINDS + 1]


def _graph(given: Moments) -> Doubles:
    """Repetitions by harmony and timbre, and the way from moment to moment by timbre."""
    alike = _repetitions(_features(given))
    step = np.square(np.diff(_scaled(given.timbre), axis=0)).sum(axis=1)
    path = np.exp(-step / max(float(np.median(step)), 1e-9))
    next_one = np.diag(path, 1) + np.diag(path, -1)
    share = _balance(alike.sum(axis=1), next_one.sum(axis=1))
    return share * alike + (1 - share) * next_one


def _balance(alike: Doubles, next_one: Doubles) -> float:
    """The share of repetitions with which both weigh the same: equation 7."""
    both = alike + next_one
    return float(np.dot(next_one, both) / max(float(np.dot(both, both)), 1e-9))


def _features(given: Moments) -> Doubles:
    return np.concatenate([_scaled(given.harmony), _scaled(given.timbre)], axis=1)


def _scaled(features: Doubles) -> Doubles:
    """Each feature about its mean; all of them together of unit variance."""
    centred = features - features.mean(axis=0)
    return centred / max(float(np.sqrt(np.square(centred).sum(axis=1).mean())), 1e-9)


def _repetitions(features: Doubles) -> Doubles:
    """Which moments sound alike, 0..1, and go on to sound alike: (n, n)."""
    far = _distances(_with_next(features))
    n = len(far)
    near_ones = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < _APART
    count = min(n - 2 * _APART, 1 + int(_NEIGHBOURS * np.log2(n)))
    free = np.where(near_ones, np.inf, far)
    limit = np.partition(free, count - 1, axis=1)[:, count - 1 : count]
    mutual = (free <= limit) & (free <= limit.T)
    width = float(np.median(limit))
    return _along_diagonals(np.where(mutual, np.exp(-far / max(width, 1e-9)), 0.0))


def _with_next(features: Doubles) -> Doubles:
    """Each moment with the two before it."""
    padded = np.concatenate([features[:1], features[:1], features])
    return np.concatenate([padded[2:], padded[1:-1], padded[:-2]], axis=1)


def _distances(features: Doubles) -> Doubles:
    square = np.square(features).sum(axis=1)
    return np.maximum(0, square[:, np.newaxis] + square - 2 * features @ features.T)


def _along_diagonals(alike: Doubles) -> Doubles:
    """The median of each run along a diagonal: what repeats does so for some time."""
    from scipy.ndimage import median_filter

    footprint = np.eye(_DIAGONAL, dtype=bool)
    return median_filter(alike, footprint=footprint, mode="constant")


def _kind_count(values: Doubles) -> int:
    """How many kinds of parts: where the eigenvalues make the widest step."""
    steps = np.diff(values)[1:]
    return 2 + int(steps.argmax())


def _clustered(vectors: Doubles, kinds: int, rng: np.random.Generator) -> Ints:
    """Lloyd's algorithm on the rows, the best of some starts."""
    rows = vectors[:, :kinds]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    found = [_lloyd(rows, kinds, rng) for _ in range(_STARTS)]
    return min(found, key=lambda each: each[1])[0]


def _lloyd(rows: Doubles, kinds: int, rng: np.random.Generator) -> tuple[Ints, float]:
    """(labels, sum of squared distances) from starts that lie far apart (k-means++)."""
    centres = rows[[int(rng.integers(len(rows)))]]
    while len(centres) < kinds:
        far = np.square(rows[:, np.newaxis] - centres).sum(axis=2).min(axis=1) + 1e-12
        centres = np.append(centres, rows[[int(rng.choice(len(rows), p=far / far.sum()))]], axis=0)
    for _ in range(30):
        far = np.square(rows[:, np.newaxis] - centres).sum(axis=2)
        labels = far.argmin(axis=1)
        for kind in np.unique(labels):
            centres[kind] = rows[labels == kind].mean(axis=0)
    return labels, float(far.min(axis=1).sum())


def _starts(labels: Ints) -> Ints:
    """The first moment of each run of one label."""
    return np.append(0, np.flatnonzero(np.diff(labels)) + 1)


def _alike(features: Doubles, bounds: Ints) -> list[int]:
    """A number for each part, the same for parts whose means lie close together.

    The spectral labels mix what is alike with what is near in time; this looks at the sound alone.
    """
    parts = [features[start:end] for start, end in pairwise(bounds)]
    spread = np.concatenate([np.square(part - part.mean(axis=0)).sum(axis=1) for part in parts])
    names = list(range(len(parts)))
    while len(set(names)) > 1:
        far, one, other = min(_name_distances(parts, names))
        if far > _SAME * float(spread.mean()):
            break
        names = [one if name == other else name for name in names]
    return names


def _name_distances(parts: list[Doubles], names: list[int]) -> Iterator[tuple[float, int, int]]:
    """(squared distance of the means, name, name) of all pairs."""
    means = {
        name: np.concatenate([p for p, n in zip(parts, names, strict=True) if n == name]).mean(0)
        for name in set(names)
    }
    for one, other in combinations(sorted(means), 2):
        yield float(np.square(means[one] - means[other]).sum()), one, other


def _merged(edges_s: Doubles, starts: Ints, names: list[int]) -> tuple[Doubles, list[int]]:
    """Without parts that are too short: each goes to the shorter of its neighbours."""
    bounds, names = _joined([*edges_s[starts], edges_s[-1]], names)
    while len(names) > 1:
        lengths = np.diff(bounds)
        shortest = int(lengths.argmin())
        if lengths[shortest] >= _SHORTEST_S:
            break
        names[shortest] = names[_shorter_neighbour(lengths, shortest)]
        bounds, names = _joined(bounds, names)
    return np.array(bounds), names


def _shorter_neighbour(lengths: Doubles, at: int) -> int:
    beside = [n for n in (at - 1, at + 1) if 0 <= n < len(lengths)]
    return min(beside, key=lambda n: float(lengths[n]))


def _joined(bounds: list[float], names: list[int]) -> tuple[list[float], list[int]]:
    """With neighbours of one name as one."""
    kept = [n for n in range(len(names)) if n == 0 or names[n] != names[n - 1]]
    return [bounds[n] for n in kept] + bounds[-1:], [names[n] for n in kept]


def _named(bounds_s: Doubles, names: list[int]) -> tuple[Section, ...]:
    letters: dict[int, str] = {}
    return tuple(_parts(bounds_s, names, letters))


def _parts(bounds_s: Doubles, names: list[int], letters: dict[int, str]) -> Iterator[Section]:
    for start, end, name in zip(bounds_s, bounds_s[1:], names, strict=False):
        letter = letters.setdefault(name, chr(ord("A") + len(letters)))
        yield Section(round(float(start), 3), round(float(end), 3), letter)
