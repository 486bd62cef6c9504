"""One portable file with tracks and all that is known of them: what `export` writes.

An SQLite database, so that every row can be read alone, by any tool, on any machine. Its
tables are those of a library, under the same names; `docs/format.md` has the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DatabaseError

from fingerprinter.errors import CorruptionError, LibraryError, UsageError, VersionError
from fingerprinter.store.maintain.checks import OF_A_TRACK
from fingerprinter.store.tables import schema

FORMAT: Final = 1
APPLICATION: Final = 0x66707261  # "fpra": PRAGMA application_id
_TRACKS = 64  # read and written at a time

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A track and the rows that belong to it, by the table's name; without ids of their own."""

    track: Row
    rows: Mapping[str, list[Row]]

    @property
    def digest(self) -> str:
        """BLAKE2b, 16 bytes, of all values that are there, in the order of their names."""
        rows = {name: [_known(row) for row in rows] for name, rows in self.rows.items() if rows}
        content = [_known(self.track), rows]
        text = json.dumps(content, sort_keys=True, default=_plain, separators=(",", ":"))
        return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _known(row: Row) -> Row:
    """What is absent is as if the column were: another schema may not have it."""
    return {name: value for name, value in row.items() if value is not None}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, bytes)
    return hashlib.blake2b(value, digest_size=16).hexdigest()


def _tables() -> tuple[Table, dict[str, Table], Table]:
    """The header, all tables of rows by name, and of them that of tracks."""
    metadata = MetaData()
    header = Table(
        "header", metadata, Column("name", String, primary_key=True), Column("value", Text)
    )
    tables = {t.name: t.to_metadata(metadata) for t in (schema.track, *OF_A_TRACK)}
    tables["track"].append_column(Column("digest", String(32), nullable=False))
    return header, tables, tables["track"]


_HEADER, _ROWS, _TRACK = _tables()


def records(connection: Connection, track_ids: Sequence[int] | None) -> Iterator[Record]:
    """Tracks of a library, default all, in the order of ids, portion by portion."""
    yield from _records(connection, _own_tables(), track_ids)


def _own_tables() -> dict[str, Table]:
    return {table.name: table for table in (schema.track, *OF_A_TRACK)}


def _records(
    connection: Connection, tables: Mapping[str, Table], track_ids: Sequence[int] | None
) -> Iterator[Record]:
    ids = list(connection.scalars(select(tables["track"].c.id).order_by(tables["track"].c.id)))
    wanted = ids if track_ids is None else sorted(set(track_ids))
    columns = {name: _columns(connection, table) for name, table in tables.items()}
    for start in range(0, len(wanted), _TRACKS):
        some = wanted[start : start + _TRACKS]
        parts = {
            name: _by_track(connection, tables[name], columns[name], some)
            for name in tables
            if name != "track" and columns[name]
        }
        track = tables["track"]
        asked = select(*columns["track"]).where(track.c.id.in_(some)).order_by(track.c.id)
        for row in connection.execute(asked).mappings().all():
            yield Record(dict(row), {name: part.get(row["id"], []) for name, part in parts.items()})


def _columns(connection: Connection, table: Table) -> list[Column[Any]]:
    """The columns that are there: an archive of an older schema may lack some."""
    found = inspect(connection)
    if not found.has_table(table.name):
        return []
    names = {column["name"] for column in found.get_columns(table.name)}
    return [column for column in table.c if column.name in names]


def _by_track(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], track_ids: Sequence[int]
) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    asked = select(*columns).where(table.c.track_id.in_(track_ids)).order_by(*table.primary_key)
    for row in connection.execute(asked).mappings():
        values = dict(row)
        track_id = values.pop("track_id")
        values.pop("id", None)
        found.setdefault(track_id, []).append(values)
    return found


class ArchiveWriter:
    """Writes records; made by `written`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._whole = hashlib.blake2b(digest_size=16)
        self.count = 0

    def add(self, record: Record) -> None:
        """One more track."""
        digest = _without_id(record).digest
        self._connection.execute(insert(_TRACK).values(**record.track, digest=digest))
        for name, rows in record.rows.items():
            owned = [row | {"track_id": record.track["id"]} for row in rows]
            if owned:
                self._connection.execute(insert(_ROWS[name]), owned)
        self._whole.update(digest.encode())
        self.count += 1

    def close(self, facts: Mapping[str, str]) -> None:
        """Writes the header."""
        found = {"tracks": str(self.count), "digest": self._whole.hexdigest(), **facts}
        rows = [{"name": name, "value": value} for name, value in found.items()]
        self._connection.execute(insert(_HEADER), rows)


def _without_id(record: Record) -> Record:
    return Record({k: v for k, v in record.track.items() if k not in ("id", "digest")}, record.rows)


@contextmanager
def write_archive(path: Path, params_id: str) -> Iterator[ArchiveWriter]:
    """An archive that is written aside, and renamed once it is whole and on the disk.

    Raises `UsageError` where the file cannot be written, or is something else.
    """
    _require_replaceable(path)
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with _connected(aside, "rwc") as connection:
            _HEADER.metadata.create_all(connection)
            writer = ArchiveWriter(connection)
            yield writer
            writer.close(
                {"format": str(FORMAT), "schema": schema.SCHEMA_HEAD, "params_id": params_id}
            )
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
            connection.commit()
        _sync(aside)
        aside.replace(path)
    except (OSError, DatabaseError) as error:
        raise _unwritable(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError | DatabaseError) -> UsageError | LibraryError:
    if getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return LibraryError(f"{path}: the disk is full; free some space and export again")
    found = error.strerror if isinstance(error, OSError) else str(error.orig)
    return UsageError(f"{path}: {found}; name a file that can be written")


def _require_replaceable(path: Path) -> None:
    """Refuses to replace a file that is no archive: it may be a library, or music."""
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it")
    if path.exists() and path.stat().st_size and not _is_archive(path):
        raise UsageError(f"{path}: there is a file that is no export; name another, or remove it")


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(72)
    return head[:15] == b"SQLite format 3" and head[68:72] == APPLICATION.to_bytes(4, "big")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[Connection]:
    url = f"sqlite:///{path.absolute().as_uri()}?mode={mode}&uri=true"
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode = OFF")  # it is not there before it is renamed
    connection.execute("PRAGMA synchronous = OFF")


class Archive:
    """An archive that is open to be read; made by `opened`."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path, self._connection = path, connection
        rows = connection.execute(select(_HEADER.c.name, _HEADER.c.value))
        self._facts: dict[str, str] = {row.name: row.value for row in rows}
        self._require_known()

    @property
    def params_id(self) -> str:
        """What its peaks were found under."""
        return self._facts["params_id"]

    @property
    def count(self) -> int:
        """Tracks in it."""
        return int(self._facts["tracks"])

    def _require_known(self) -> None:
        newer = int(self._facts["format"]) > FORMAT or self._facts["schema"] > schema.SCHEMA_HEAD
        if newer:
            raise VersionError(
                f"{self.path}: format {self._facts['format']}, schema {self._facts['schema']}; this"
                f" program knows up to {FORMAT} and {schema.SCHEMA_HEAD}: upgrade fingerprinter"
            )

    def require_whole(self) -> None:
        """Raises `CorruptionError` where tracks are missing or changed their places."""
        whole = hashlib.blake2b(digest_size=16)
        try:
            for digest in self._connection.scalars(select(_TRACK.c.digest).order_by(_TRACK.c.id)):
                whole.update(digest.encode())
        except DatabaseError as error:
            raise _damaged(self.path, str(error.orig)) from error
        if whole.hexdigest() != self._facts["digest"]:
            raise _damaged(self.path, "its list of tracks is not what was written")

    def records(self) -> Iterator[tuple[Record, bool]]:
        """Every record without its id, and whether it is what was written."""
        try:
            for record in _records(self._connection, _ROWS, None):
                plain = _without_id(record)
                yield plain, plain.digest == record.track["digest"]
        except DatabaseError as error:
            raise _damaged(self.path, str(error.orig)) from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """An archive; raises `UsageError`, `VersionError`, or `CorruptionError` while it is read."""
    try:
        if not _is_archive(path):
            raise UsageError(
                f"{path}: no export of a library; make one with `fingerprinter export`"
            )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be read") from error
    with _connected(path, "ro") as connection:
        yield _read(path, connection)


def _read(path: Path, connection: Connection) -> Archive:
    try:
        return Archive(path, connection)
    except (DatabaseError, KeyError, ValueError) as error:
        raise _damaged(path, "its header cannot be read") from error


def _damaged(path: Path, found: str) -> CorruptionError:
    return CorruptionError(f"{path}: {found}; copy it again, or export it again")
