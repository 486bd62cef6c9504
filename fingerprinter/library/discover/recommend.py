"""Tracks for a listener: by likes and dislikes, or by a listening history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.errors import UsageError
from fingerprinter.library.discover.collaborative import Plays, confidence, fit_factors
from fingerprinter.library.discover.history_matching import TrackMatcher
from fingerprinter.library.discover.play_history import History, PlayedTrack
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.result_list import Deduplicator, ListOptions, ResultList
from fingerprinter.library.similar.rows import require_embeddings, rows_of
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import tracks
from fingerprinter.types import Neighbour, Track

# Below so many listeners with a known track, what others play says less than what one's own tracks
# sound like: docs/discovery.md has the figures of 20 to 1,000.
MIN_LISTENERS: Final = 100
_READ = 64  # tracks that are looked up at a time

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A song of a history that the library does not have, and how often it was played."""

    name: str
    plays: int


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Tracks for a listener, best first, and what of the history could not be used.

    songs: of the listener, matched or not; unmatched: most played first
    listeners: whose plays were learned from; 1 where only the listener's own were
    """

    user: str
    results: tuple[Neighbour, ...]
    songs: int
    unmatched: tuple[Unmatched, ...]
    listeners: int


def recommend_by_likes(
    connection: Connection,
    space: LibraryVectors,
    likes: Sequence[Track],
    dislikes: Sequence[Track],
    copies: CopyDetector,
    n: int,
) -> list[Neighbour]:
    """The recordings that suit a taste best, without those that it is known by.

    Raises `UsageError` where nothing is liked, or a track both ways.
    """
    if not likes:
        raise UsageError("name a track that is liked: --like TRACK")
    liked, disliked = rows_of(space, likes), rows_of(space, dislikes)
    for row in np.intersect1d(liked, disliked).tolist():
        raise UsageError(f"track {space.ids[row]} is both liked and disliked; decide for one")
    weights = np.ones(len(liked), np.float32)
    scores = score_by_likes(space.likeness(liked), weights, space.likeness(disliked))
    known = np.concatenate([liked, disliked])
    return top_neighbours(connection, space, scores, known, copies, n)


def recommend_by_history(
    connection: Connection,
    space: LibraryVectors,
    history: History,
    user: str,
    copies: CopyDetector,
    n: int,
) -> Recommendations:
    """The recordings that a listener has not played yet and would like, by all that is known.

    Raises `UsageError` where the library has none of the listener's songs.
    """
    require_embeddings(space)
    matched = _matched(connection, space, history)
    own = matched[user]
    unmatched = _unmatched(history[user], own.songs)
    if not own.rows:
        raise UsageError(
            f"{user}: none of {len(history[user])} songs is in the library, {_some(unmatched)};"
            " they are matched by path, MusicBrainz id, or artist and title"
        )
    known = {name: each for name, each in matched.items() if each.rows}
    many = len(known) >= MIN_LISTENERS
    scores = _by_all(space, known, user) if many else _by_own(space, own.rows)
    rows = np.array(sorted(own.rows), np.intp)
    results = tuple(top_neighbours(connection, space, scores, rows, copies, n))
    return Recommendations(
        user, results, len(history[user]), tuple(unmatched), len(known) if many else 1
    )


@dataclass(frozen=True, slots=True)
class _Matched:
    """A listener's songs that the library has; rows: plays by row of the space."""

    songs: frozenset[PlayedTrack]
    rows: Mapping[int, int]


def _matched(
    connection: Connection, space: LibraryVectors, history: History
) -> dict[str, _Matched]:
    book = TrackMatcher(tracks.iterate(connection))
    row_of = {track_id: row for row, track_id in enumerate(space.ids.tolist())}
    every = {song for songs in history.values() for song in songs}
    found = {song: row_of.get(book.find(song) or 0) for song in every}
    return {user: _of_listener(songs, found) for user, songs in history.items()}


def _of_listener(songs: Counter[PlayedTrack], found: Mapping[PlayedTrack, int | None]) -> _Matched:
    rows: Counter[int] = Counter()
    for song, plays in songs.items():
        row = found[song]
        if row is not None and plays > 0:
            rows[row] += plays
    return _Matched(frozenset(song for song in songs if found[song] is not None), rows)


def _unmatched(songs: Counter[PlayedTrack], matched: Iterable[PlayedTrack]) -> list[Unmatched]:
    left = set(songs) - set(matched)
    return [Unmatched(song.label, plays) for song, plays in songs.most_common() if song in left]


def _some(unmatched: Sequence[Unmatched]) -> str:
    names = [each.name for each in unmatched[:3]]
    return ", ".join(names) + (", ..." if len(unmatched) > len(names) else "")


def _by_own(space: LibraryVectors, plays: Mapping[int, int]) -> Floats:
    """How well all tracks suit what one listener plays."""
    weights = confidence(np.array(list(plays.values()), np.int64)) - 1
    nothing = np.empty((len(space), 0), np.float32)
    return score_by_likes(space.likeness(np.array(list(plays), np.intp)), weights, nothing)


def _by_all(space: LibraryVectors, matched: Mapping[str, _Matched], user: str) -> Floats:
    """How much a listener would like all tracks, by what others play and by their sound."""
    triples = [
        (number, row, plays)
        for number, each in enumerate(matched.values())
        for row, plays in each.rows.items()
    ]
    users, rows, counts = np.array(triples, np.int64).T
    factors = fit_factors(Plays(users, rows, counts), len(matched), space.vectors)
    return factors.tracks @ factors.users[list(matched).index(user)]


def top_neighbours(
    connection: Connection,
    space: LibraryVectors,
    scores: Floats,
    known: Rows,
    copies: CopyDetector,
    n: int,
) -> list[Neighbour]:
    """The tracks of the highest scores; each recording once, none that is known."""
    units = dict(zip(space.ids.tolist(), space.vectors, strict=True))
    listing = ResultList(ListOptions(n), Deduplicator(units, space.ids[known].tolist(), copies))
    open_ = np.setdiff1d(np.arange(len(space)), known)
    order = open_[np.argsort(-scores[open_], kind="stable")]
    for start in range(0, len(order), _READ):
        rows = order[start : start + _READ]
        found = tracks.get_many(connection, space.ids[rows].tolist())
        for row in rows.tolist():
            if listing.is_full:
                return listing.neighbours
            likeness = float(np.clip(scores[row], -1, 1))
            listing.offer(Neighbour(found[int(space.ids[row])], likeness))
    return listing.neighbours
