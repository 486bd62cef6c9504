"""The names of the tracks, in the spelling by which they are searched, and the full-text index.

A track's names are its title, artist, album, album artist, genre and the name of its first file,
as `normalize_name` spells them. They are derived from the tables ``track`` and ``file``, and
written again with each change of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    text,
)

from fingerprinter.core.arrays import Ids
from fingerprinter.core.spelling import normalize_name
from fingerprinter.store.tables.checked import or_missing
from fingerprinter.store.tables.schema import FULL_TEXT_INDEX, file, track, track_name

_IDS_PER_STATEMENT = 1000  # few enough parameters for SQLite
_MAX_NAME = 500  # characters; PostgreSQL indexes no word of more than 2,046 bytes
_MAX_WORD = 100
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])")  # between two joined words, as in "LoveSong"

_first_path = or_missing(
    select(file.c.path)
    .where(file.c.track_id == track.c.id)
    .order_by(file.c.id)
    .limit(1)
    .scalar_subquery()
).label("path")
_sources = select(
    track.c.id,
    track.c.title,
    track.c.artist,
    track.c.album,
    track.c.album_artist,
    track.c.genre,
    _first_path,
)
# SQLite's index keeps no text of its own. Deleting an entry needs its text.
_FORGET = text(
    "INSERT INTO track_name_words (track_name_words, rowid, names)"
    " SELECT 'delete', track_id, names FROM track_name WHERE track_id = :track_id"
)
_ADD = text("INSERT INTO track_name_words (rowid, names) VALUES (:track_id, :names)")
_REBUILD = text("INSERT INTO track_name_words (track_name_words) VALUES ('rebuild')")
_VECTOR = "array_to_tsvector(array_remove(string_to_array(names, ' '), ''))"  # as it is indexed
TOKENIZER = "tokenize='unicode61 remove_diacritics 2'"  # of SQLite's index, see its migration
_VOCABULARY = "temp.track_name_vocabulary"


def refresh(connection: Connection, track_ids: Iterable[int]) -> None:
    """Write the names of some tracks again, and the entries of the full-text index with them."""
    ids = sorted(set(track_ids))
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        some = ids[start : start + _IDS_PER_STATEMENT]
        rows = connection.execute(_sources.where(track.c.id.in_(some))).all()
        known = select(track_name).where(track_name.c.track_id.in_(some))
        stored = {row.track_id: row.names for row in connection.execute(known)}
        names = {row.id: join_names(row) for row in rows}
        changed = [
            {"track_id": track_id, "names": found}
            for track_id, found in names.items()
            if stored.get(track_id) != found
        ]
        _replace(connection, changed)


def _replace(connection: Connection, rows: Sequence[dict[str, object]]) -> None:
    """Replace the names of some tracks."""
    if not rows:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        connection.execute(_FORGET, rows)
    old = track_name.c.track_id.in_([row["track_id"] for row in rows])
    connection.execute(delete(track_name).where(old))
    connection.execute(insert(track_name), rows)
    if is_sqlite:
        connection.execute(_ADD, rows)


def forget(connection: Connection, track_id: int) -> None:
    """Remove a track from the full-text index, before its row is deleted with its names."""
    if connection.dialect.name == "sqlite":
        connection.execute(_FORGET, {"track_id": track_id})


def rebuild(connection: Connection) -> None:
    """Write the names of all tracks and the full-text index again."""
    connection.execute(delete(track_name))
    last = 0
    while rows := connection.execute(
        _sources.where(track.c.id > last).order_by(track.c.id).limit(_IDS_PER_STATEMENT)
    ).all():
        values = [{"track_id": row.id, "names": join_names(row)} for row in rows]
        connection.execute(insert(track_name), values)
        last = rows[-1].id
    if connection.dialect.name == "sqlite":
        connection.execute(_REBUILD)


def wrong_ids(connection: Connection) -> list[int]:
    """Return the ids of the tracks whose stored names are not those of their tags and file."""
    wrong, last = list[int](), 0
    while rows := connection.execute(
        _sources.where(track.c.id > last).order_by(track.c.id).limit(_IDS_PER_STATEMENT)
    ).all():
        last = rows[-1].id
        ids = track_name.c.track_id.between(rows[0].id, last)
        known = connection.execute(select(track_name).where(ids))
        stored = {row.track_id: row.names for row in known}
        wrong += [row.id for row in rows if stored.get(row.id) != join_names(row)]
    return wrong


def join_names(row: Row[*tuple[object, ...]]) -> str:
    """Join the names of a track: two spaces stand between names, one between words."""
    stem = PurePath(os.fsdecode(row.path)).stem if row.path else ""
    names = (row.title, row.artist, row.album, row.album_artist, row.genre, stem)
    split = (_CASE_CHANGE.sub(" ", name) for name in (row.title or "", stem))
    spelled = (_limited(normalize_name((name or "")[:_MAX_NAME])) for name in (*names, *split))
    return f" {'  '.join(dict.fromkeys(filter(None, spelled)))} "


def _limited(name: str) -> str:
    return " ".join(word[:_MAX_WORD] for word in name.split())


def matches(connection: Connection, words: str) -> ColumnElement[bool]:
    """Return the condition that the names of a track have all of some words.

    Each word may also be the beginning of a longer one. No track has no words.

    Parameters
    ----------
    words
        Words as `normalize_name` spells them.
    """
    return track.c.id.in_(_having(connection, words)) if words.split() else false()


def matching_ids(connection: Connection, words: str) -> list[int]:
    """Return the ids of the tracks whose names match some words, sorted; see `matches`."""
    if not words.split():
        return []
    return sorted(connection.scalars(_having(connection, words)))


def ids_with_phrase(connection: Connection, phrase: str, *, whole: bool, limit: int = -1) -> Ids:
    """Return the ids of tracks with a phrase in one of their names.

    Parameters
    ----------
    phrase
        At least one word, as `normalize_name` spells them.
    whole
        Whether the last word must be whole, and not only the beginning of one.
    limit
        How many ids to return at most; all if negative.

    Returns
    -------
    (n,) int64
        Sorted, if all are returned.
    """
    start = f" {_limited(phrase)}"
    held = _holds(connection, track_name.c.names, f"{start} " if whole else start)
    ids = select(track_name.c.track_id).where(
        track_name.c.track_id.in_(_having(connection, phrase)), held
    )
    if limit >= 0:
        return np.fromiter(connection.scalars(ids.limit(limit)), np.int64)
    return np.sort(np.fromiter(connection.scalars(ids), np.int64))


class Fit(IntEnum):
    """How the names of a track fit some words, the best first."""

    SAME_NAME = 0  # one of the names is these words
    NAME_STARTS = 1  # one of the names begins with these words
    NAME_CONTAINS = 2  # the words stand together in one of the names
    ALL_WORDS = 3  # each word begins a word of the names


def fits(connection: Connection, words: str) -> tuple[Ids, npt.NDArray[np.int64]]:
    """Return which tracks have all of some words in their names, and how well they fit.

    Parameters
    ----------
    words
        Words as `normalize_name` spells them.

    Returns
    -------
    ids, kinds
        (n,) int64 each: the tracks and values of `Fit`.
    """
    if not words.split():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    wanted = track_name.c.track_id.in_(_having(connection, words))
    columns = track_name.c.track_id, fit(connection, words)
    rows = connection.execute(select(*columns).where(wanted)).all()
    found = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def fit(connection: Connection, words: str) -> ColumnElement[int]:
    """Return the value of `Fit` of a row of ``track_name`` that matches some words."""
    words = _limited(words)
    names = literal(" ") + track_name.c.names + " "  # two spaces before and after each name
    return case(
        (_holds(connection, names, f"  {words}  "), int(Fit.SAME_NAME)),
        (_holds(connection, names, f"  {words} "), int(Fit.NAME_STARTS)),
        (_holds(connection, names, f" {words} "), int(Fit.NAME_CONTAINS)),
        else_=int(Fit.ALL_WORDS),
    )


def vocabulary(connection: Connection, lengths: range) -> Iterator[str]:
    """Yield the distinct words of all names whose lengths lie in a range."""
    if connection.dialect.name == "sqlite":
        _open_vocabulary(connection)
        words = text(f"SELECT term FROM {_VOCABULARY} WHERE length(term) BETWEEN :low AND :high")
    else:
        vectors = f"SELECT {_VECTOR} FROM track_name".replace("'", "''")
        words = text(
            f"SELECT word FROM ts_stat('{vectors}') WHERE length(word) BETWEEN :low AND :high"
        )
    yield from connection.scalars(words, {"low": lengths.start, "high": lengths.stop - 1})


def _open_vocabulary(connection: Connection) -> None:
    """Make SQLite's view of the words of the index, a temporary table of this session."""
    with temporary_tables(connection):
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {_VOCABULARY}"
            f" USING fts5vocab('main', '{FULL_TEXT_INDEX}', 'row')"
        )


@contextmanager
def temporary_tables(connection: Connection) -> Iterator[None]:
    """Let a reader make temporary tables in SQLite."""
    is_reader = connection.exec_driver_sql("PRAGMA query_only").scalar()
    connection.exec_driver_sql("PRAGMA query_only = 0")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA query_only = {is_reader}")


def _having(connection: Connection, words: str) -> Select[tuple[int]]:
    """The ids of the tracks whose names have all of some words, or words that begin with them."""
    wanted = [word[:_MAX_WORD] for word in words.split()]
    if connection.dialect.name == "sqlite":
        query = " ".join(f'"{word}"*' for word in wanted)
        ids = (
            f"SELECT rowid AS track_id FROM {FULL_TEXT_INDEX} WHERE {FULL_TEXT_INDEX} MATCH :words"
        )
    else:
        query = " & ".join(f"'{word}':*" for word in wanted)
        ids = f"SELECT track_id FROM track_name WHERE {_VECTOR} @@ CAST(:words AS tsquery)"
    found = text(ids).bindparams(words=query).columns(track_id=Integer).subquery()
    return select(found.c.track_id)


def _holds(connection: Connection, names: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """The condition that a text has a part."""
    is_sqlite = connection.dialect.name == "sqlite"
    return (func.instr if is_sqlite else func.strpos)(names, part) > 0
