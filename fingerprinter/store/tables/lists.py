"""Lists of tracks, albums, artists and genres, as people browse a library: filtered and sorted."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    cast,
    distinct,
    exists,
    func,
    select,
)

from fingerprinter.core.spelling import normalize_name
from fingerprinter.store.tables import names
from fingerprinter.store.tables.analyses import Range
from fingerprinter.store.tables.schema import analysis, track, track_name
from fingerprinter.types import Album, Artist, Genre

ORDERS = ("id", "title", "artist", "album", "year", "duration", "added", "match")

_ALBUM_ARTIST = func.coalesce(track.c.album_artist, track.c.artist)


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """Conditions on tracks, which the database applies. One that is None is not applied.

    A track that lacks a value never meets a condition on that value.

    Attributes
    ----------
    query
        Words of title, artist, album, genre or file name, or beginnings of such words.
    artist, album, album_artist, genre
        Text that the tag contains, ignoring case; with ``exact``, text that the tag is. A track
        without an album artist is looked for by its artist.
    year, duration_s
        Lowest and highest value, both included; None for no limit on that side.
    tempo_bpm
        Lowest and highest tempo that `analyze` found, in beats per minute.
    keys
        Keys, one of which `analyze` found; named as by `fingerprinter.core.mir.keys.parse_key`.
    """

    query: str = ""
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    genre: str | None = None
    exact: bool = False
    year: Range | None = None
    duration_s: Range | None = None
    tempo_bpm: Range | None = None
    keys: tuple[str, ...] | None = None

    @property
    def needs_analysis(self) -> bool:
        """Whether a condition is on what an analysis found."""
        return self.tempo_bpm is not None or self.keys is not None

    @property
    def texts(self) -> list[tuple[ColumnElement[Any], str]]:
        """The columns with a condition on their text, each with that text."""
        pairs = (
            (track.c.artist, self.artist),
            (track.c.album, self.album),
            (_ALBUM_ARTIST, self.album_artist),
            (track.c.genre, self.genre),
        )
        return [(column, text) for column, text in pairs if text is not None]


NO_FILTER = TrackFilter()


def track_ids(connection: Connection, wanted: TrackFilter, order: str) -> array[int]:
    """Return the ids of the tracks of a list.

    Parameters
    ----------
    wanted
        Which tracks the list holds.
    order
        One of `ORDERS`; downwards with a dash before it: "-year". "match" puts first whose names
        fit the query best.
    """
    conditions = _conditions(connection, wanted)
    columns = _order(order, _match(connection, wanted))
    return array("q", connection.scalars(select(track.c.id).where(*conditions).order_by(*columns)))


def albums(
    connection: Connection, query: str = "", *, offset: int = 0, limit: int
) -> tuple[int, list[Album]]:
    """Return how many albums have a track whose names have some words, and a part by name."""
    with_cover = func.min(case((track.c.cover.is_not(None), track.c.id)))
    names_of_album = track.c.album, _ALBUM_ARTIST
    grouped = (
        select(
            track.c.album,
            _ALBUM_ARTIST.label("artist"),
            func.min(track.c.year).label("year"),
            func.count().label("tracks"),
            func.sum(track.c.duration_s).label("duration_s"),
            func.coalesce(with_cover, func.min(track.c.id)).label("cover_track"),
        )
        .where(track.c.album.is_not(None))
        .group_by(*names_of_album)
        .having(*_any_has_words(connection, query))
    )
    total, rows = _page(connection, grouped, names_of_album, offset, limit)
    return total, [Album(**row._asdict()) for row in rows]


def artists(
    connection: Connection, query: str = "", *, offset: int = 0, limit: int
) -> tuple[int, list[Artist]]:
    """Return how many artists have a track whose names have some words, and a part by name."""
    grouped = (
        select(
            track.c.artist,
            func.count().label("tracks"),
            func.count(distinct(track.c.album)).label("albums"),
            func.sum(track.c.duration_s).label("duration_s"),
        )
        .where(track.c.artist.is_not(None))
        .group_by(track.c.artist)
        .having(*_any_has_words(connection, query))
    )
    total, rows = _page(connection, grouped, [track.c.artist], offset, limit)
    return total, [Artist(**row._asdict()) for row in rows]


def genres(connection: Connection) -> list[Genre]:
    """Return the genres with their numbers of tracks and albums, the most common first."""
    columns = (
        track.c.genre,
        func.count().label("tracks"),
        func.count(distinct(track.c.album)).label("albums"),
    )
    grouped = select(*columns).where(track.c.genre.is_not(None)).group_by(track.c.genre)
    ordered = grouped.order_by(func.count().desc(), track.c.genre)
    return [Genre(**row._asdict()) for row in connection.execute(ordered)]


def ids_of_recording(connection: Connection, *, isrc: str | None, mbid: str | None) -> list[int]:
    """Return the ids of the tracks with an ISRC, or else with a MusicBrainz id, sorted."""
    for column, value in ((track.c.isrc, isrc), (track.c.mbid, mbid)):
        if value is not None:
            statement = select(track.c.id).where(column == value).order_by(track.c.id)
            if found := list(connection.scalars(statement)):
                return found
    return []


def _conditions(connection: Connection, wanted: TrackFilter) -> list[ColumnElement[bool]]:
    """The conditions that the database applies."""
    conditions = _within(track.c.year, wanted.year)
    conditions += _within(track.c.duration_s, wanted.duration_s)
    words = normalize_name(wanted.query)
    if words:
        conditions.append(names.matches(connection, words))
    for column, text in wanted.texts:
        exact = column == text
        conditions.append(exact if wanted.exact else _contains(connection, column, text))
    analyzed = _within(analysis.c.tempo_bpm, wanted.tempo_bpm)
    if wanted.keys is not None:
        analyzed.append(analysis.c.key.in_(wanted.keys))
    if analyzed:
        conditions.append(exists().where(analysis.c.track_id == track.c.id, *analyzed))
    return conditions


def _page(
    connection: Connection,
    grouped: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    offset: int,
    limit: int,
) -> tuple[int, Sequence[Row[Any]]]:
    """The number of groups, and some of them in the order of their names, ignoring case."""
    total = connection.scalar(select(func.count()).select_from(grouped.subquery())) or 0
    order = [column.nulls_first() for column in (*map(func.lower, keys), *keys)]
    page = grouped.order_by(*order).offset(offset).limit(limit)
    return total, connection.execute(page).all()


def _within(column: ColumnElement[Any], limits: Range | None) -> list[ColumnElement[bool]]:
    lowest, highest = limits or (None, None)
    conditions = [column >= lowest] if lowest is not None else []
    return conditions + ([column <= highest] if highest is not None else [])


def _contains(connection: Connection, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """The condition that a text contains another, ignoring case.

    The distinct texts are compared here, because SQLite folds the case of ASCII letters only.
    """
    folded = part.casefold()
    texts = connection.scalars(select(column).where(column.is_not(None)).distinct())
    found = [text for text in texts if folded in text.casefold()]
    if connection.dialect.name == "sqlite":
        values = func.json_each(json.dumps(found)).table_valued("value")
    else:
        values = func.json_array_elements_text(cast(found, JSON)).table_valued("value")
    return column.in_(select(values.c.value))


def _match(connection: Connection, wanted: TrackFilter) -> list[ColumnElement[Any]]:
    """What to sort by so that the tracks come first whose names fit the words best."""
    words = normalize_name(wanted.query)
    if not words:
        return []
    of_track = track_name.c.track_id == track.c.id
    return [select(names.fit(connection, words)).where(of_track).scalar_subquery()]


def _order(order: str, match: list[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The columns to sort by; tracks without a value come last."""
    name = order.removeprefix("-")
    album = [
        func.lower(track.c.album),
        func.lower(_ALBUM_ARTIST),
        track.c.disc_number,
        track.c.track_number,
    ]
    columns: dict[str, list[ColumnElement[Any]]] = {
        "id": [],
        "title": [func.lower(track.c.title)],
        "artist": [func.lower(track.c.artist), *album],
        "album": album,
        "year": [track.c.year],
        "duration": [track.c.duration_s],
        "added": [track.c.added_at],
        "match": match,
    }
    first, rest = columns[name][:1], columns[name][1:]
    if order.startswith("-"):
        first = [column.desc() for column in first]
    last = track.c.id.desc() if order == "-id" else track.c.id
    return [*(column.nulls_last() for column in (*first, *rest)), last]


def _any_has_words(connection: Connection, query: str) -> list[ColumnElement[bool]]:
    """The condition that one track of a group has some words in its names."""
    words = normalize_name(query)
    if not words:
        return []
    has_words = names.matches(connection, words)
    return [func.max(case((has_words, 1), else_=0)) == 1]
