"""Albums, artists and genres, counted from the tags of the tracks, and pages of tracks.

An album is a title and an artist: the album artist, or the artist of tracks that have no album
artist. An artist of the library is found in the same way.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import ColumnElement, Connection, distinct, func, select

from fingerprinter.store.tables import names, tracks
from fingerprinter.store.tables.schema import track
from fingerprinter.types import Album, Artist, Genre, Track

TrackOrder = Literal["added", "newest", "title", "artist", "album", "year"]

_artist = func.coalesce(track.c.album_artist, track.c.artist)
_ORDERS: dict[str, tuple[ColumnElement[object], ...]] = {
    "added": (),
    "newest": (track.c.id.desc(),),
    "title": (func.lower(track.c.title),),
    "artist": (func.lower(_artist), func.lower(track.c.album)),
    "album": (func.lower(track.c.album), track.c.disc_number, track.c.track_number),
    "year": (track.c.year, func.lower(track.c.album)),
}


def albums(
    connection: Connection, artist: str | None = None, *, limit: int, offset: int = 0
) -> list[Album]:
    """Returns the albums in the order of their titles, of one artist or of all."""
    columns = (
        track.c.album,
        _artist.label("artist"),
        func.min(track.c.year).label("year"),
        func.count().label("tracks"),
        func.sum(track.c.duration_s).label("duration_s"),
        func.min(track.c.cover).label("cover"),
        func.min(track.c.id).label("track_id"),
    )
    chosen = select(*columns).where(track.c.album.is_not(None))
    if artist is not None:
        chosen = chosen.where(_artist == artist)
    grouped = chosen.group_by(track.c.album, _artist)
    ordered = grouped.order_by(func.lower(track.c.album), func.min(track.c.id))
    rows = connection.execute(ordered.limit(limit).offset(offset))
    return [Album(**row._asdict()) for row in rows]


def artists(connection: Connection, *, limit: int, offset: int = 0) -> list[Artist]:
    """Returns the artists in the order of their names, with numbers of albums and tracks."""
    columns = (
        _artist.label("name"),
        func.count(distinct(track.c.album)).label("albums"),
        func.count().label("tracks"),
    )
    grouped = select(*columns).where(_artist.is_not(None)).group_by(_artist)
    ordered = grouped.order_by(func.lower(_artist), _artist).limit(limit).offset(offset)
    return [Artist(**row._asdict()) for row in connection.execute(ordered)]


def genres(connection: Connection) -> list[Genre]:
    """Returns the genres with their numbers of albums and tracks, the most common first."""
    columns = (
        track.c.genre.label("name"),
        func.count(distinct(track.c.album)).label("albums"),
        func.count().label("tracks"),
    )
    grouped = select(*columns).where(track.c.genre.is_not(None)).group_by(track.c.genre)
    ordered = grouped.order_by(func.count().desc(), track.c.genre)
    return [Genre(**row._asdict()) for row in connection.execute(ordered)]


def page(
    connection: Connection,
    *,
    order: TrackOrder = "added",
    limit: int,
    offset: int = 0,
    album: str | None = None,
    artist: str | None = None,
    genre: str | None = None,
    words: str | None = None,
) -> tuple[list[Track], int]:
    """Returns some of the tracks that meet all conditions, and the number of all that do.

    Parameters
    ----------
    album, genre
        Exactly the tag.
    artist
        Exactly the album artist, or the artist of a track without one.
    words
        As `names.matching_ids` takes them.
    """
    conditions: list[ColumnElement[bool]] = []
    conditions += [track.c.album == album] if album is not None else []
    conditions += [_artist == artist] if artist is not None else []
    conditions += [track.c.genre == genre] if genre is not None else []
    conditions += [names.matches(connection, words)] if words is not None else []
    chosen = select(track.c.id).where(*conditions)
    total = connection.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    ordered = chosen.order_by(*_ORDERS[order], track.c.id).limit(limit).offset(offset)
    ids = list(connection.scalars(ordered))
    found = tracks.get_many(connection, ids)
    return [found[track_id] for track_id in ids], total
