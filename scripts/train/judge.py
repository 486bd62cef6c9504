"""How well the halves of a track and the tracks of an artist are found, beside simpler ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from corpus import Track
from hearing import WINDOW, Heard
from projection import Music, Projection

from fingerprinter.embedding import VectorIndex

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS, OCCURRENCE_K = 5, 10
RESAMPLINGS = 2000
SR = 16_000  # Hz


@dataclass(frozen=True, slots=True)
class System:
    """A way to tell likeness: whole-window vectors, and what is made of them.

    vectors: (n, d) of the windows of a track; index: compare as the library does, else z-scored
    """

    name: str
    vectors: Any  # (Heard) -> Floats
    index: bool


def systems(projection: Projection) -> list[System]:
    rng = np.random.default_rng(0)
    return [
        System("chance", lambda heard: rng.standard_normal((len(heard.starts), 64)), index=False),
        System("MFCC statistics", lambda heard: heard.mfcc, index=False),
        System("musicnn, z-scored", lambda heard: heard.mean_pool, index=False),
        System("musicnn, index", lambda heard: heard.mean_pool, index=True),
        System("ours, z-scored", lambda heard: projection(heard.statistics), index=False),
        System("ours, index", lambda heard: projection(heard.statistics), index=True),
    ]


def long_enough(music: Music, least_s: float) -> Music:
    """The tracks of which the halves can be told apart."""
    return [(track, heard) for track, heard in music if heard.length >= least_s * SR]


def judge(music: Music, asked: Mask, system: System) -> dict[str, Any]:
    """All halves of all tracks are in the list; those of the asked tracks ask.

    asked: (n,), which tracks of `music` the figures are about
    """
    first, second = halves(music, system)
    same = same_recordings([track for track, _ in music])
    ranks = half_ranks(similarities(np.concatenate([first, second]), system.index), same)
    alike = similarities((first + second) / np.float32(2), system.index)
    alike[same] = -np.inf
    order = np.argsort(-alike, axis=1, kind="stable")
    return {
        "system": system.name,
        "asked": int(asked.sum()),
        "listed": len(music),
        **figures(ranks[:, asked], order[asked], music, asked),
        "skew": round(skew(order[:, :OCCURRENCE_K]), 2),
    }


def halves(music: Music, system: System) -> tuple[Floats, Floats]:
    """Means of the windows that lie within the first and the second half, (n, d) each."""
    pairs = [half_means(heard, system.vectors(heard)) for _, heard in music]
    first, second = (np.array([pair[i] for pair in pairs], np.float32) for i in (0, 1))
    return first, second


def half_means(heard: Heard, vectors: Floats) -> tuple[Floats, Floats]:
    middle = heard.length / 2
    early, late = heard.starts + WINDOW <= middle, heard.starts >= middle
    return vectors[early].mean(axis=0), vectors[late].mean(axis=0)


def same_recordings(tracks: Sequence[Track]) -> Mask:
    names = np.array([track.recording for track in tracks])
    same: Mask = names[:, np.newaxis] == names
    return same


def similarities(vectors: Floats, index: bool) -> Doubles:
    """Of each with each, (n, n)."""
    if not index:
        standard = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
        units = standard / np.linalg.norm(standard, axis=1, keepdims=True)
        return (units @ units.T).astype(np.float64)
    found = np.empty((len(vectors), len(vectors)))
    library = VectorIndex.build(np.arange(len(vectors)), vectors)
    for row, vector in zip(found, vectors, strict=True):
        ids, values = library.search(vector, len(vectors))
        row[ids] = values
    return found


def half_ranks(alike: Doubles, same: Mask) -> npt.NDArray[np.int64]:
    """At which place a right half is found, (2, n): asked with the first halves, the second."""
    np.fill_diagonal(alike, -np.inf)
    right = np.tile(same, (2, 2))
    order = np.argsort(-alike, axis=1, kind="stable")
    ranks = np.take_along_axis(right, order, axis=1).argmax(axis=1) + 1
    return ranks.reshape(2, -1)


def figures(
    ranks: npt.NDArray[np.int64], order: npt.NDArray[np.int64], music: Music, asked: Mask
) -> dict[str, Any]:
    """Means with intervals; ranks (2, n) and order (n, all) of the asked tracks alone."""
    artists = np.array([track.artist for track, _ in music])
    folders = np.array([track.folder for track, _ in music])
    alike = artists[asked][:, np.newaxis] == artists[order]
    away = folders[asked][:, np.newaxis] != folders[order]
    return {
        "other_half_first": interval((ranks == 1).mean(axis=0)),
        "reciprocal_rank": interval((1 / ranks).mean(axis=0)),
        "same_artist": interval(share(alike, np.ones_like(alike))),
        "same_artist_other_folder": interval(share(alike, away)),
    }


def share(alike: Mask, counts: Mask) -> Doubles:
    """Part of the first five that are alike, of those that count; of tracks with any alike.

    alike, counts: (n, all), in the order of the neighbours; the track itself comes last
    """
    alike, counts = alike[:, :-1], counts[:, :-1]
    possible = (alike & counts).any(axis=1)
    among = counts & (np.cumsum(counts, axis=1) <= NEIGHBOURS)
    found: Doubles = (alike & among).sum(axis=1)[possible] / NEIGHBOURS
    return found


def interval(values: Doubles) -> list[float]:
    """The mean and where it lies with 95 %, by resampling the tracks (Efron 1979)."""
    if len(values) == 0:
        return []
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLINGS, len(values)))
    ends = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return [round(float(x), 4) for x in (values.mean(), *ends)]


def skew(neighbours: npt.NDArray[np.int64]) -> float:
    """Of how often each track is among the first ten: large where there are hubs."""
    counts = np.bincount(neighbours.ravel(), minlength=len(neighbours)).astype(float)
    apart = counts - counts.mean()
    return float((apart**3).mean() / max(counts.std(), 1e-9) ** 3)
