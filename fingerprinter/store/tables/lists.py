"""Lists of tracks, albums, artists and genres, as people browse a library: filtered and sorted."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    distinct,
    exists,
    func,
    select,
)

from fingerprinter.core.spelling import normalize_name
from fingerprinter.store.tables import names
from fingerprinter.store.tables.analyses import Range
from fingerprinter.store.tables.schema import analysis, track
from fingerprinter.types import Album, Artist, Genre

ORDERS = ("id", "title", "artist", "album", "year", "duration", "added")

_ANY: Range = (None, None)
_ALBUM_ARTIST = func.coalesce(track.c.album_artist, track.c.artist)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which tracks a list holds. A condition that is None is not applied.

    Attributes
    ----------
    query
        Words of title, artist, album, genre or file name, or beginnings of such words.
    artist, album, album_artist, genre
        Text that the tag contains, ignoring case; with ``exact``, text that the tag is. A track
        without an album artist is looked for by its artist.
    year, duration_s, tempo_bpm
        Lowest and highest value, both included.
    keys
        Names of keys.
    """

    query: str = ""
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    genre: str | None = None
    exact: bool = False
    year: Range = _ANY
    duration_s: Range = _ANY
    tempo_bpm: Range = _ANY
    keys: tuple[str, ...] | None = None

    @property
    def needs_analysis(self) -> bool:
        """Whether a condition is on what an analysis found."""
        return self.tempo_bpm != _ANY or self.keys is not None

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


EVERY_TRACK = ListFilter()


def track_ids(connection: Connection, wanted: ListFilter, order: str) -> array[int]:
    """Returns the ids of the tracks of a list.

    Parameters
    ----------
    wanted
        Which tracks the list holds.
    order
        One of `ORDERS`; downwards with a dash before it: "-year".
    """
    conditions = _conditions(connection, wanted)
    ids = select(track.c.id).where(*conditions).order_by(*_order(order))
    if wanted.exact or not wanted.texts:
        return array("q", connection.scalars(ids))
    # SQLite folds the case of ASCII letters only, so text is compared here.
    rows = connection.execute(ids.add_columns(*(column for column, _ in wanted.texts)))
    folded = [text.casefold() for _, text in wanted.texts]
    return array("q", (row[0] for row in rows if _contains(row[1:], folded)))


def albums(
    connection: Connection, query: str = "", *, offset: int = 0, limit: int
) -> tuple[int, list[Album]]:
    """Returns how many albums have a track whose names have some words, and a part by name."""
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
    """Returns how many artists have a track whose names have some words, and a part by name."""
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
    """Returns the genres with their numbers of tracks and albums, the most common first."""
    columns = (
        track.c.genre,
        func.count().label("tracks"),
        func.count(distinct(track.c.album)).label("albums"),
    )
    grouped = select(*columns).where(track.c.genre.is_not(None)).group_by(track.c.genre)
    ordered = grouped.order_by(func.count().desc(), track.c.genre)
    return [Genre(**row._asdict()) for row in connection.execute(ordered)]


def ids_of_recording(connection: Connection, *, isrc: str | None, mbid: str | None) -> list[int]:
    """Returns the ids of the tracks with an ISRC, or else with a MusicBrainz id, sorted."""
    for column, value in ((track.c.isrc, isrc), (track.c.mbid, mbid)):
        if value is not None:
            statement = select(track.c.id).where(column == value).order_by(track.c.id)
            if found := list(connection.scalars(statement)):
                return found
    return []


def _conditions(connection: Connection, wanted: ListFilter) -> list[ColumnElement[bool]]:
    """The conditions that the database applies."""
    conditions = _within(track.c.year, wanted.year)
    conditions += _within(track.c.duration_s, wanted.duration_s)
    words = normalize_name(wanted.query)
    if words:
        conditions.append(names.matches(connection, words))
    if wanted.exact:
        conditions += [column == text for column, text in wanted.texts]
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


def _within(column: ColumnElement[Any], limits: Range) -> list[ColumnElement[bool]]:
    lowest, highest = limits
    conditions = [column >= lowest] if lowest is not None else []
    return conditions + ([column <= highest] if highest is not None else [])


def _contains(texts: Sequence[str | None], folded: Sequence[str]) -> bool:
    return all(
        text is not None and part in text.casefold()
        for text, part in zip(texts, folded, strict=True)
    )


def _order(order: str) -> list[ColumnElement[Any]]:
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
