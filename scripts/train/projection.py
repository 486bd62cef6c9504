"""From the trunk's statistics to 128 numbers: learned from which windows are of one track.

A linear discriminant (Fisher 1936; Rao 1948), regularised: it keeps the directions in which
tracks differ from each other more than the parts and the changed versions of one track do. It is
the closed form of what contrastive training looks for with a linear head, and with some hundred
tracks the better of the two (docs/embedding.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from corpus import Track
from hearing import Heard
from scipy.linalg import eigh

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Music = Sequence[tuple[Track, Heard]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is chosen on artists that were left out in turn.

    part: windows of which a part of a track is the mean
    same_artist: weight of what differs between tracks of one artist, among what must not matter
    everything: share of the spread of all tracks in what is divided by; 1 is plain whitening
    ridge: added along every direction, as a share of the mean spread
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
    """The projection that fits some tracks."""
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
    windows = np.concatenate([heard.statistics for _, heard in music]).astype(np.float64)
    return windows.mean(axis=0), windows.std(axis=0) + 1e-6


def spreads(
    music: Music, mean: Doubles, deviation: Doubles, recipe: Recipe
) -> tuple[Doubles, Doubles]:
    """Middles of the tracks (n, width), and rows (m, width) of what must not matter.

    The latter are the ways of parts and changed versions from the middle of their track, and of
    tracks from the middle of their artist, each track and artist counted alike.
    """
    middles, rows = [], []
    for _, heard in music:
        parts = parts_of((heard.statistics - mean) / deviation, recipe.part)
        versions = versions_of((heard.changed - mean) / deviation, heard.version)
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
    """Scaled to a mean spread of one."""
    return matrix / np.trace(matrix) * len(matrix)


def standardised(matrix: Doubles, music: Music) -> Projection:
    """Zero mean, and mean variance 1 over the directions: of tracks of average music."""
    tracks = np.array([heard.statistics.mean(axis=0) for _, heard in music]) @ matrix
    size = tracks.std()
    return Projection(
        (matrix / size).astype(np.float32), (-tracks.mean(axis=0) / size).astype(np.float32)
    )
