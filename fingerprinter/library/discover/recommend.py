"""Recommendations from likes and dislikes, or from a play history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats
from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.errors import UsageError
from fingerprinter.library.discover.collaborative import Plays, confidence, fit_factors
from fingerprinter.library.discover.history_matching import TrackMatcher
from fingerprinter.library.discover.play_history import History, PlayedTrack
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.filters import admitted_ids
from fingerprinter.library.similar.result_list import Deduplicator, ListOptions, ResultList
from fingerprinter.library.similar.rows import require_embeddings, rows_of
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.tables import tracks
from fingerprinter.types import Neighbour, Track

# Number of listeners with a matched track from which collaborative filtering is used. With fewer,
# the sound of the listener's own tracks predicts better. docs/research/discovery.md has figures for
# 20 to 1,000 listeners.
MIN_LISTENERS: Final = 100
_BATCH = 64  # tracks read from the database at a time

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A history entry that the library does not have, and how often it was played."""

    name: str
    plays: int


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Recommended tracks for a listener.

    Attributes
    ----------
    user
        Name of the listener.
    results
        The tracks, best first.
    songs
        Number of distinct tracks in the listener's history, matched or not.
    unmatched
        Entries that the library does not have, most played first.
    listeners
        Number of listeners whose plays were used; 1 if only the listener's own.
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
    options: ListOptions,
) -> list[Neighbour]:
    """Recommend tracks from likes and dislikes.

    Parameters
    ----------
    connection
        Connection to the library.
    space
        All embeddings of the library.
    likes, dislikes
        Tracks of the library. They and their copies are not recommended.
    copies
        Recognises tracks that hold the same recording.
    options
        Length of the list, filters and limits.

    Raises
    ------
    UsageError
        If nothing is liked, or a track is both liked and disliked.
    UnknownTrackError
        If one of the tracks has no embedding.
    """
    if not likes:
        raise UsageError("name a track that is liked: --like TRACK")
    liked, disliked = rows_of(space, likes), rows_of(space, dislikes)
    for row in np.intersect1d(liked, disliked).tolist():
        raise UsageError(f"track {space.ids[row]} is both liked and disliked; decide for one")
    weights = np.ones(len(liked), np.float32)
    scores = score_by_likes(space.likeness(liked), weights, space.likeness(disliked))
    known = np.concatenate([liked, disliked])
    return top_neighbours(connection, space, scores, known, copies, options)


def recommend_by_history(
    connection: Connection,
    space: LibraryVectors,
    history: History,
    user: str,
    copies: CopyDetector,
    options: ListOptions,
) -> Recommendations:
    """Recommend tracks that a listener has not played yet.

    With plays of at least `MIN_LISTENERS` listeners, collaborative filtering is used. With fewer,
    the tracks are scored by their similarity to what the listener plays.

    Parameters
    ----------
    connection
        Connection to the library.
    space
        All embeddings of the library.
    history
        Plays of all listeners.
    user
        One of the listeners.
    copies
        Recognises tracks that hold the same recording.
    options
        Length of the list, filters and limits.

    Raises
    ------
    ModelError
        If no track of the library has an embedding.
    UsageError
        If the library has none of the listener's tracks.
    """
    require_embeddings(space)
    matched = _match_history(connection, space, history)
    own = matched[user]
    unmatched = [
        Unmatched(played.label, plays)
        for played, plays in history[user].most_common()
        if played not in own.found
    ]
    if not own.plays:
        names = ", ".join(each.name for each in unmatched[:3])
        more = ", ..." if len(unmatched) > 3 else ""
        raise UsageError(
            f"{user}: none of {len(history[user])} songs is in the library, {names}{more};"
            " they are matched by path, MusicBrainz id, or artist and title"
        )
    listeners = {name: each.plays for name, each in matched.items() if each.plays}
    collaborative = len(listeners) >= MIN_LISTENERS
    if collaborative:
        scores = _collaborative_scores(space, listeners, user)
    else:
        scores = _content_scores(space, own.plays)
    rows = np.array(sorted(own.plays), np.intp)
    results = top_neighbours(connection, space, scores, rows, copies, options)
    return Recommendations(
        user=user,
        results=tuple(results),
        songs=len(history[user]),
        unmatched=tuple(unmatched),
        listeners=len(listeners) if collaborative else 1,
    )


@dataclass(frozen=True, slots=True)
class _MatchedHistory:
    """A listener's history entries that the library has, and the plays by row of the space."""

    found: frozenset[PlayedTrack]
    plays: Mapping[int, int]


def _match_history(
    connection: Connection, space: LibraryVectors, history: History
) -> dict[str, _MatchedHistory]:
    """Match the history of every listener to the tracks that have an embedding."""
    matcher = TrackMatcher(tracks.iterate(connection))
    row_by_id = {track_id: row for row, track_id in enumerate(space.ids.tolist())}
    distinct = {played for entries in history.values() for played in entries}
    rows = {played: row_by_id.get(matcher.find(played) or 0) for played in distinct}
    matched: dict[str, _MatchedHistory] = {}
    for user, entries in history.items():
        plays_by_row: Counter[int] = Counter()
        for played, plays in entries.items():
            row = rows[played]
            if row is not None and plays > 0:
                plays_by_row[row] += plays
        found = frozenset(played for played in entries if rows[played] is not None)
        matched[user] = _MatchedHistory(found, plays_by_row)
    return matched


def _content_scores(space: LibraryVectors, plays: Mapping[int, int]) -> Floats:
    """Score all tracks by their similarity to the tracks that one listener plays, (n,)."""
    weights = confidence(np.array(list(plays.values()), np.int64)) - 1
    no_dislikes = np.empty((len(space), 0), np.float32)
    return score_by_likes(space.likeness(np.array(list(plays), np.intp)), weights, no_dislikes)


def _collaborative_scores(
    space: LibraryVectors, listeners: Mapping[str, Mapping[int, int]], user: str
) -> Floats:
    """Score all tracks for one listener by the plays of all listeners, (n,)."""
    triples = [
        (number, row, plays)
        for number, plays_by_row in enumerate(listeners.values())
        for row, plays in plays_by_row.items()
    ]
    users, rows, counts = np.array(triples, np.int64).T
    factors = fit_factors(Plays(users, rows, counts), len(listeners), space.vectors)
    return factors.tracks @ factors.users[list(listeners).index(user)]


def top_neighbours(
    connection: Connection,
    space: LibraryVectors,
    scores: Floats,
    known: Rows,
    copies: CopyDetector,
    options: ListOptions,
) -> list[Neighbour]:
    """List the tracks with the highest scores, each recording once.

    Parameters
    ----------
    connection
        Connection to the library.
    space
        All embeddings of the library.
    scores
        (n_tracks,) float32, a score for each track of the space.
    known
        Rows of tracks that are not listed, and neither are their copies.
    copies
        Recognises tracks that hold the same recording.
    options
        Length of the list, filters and limits. With ``not_same_album``, the albums of the known
        tracks are left out.
    """
    known_ids = space.ids[known].tolist()
    queries = tracks.get_many(connection, known_ids).values() if options.not_same_album else ()
    units = dict(zip(space.ids.tolist(), space.vectors, strict=True))
    results = ResultList(options, Deduplicator(units, known_ids, copies), queries)
    admitted = admitted_ids(connection, options.only)
    rows = np.arange(len(space)) if admitted is None else np.isin(space.ids, admitted).nonzero()[0]
    unknown = np.setdiff1d(rows, known)
    order = unknown[np.argsort(-scores[unknown], kind="stable")]
    for start in range(0, len(order), _BATCH):
        some = order[start : start + _BATCH]
        found = tracks.get_many(connection, space.ids[some].tolist())
        for row in some.tolist():
            if results.is_full:
                return results.neighbours
            similarity = float(np.clip(scores[row], -1, 1))
            results.offer(Neighbour(found[int(space.ids[row])], similarity))
    return results.neighbours
