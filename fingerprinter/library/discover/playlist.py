"""Playlists from one track to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.mir.harmonic_mixing import circle_position, key_distances, tempo_distances
from fingerprinter.core.vectors.paths import NO_GROUP, StepGraph
from fingerprinter.errors import UsageError
from fingerprinter.library.base.normalize import normalize_name
from fingerprinter.library.similar.rows import first_of_each, rows_of
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import analyses, tracks
from fingerprinter.types import Neighbour, Track

# Tracks that a path may touch, those nearest to the line: a matrix of all steps between so many
# takes 4 MB and a path 0.1 s. docs/discovery.md says what more of them would gain.
POOL: Final = 1000
_POINTS = 16  # of the line, by which nearness to it is measured

# What the worst change of tempo and of key adds to a step, whose size without is 0.3 to 1. On paths
# of ten tracks changes of tempo are by 30 %, of key by 27 % smaller than without, and the largest
# step by 4 % larger; at twice as much by 42, 49 and 7 %, and then paths of six tracks are no
# longer 20 % smoother than the straight line (docs/discovery.md).
TEMPO_WEIGHT: Final = 0.1
KEY_WEIGHT: Final = 0.1

Rows = npt.NDArray[np.intp]


def path_between(
    connection: Connection,
    space: LibraryVectors,
    start: Track,
    end: Track,
    n: int,
    *,
    per_artist: bool = False,
) -> list[Neighbour]:
    """A playlist from one track to another, each with its likeness to the one before.

    n: tracks, both ends included; fewer where the library has not so many
    per_artist: at most one track of an artist; those whose artist is unknown do not count
    Raises `UsageError` for less than two tracks, or the same one at both ends.
    """
    if n < 2 or start.id == end.id:
        raise UsageError(
            f"a path has two ends; give two different tracks and -n 2 or more, not {n}"
        )
    pool = near_the_line(space, rows_of(space, [start, end]))
    known = tracks.get_many(connection, space.ids[pool].tolist())
    listed = [known[track_id] for track_id in space.ids[pool].tolist()]
    apart = steps_between(space.vectors[pool])
    steps = apart + jumps_between(connection, listed)
    found = StepGraph(steps, _groups(listed, per_artist)).path(0, 1, n)
    sizes = [0.0, *apart[found[:-1], found[1:]].tolist()]
    return [Neighbour(listed[i], 1 - size) for i, size in zip(found, sizes, strict=True)]


def near_the_line(space: LibraryVectors, ends: Rows, pool: int = POOL) -> Rows:
    """The ends, then the tracks nearest to any point of the line between them."""
    weights = np.linspace(0, 1, _POINTS, dtype=np.float32)[:, np.newaxis]
    first, last = space.vectors[ends]
    line = (1 - weights) * first + weights * last
    line /= np.maximum(np.linalg.norm(line, axis=1, keepdims=True), 1e-9)
    nearness = (space.vectors @ line.T).max(axis=1)
    nearness[ends] = np.inf
    count = min(pool, len(space))
    others = np.setdiff1d(np.argpartition(-nearness, count - 1)[:count], ends)
    return np.concatenate([ends, others])


def steps_between(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cosine distances, 0..2."""
    return np.clip(1 - vectors @ vectors.T, 0, 2)


def jumps_between(connection: Connection, listed: Sequence[Track]) -> npt.NDArray[np.float32]:
    """What is added to a step for another tempo and another key; nothing without analyses."""
    beats = analyses.beats(connection, [track.id for track in listed])
    if not beats:
        return np.zeros((len(listed), len(listed)), np.float32)
    known = [beats.get(track.id) for track in listed]
    tempos = np.array([beat and beat.tempo_bpm for beat in known], np.float32)
    places = np.array([circle_position(beat.key if beat else None) for beat in known], np.int64)
    return TEMPO_WEIGHT * tempo_distances(tempos) + KEY_WEIGHT * key_distances(places)


def _groups(listed: Sequence[Track], per_artist: bool) -> npt.NDArray[np.int64]:
    if not per_artist:
        return np.full(len(listed), NO_GROUP)
    return first_of_each(normalize_name(track.artist or "") for track in listed)
