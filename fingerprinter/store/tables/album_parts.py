"""Albums and artists as the database holds them: groups of tracks with the same tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, false, func, or_, select

from fingerprinter.store.tables import tracks
from fingerprinter.store.tables.analyses import Range
from fingerprinter.store.tables.schema import track
from fingerprinter.types import Track

AlbumName = tuple[str | None, str | None]
"""Album and album artist as tags spell them; None for tracks without the tag."""

_ALBUM_ARTIST = func.coalesce(track.c.album_artist, track.c.artist)
_NAMES_PER_STATEMENT = 200  # two parameters each; PostgreSQL and SQLite take more


@dataclass(frozen=True, slots=True)
class AlbumPart:
    """Tracks with the same album, album artist, artist and genre.

    Attributes
    ----------
    album_artist
        The artist, where the tags name no album artist.
    year, added_at
        The earliest of its tracks.
    covers
        Number of tracks with a cover.
    cover_track
        Id of a track with a cover; of any track if there is none.
    """

    album: str | None
    album_artist: str | None
    artist: str | None
    genre: str | None
    tracks: int
    duration_s: float
    year: int | None
    added_at: datetime
    covers: int
    cover_track: int


def album_parts(connection: Connection) -> list[AlbumPart]:
    """Return all tracks in groups, in the order of their first tracks."""
    names = (track.c.album, _ALBUM_ARTIST, track.c.artist, track.c.genre)
    first = func.min(track.c.id)
    statement = (
        select(
            *names,
            func.count(),
            func.sum(track.c.duration_s),
            func.min(track.c.year),
            func.min(track.c.added_at),
            func.count(track.c.cover),
            func.coalesce(func.min(case((track.c.cover.is_not(None), track.c.id))), first),
        )
        .group_by(*names)
        .order_by(first)
    )
    return [AlbumPart(*row) for row in connection.execute(statement)]


def tracks_of_albums(connection: Connection, names: Sequence[AlbumName]) -> list[Track]:
    """Return the tracks of some albums, by disc and number on it."""
    ids: list[int] = []
    for start in range(0, len(names), _NAMES_PER_STATEMENT):
        some = names[start : start + _NAMES_PER_STATEMENT]
        ids += connection.scalars(select(track.c.id).where(or_(false(), *map(_is_on, some))))
    found = tracks.get_many(connection, ids).values()
    return sorted(found, key=lambda each: (each.disc_number or 0, each.track_number or 0, each.id))


def random_tracks(
    connection: Connection, limit: int, *, genre: str | None, year: Range
) -> list[Track]:
    """Return some tracks by chance, of a genre and of a range of years."""
    lowest, highest = year
    conditions = [] if genre is None else [track.c.genre == genre]
    conditions += [] if lowest is None else [track.c.year >= lowest]
    conditions += [] if highest is None else [track.c.year <= highest]
    chosen = select(track.c.id).where(*conditions).order_by(func.random()).limit(limit)
    ids = list(connection.scalars(chosen))
    known = tracks.get_many(connection, ids)
    return [known[track_id] for track_id in ids]


def _is_on(name: AlbumName) -> ColumnElement[bool]:
    columns: tuple[ColumnElement[Any], ...] = (track.c.album, _ALBUM_ARTIST)
    pairs = zip(columns, name, strict=True)
    return and_(*(column.is_not_distinct_from(text) for column, text in pairs))
