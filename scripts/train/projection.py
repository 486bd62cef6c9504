"""The projection from the trunk's statistics to 128 numbers, learned from tracks and their parts.

A regularised linear discriminant (Fisher 1936; Rao 1948). It keeps the directions in which tracks
differ from each other more than the parts and the changed versions of one track do. It is the
closed form of contrastive training with a linear head, and works better with some hundred tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from corpus import Track
from features import TrackFeatures
from scipy.linalg import eigh

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Music = Sequence[tuple[Track, TrackFeatures]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters, chosen by leaving out artists in turn.

    part: number of windows whose mean is a part of a track
    same_artist: weight of the differences between tracks of one artist in the within-class scatter
    everything: share of the total scatter in the denominator; 1 is plain whitening
    ridge: added along every direction, as a share of the mean scatter
    emphasis: exponent of a direction's discriminance in its scale
    """

    dim: int = 128
    part: int = 8
    same_artist: float = 0.3
    everything: float = 0.2
    ridge: float = 0.05
    emphasis: float = 0.15


@dataclass(frozen=True, slots=True)
class Projection:
    """``statistics @ matrix + offset``: (n, width) -> (n, dim), about zero mean and unit variance.

    matrix: (width, dim) float32; offset: (dim,) float32
    """

    matrix: Floats
    offset: Floats

    def __call__(self, statistics: Floats) -> Floats:
        return statistics @ self.matrix + self.offset


def learn(music: Music, recipe: Recipe) -> Projection:
    """Fits the projection to tracks."""
    mean, deviation = scale(music)
    middles, apart = spreads(music, mean, deviation, recipe)
    between = np.cov(middles.T)
    within = unit_trace(apart.T @ apart)
    limits = (1 - recipe.everything) * within + recipe.everything * unit_trace(between)
    limits[np.diag_indices_from(limits)] += recipe.ridge
    values, directions = eigh(between, limits)
    best = np.argsort(-values)[: recipe.dim]
    matrix = directions[:, best] * np.maximum(values[best], 0) ** recipe.emphasis
    return standardised(matrix / deviation[:, np.newaxis], music)


def scale(music: Music) -> tuple[Doubles, Doubles]:
    """Mean and deviation of the statistics over all windows, (width,) each."""
    windows = np.concatenate([features.statistics for _, features in music]).astype(np.float64)
    return windows.mean(axis=0), windows.std(axis=0) + 1e-6


def spreads(
    music: Music, mean: Doubles, deviation: Doubles, recipe: Recipe
) -> tuple[Doubles, Doubles]:
    """Means of the tracks (n, width), and rows (m, width) of the within-class scatter.

    The rows are deviations of parts and changed versions from the mean of their track, and of
    tracks from the mean of their artist. Every track and every artist has the same weight.
    """
    middles, rows = [], []
    for _, features in music:
        parts = parts_of((features.statistics - mean) / deviation, recipe.part)
        versions = versions_of((features.changed - mean) / deviation, features.version)
        middles.append(parts.mean(axis=0))
        rows += [(each - middles[-1]) / np.sqrt(len(each)) for each in (parts, versions)]
    middle = np.array(middles)
    artists = np.array([track.artist for track, _ in music])
    weight = np.sqrt(recipe.same_artist)
    rows += [weight * (mine - mine.mean(axis=0)) for mine in by_artist(middle, artists)]
    return middle, np.concatenate([row for row in rows if len(row)])


def parts_of(windows: Doubles, part: int) -> Doubles:
    """Means of neighbouring windows, at least two."""
    return np.array([p.mean(axis=0) for p in np.array_split(windows, max(2, len(windows) // part))])


def versions_of(windows: Doubles, version: npt.NDArray[np.int64]) -> Doubles:
    means = [windows[version == number].mean(axis=0) for number in np.unique(version)]
    return np.array(means).reshape(-1, windows.shape[1])


def by_artist(middles: Doubles, artists: npt.NDArray[np.str_]) -> list[Doubles]:
    groups = [middles[artists == artist] for artist in np.unique(artists)]
    return [group for group in groups if len(group) > 1]


def unit_trace(matrix: Doubles) -> Doubles:
    """Scales to a mean variance of one."""
    return matrix / np.trace(matrix) * len(matrix)


def standardised(matrix: Doubles, music: Music) -> Projection:
    """Scales to zero mean, and mean variance 1 over the directions, for these tracks."""
    tracks = np.array([features.statistics.mean(axis=0) for _, features in music]) @ matrix
    size = tracks.std()
    return Projection(
        (matrix / size).astype(np.float32), (-tracks.mean(axis=0) / size).astype(np.float32)
    )
