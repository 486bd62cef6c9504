"""Playlists that lead from one track to another by small steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.mir.harmonic_mixing import circle_position, key_distances, tempo_distances
from fingerprinter.core.spelling import normalize_name
from fingerprinter.core.vectors.paths import NO_GROUP, StepGraph
from fingerprinter.errors import UsageError
from fingerprinter.library.similar.rows import first_of_each, rows_of
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import analyses, tracks
from fingerprinter.types import Neighbour, Track

# Tracks that a path may use, the nearest to the line between its ends. The matrix of all steps
# between 1,000 tracks takes 4 MB, and a path 0.1 s. More tracks: docs/research/discovery.md.
POOL: Final = 1000
_LINE_POINTS = 16  # points of the line from which distances are measured

# Weights of the largest change of tempo and of key in the size of a step, which is 0.3 to 1
# without. On paths of ten tracks they make tempo changes 30 % and key changes 27 % smaller, and the
# largest step 4 % larger. Twice the weights give 42, 49 and 7 %, but then paths of six tracks are
# no longer 20 % smoother than the straight line (docs/research/discovery.md).
TEMPO_WEIGHT: Final = 0.1
KEY_WEIGHT: Final = 0.1

Rows = npt.NDArray[np.intp]


def path_through(
    connection: Connection,
    space: LibraryVectors,
    stops: Sequence[Track],
    n: int,
    *,
    per_artist: bool = False,
) -> list[Neighbour]:
    """Make a playlist that leads through tracks.

    The tracks between two stops are chosen for each pair of stops in turn. How many they are
    follows the distance of the two.

    Parameters
    ----------
    connection
        Connection to the library.
    space
        All embeddings of the library.
    stops
        The tracks that the path visits in this order, at least two, each once.
    n
        Number of tracks, the stops included.
    per_artist
        Use at most one track of each artist between the stops. Tracks of unknown artists are not
        limited.

    Returns
    -------
    list of Neighbour
        The tracks in order, each with its similarity to the one before (1 for the first). They are
        fewer than `n` only if the library has too few.

    Raises
    ------
    UsageError
        If a stop is named twice, or `n` is below the number of stops.
    ModelError
        If no track has an embedding.
    """
    ids = [track.id for track in stops]
    if len(stops) < 2 or len(set(ids)) < len(ids):
        raise UsageError("a path needs two or more different tracks; name each of them once")
    if n < len(stops):
        raise UsageError(f"a path of {n} tracks cannot hold the {len(stops)} that are named")
    rows = rows_of(space, stops)
    direct = steps_between(space.vectors[rows])[np.arange(len(rows) - 1), np.arange(1, len(rows))]
    path = [Neighbour(stops[0], 1.0)]
    between_all = min(n, len(space)) - len(stops)  # nobody can get more than there are
    for leg, between in enumerate(proportional_shares(direct, between_all)):
        leg_ends = stops[leg], stops[leg + 1]
        avoided = [track for track in stops if track not in leg_ends]
        avoided += [each.track for each in path if each.track.id not in ids]
        path += _leg(connection, space, leg_ends, between + 2, avoided, per_artist=per_artist)
    return path


def proportional_shares(sizes: npt.NDArray[np.float32], total: int) -> list[int]:
    """Divide a number into whole shares that follow some sizes (the largest remainders).

    Examples
    --------
    >>> proportional_shares(np.array([0.3, 0.6, 0.1], np.float32), 8)
    [2, 5, 1]
    >>> proportional_shares(np.zeros(2, np.float32), 3)
    [2, 1]
    """
    weights = sizes.astype(np.float64) + 1e-9  # equal shares where all sizes are 0
    exact = total * weights / weights.sum()
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")
    shares[largest[: total - shares.sum()]] += 1
    return shares.tolist()


def _leg(
    connection: Connection,
    space: LibraryVectors,
    ends: tuple[Track, Track],
    n: int,
    avoided: Sequence[Track],
    *,
    per_artist: bool,
) -> list[Neighbour]:
    """Return the best path of at most n tracks between two, without the first of them.

    The tracks that are avoided stand in other parts of the playlist. With ``per_artist`` their
    artists are avoided, too.
    """
    pool = near_the_line(space, rows_of(space, ends))
    ids = space.ids[pool].tolist()
    known = tracks.get_many(connection, ids)
    names = {track_id: normalize_name(known[track_id].artist or "") for track_id in ids}
    taken_ids = {track.id for track in avoided}
    taken = {normalize_name(track.artist or "") for track in avoided} - {""}
    kept = [
        place
        for place, track_id in enumerate(ids)
        if place < 2 or not (track_id in taken_ids or (per_artist and names[track_id] in taken))
    ]
    candidates = [known[ids[place]] for place in kept]
    distances = steps_between(space.vectors[pool[kept]])
    steps = distances + jumps_between(connection, candidates)
    if per_artist:
        groups = first_of_each(names[track.id] for track in candidates)
    else:
        groups = np.full(len(candidates), NO_GROUP)
    path = StepGraph(steps, groups).path(0, 1, n)
    sizes = distances[path[:-1], path[1:]].tolist()
    return [Neighbour(candidates[i], 1 - size) for i, size in zip(path[1:], sizes, strict=True)]


def near_the_line(space: LibraryVectors, ends: Rows, pool: int = POOL) -> Rows:
    """Select the tracks nearest to the line between two tracks.

    Parameters
    ----------
    space
        All embeddings of the library.
    ends
        (2,) rows of the ends.
    pool
        Largest number of tracks.

    Returns
    -------
    (m,) intp
        Rows of the ends, then of the other tracks.
    """
    weights = np.linspace(0, 1, _LINE_POINTS, dtype=np.float32)[:, np.newaxis]
    first, last = space.vectors[ends]
    line = (1 - weights) * first + weights * last
    line /= np.maximum(np.linalg.norm(line, axis=1, keepdims=True), 1e-9)
    nearness = (space.vectors @ line.T).max(axis=1)
    nearness[ends] = np.inf
    count = min(pool, len(space))
    others = np.setdiff1d(np.argpartition(-nearness, count - 1)[:count], ends)
    return np.concatenate([ends, others])


def steps_between(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the cosine distances between unit vectors (n, dim), (n, n) float32, 0 to 2."""
    return np.clip(1 - vectors @ vectors.T, 0, 2)


def jumps_between(connection: Connection, listed: Sequence[Track]) -> npt.NDArray[np.float32]:
    """Return the cost of changes of tempo and key between tracks.

    Parameters
    ----------
    connection
        Connection to the library.
    listed
        The n tracks. A track without a music analysis adds no cost.

    Returns
    -------
    (n, n) float32
        Cost that is added to each step, 0 to `TEMPO_WEIGHT` + `KEY_WEIGHT`.
    """
    beats = analyses.beats(connection, [track.id for track in listed])
    if not beats:
        return np.zeros((len(listed), len(listed)), np.float32)
    known = [beats.get(track.id) for track in listed]
    tempos = np.array([beat and beat.tempo_bpm for beat in known], np.float32)
    positions = np.array([circle_position(beat.key if beat else None) for beat in known], np.int64)
    return TEMPO_WEIGHT * tempo_distances(tempos) + KEY_WEIGHT * key_distances(positions)
