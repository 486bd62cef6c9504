"""The names of the tracks, in the spelling by which they are searched, and the full-text index.

A track's names are its title, artist, album, album artist, genre and the name of its first file,
as `normalize_name` spells them. They are derived from the tables ``track`` and ``file``, and
written again with each change of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from sqlalchemy import ColumnElement, Connection, Integer, Row, delete, false, insert, select, text

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
# SQLite's index keeps no text of its own. It is told the text that it has to forget.
_FORGET = text(
    "INSERT INTO track_name_words (track_name_words, rowid, names)"
    " SELECT 'delete', track_id, names FROM track_name WHERE track_id = :track_id"
)
_ADD = text("INSERT INTO track_name_words (rowid, names) VALUES (:track_id, :names)")
_REBUILD = text("INSERT INTO track_name_words (track_name_words) VALUES ('rebuild')")


def refresh(connection: Connection, track_ids: Iterable[int]) -> None:
    """Writes the names of some tracks again, and the entries of the full-text index with them."""
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
    """Replaces the names of some tracks."""
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
    """Removes a track from the full-text index, before its row is deleted with its names."""
    if connection.dialect.name == "sqlite":
        connection.execute(_FORGET, {"track_id": track_id})


def rebuild(connection: Connection) -> None:
    """Writes the names of all tracks and the full-text index again."""
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


def join_names(row: Row[*tuple[object, ...]]) -> str:
    """Joins the names of a track: two spaces stand between names, one between words."""
    stem = PurePath(os.fsdecode(row.path)).stem if row.path else ""
    names = (row.title, row.artist, row.album, row.album_artist, row.genre, stem)
    split = (_CASE_CHANGE.sub(" ", name) for name in (row.title or "", stem))
    spelled = (_limited(normalize_name((name or "")[:_MAX_NAME])) for name in (*names, *split))
    return f" {'  '.join(dict.fromkeys(filter(None, spelled)))} "


def _limited(name: str) -> str:
    return " ".join(word[:_MAX_WORD] for word in name.split())


def matches(connection: Connection, words: str) -> ColumnElement[bool]:
    """Returns the condition that the names of a track have all of some words.

    Each word may also be the beginning of a longer one. No track has no words.

    Parameters
    ----------
    words
        As `normalize_name` spells them.
    """
    wanted = [word[:_MAX_WORD] for word in words.split()]
    if not wanted:
        return false()
    if connection.dialect.name == "sqlite":
        query = " ".join(f'"{word}"*' for word in wanted)
        ids = text(f"SELECT rowid FROM {FULL_TEXT_INDEX} WHERE {FULL_TEXT_INDEX} MATCH :words")
        return track.c.id.in_(ids.bindparams(words=query).columns(rowid=Integer))
    query = " & ".join(f"'{word}':*" for word in wanted)
    vector = "array_to_tsvector(array_remove(string_to_array(names, ' '), ''))"
    ids = text(f"SELECT track_id FROM track_name WHERE {vector} @@ CAST(:words AS tsquery)")
    return track.c.id.in_(ids.bindparams(words=query).columns(track_id=Integer))


def matching_ids(connection: Connection, words: str) -> list[int]:
    """Returns the ids of the tracks whose names match some words, sorted; see `matches`."""
    condition = matches(connection, words)
    return list(connection.scalars(select(track.c.id).where(condition).order_by(track.c.id)))
