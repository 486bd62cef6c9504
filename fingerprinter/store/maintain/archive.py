"""Archives: one portable file with tracks and everything that is stored about them.

`export` writes it and `import` reads it. It is an SQLite database, so any tool can read single rows
on any computer. Its tables have the names of the library's tables. `docs/format.md` describes it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from fingerprinter.store.engine.catalog import read_catalog
from fingerprinter.store.maintain.checks import OF_A_TRACK
from fingerprinter.store.tables import schema

FORMAT: Final = 1
APPLICATION: Final = 0x66707261  # "fpra": PRAGMA application_id
# Names are derived from the tracks and files.
TABLES: Final = tuple(table for table in OF_A_TRACK if table is not schema.track_name)
_TRACKS_PER_READ = 64

_WHOLE: Final = ("start_s", 0.0)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A track and the rows that belong to it, without their own ids, by name of the table."""

    track: Row
    rows: Mapping[str, list[Row]]

    @property
    def digest(self) -> str:
        """The BLAKE2b digest (16 bytes, hexadecimal) of all values that are not NULL."""
        rows = {name: [_not_null(row) for row in rows] for name, rows in self.rows.items() if rows}
        content = [_not_null(self.track), rows]
        text = json.dumps(content, sort_keys=True, default=_to_json, separators=(",", ":"))
        return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _not_null(row: Row) -> Row:
    """The row without NULLs, and without a start that is the file's.

    A column that another schema lacks then makes no difference.
    """
    return {
        name: value for name, value in row.items() if value is not None and (name, value) != _WHOLE
    }


def _to_json(value: object) -> str:
    """Times as text, and the digest of bytes."""
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, bytes)
    return hashlib.blake2b(value, digest_size=16).hexdigest()


def _tables() -> tuple[Table, dict[str, Table], Table]:
    """The table of the header, the tables of rows by name, and the one of these with the tracks."""
    metadata = MetaData()
    header = Table(
        "header", metadata, Column("name", String, primary_key=True), Column("value", Text)
    )
    tables = {t.name: t.to_metadata(metadata) for t in (schema.track, *TABLES)}
    tables["track"].append_column(Column("digest", String(32), nullable=False))
    return header, tables, tables["track"]


_HEADER, _ROWS, _TRACK = _tables()


def records(connection: Connection, track_ids: Sequence[int] | None) -> Iterator[Record]:
    """Yield some tracks of a library, default all, in the order of ids."""
    tables = {table.name: table for table in (schema.track, *TABLES)}
    yield from _records(connection, tables, track_ids)


def _records(
    connection: Connection, tables: Mapping[str, Table], track_ids: Sequence[int] | None
) -> Iterator[Record]:
    ids = list(connection.scalars(select(tables["track"].c.id).order_by(tables["track"].c.id)))
    wanted = ids if track_ids is None else sorted(set(track_ids))
    columns = {name: _columns(connection, table) for name, table in tables.items()}
    for start in range(0, len(wanted), _TRACKS_PER_READ):
        some = wanted[start : start + _TRACKS_PER_READ]
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
    """The columns that exist, without checksums, which hold for an id of this database only.

    An archive of an older schema may lack some columns, or the table.
    """
    found = inspect(connection)
    if not found.has_table(table.name):
        return []
    names = {column["name"] for column in found.get_columns(table.name)} - {"checksum"}
    return [column for column in table.c if column.name in names]


def _by_track(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], track_ids: Sequence[int]
) -> dict[int, list[Row]]:
    """The rows of a table by track id, without their ids."""
    found: dict[int, list[Row]] = {}
    asked = select(*columns).where(table.c.track_id.in_(track_ids)).order_by(*table.primary_key)
    for row in connection.execute(asked).mappings():
        values = dict(row)
        track_id = values.pop("track_id")
        values.pop("id", None)
        found.setdefault(track_id, []).append(values)
    return found


class ArchiveWriter:
    """Writes records to an archive; see `write_archive`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._whole = hashlib.blake2b(digest_size=16)
        self.count = 0

    def add(self, record: Record) -> None:
        """Write a track and its rows."""
        digest = without_id(record).digest
        self._connection.execute(insert(_TRACK).values(**record.track, digest=digest))
        for name, rows in record.rows.items():
            owned = [row | {"track_id": record.track["id"]} for row in rows]
            if owned:
                self._connection.execute(insert(_ROWS[name]), owned)
        self._whole.update(digest.encode())
        self.count += 1

    def close(self, facts: Mapping[str, str]) -> None:
        """Write the header with some facts, the number of tracks and their digest."""
        found = {"tracks": str(self.count), "digest": self._whole.hexdigest(), **facts}
        rows = [{"name": name, "value": value} for name, value in found.items()]
        self._connection.execute(insert(_HEADER), rows)


def without_id(record: Record) -> Record:
    """The record as it is in every library: the id of a track is of one library only."""
    return Record({k: v for k, v in record.track.items() if k not in ("id", "digest")}, record.rows)


@contextmanager
def write_archive(path: Path, params_id: str) -> Iterator[ArchiveWriter]:
    """Write an archive to a temporary file, and rename it when it is complete and on the disk.

    Raises
    ------
    UsageError
        If the file cannot be written, or a file is there that is no archive.
    LibraryError
        If the disk is full.
    """
    _require_replaceable(path)
    part_path = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with _connected(part_path, "rwc") as connection:
            _HEADER.metadata.create_all(connection)
            writer = ArchiveWriter(connection)
            yield writer
            writer.close(
                {"format": str(FORMAT), "schema": schema.SCHEMA_HEAD, "params_id": params_id}
            )
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
            connection.commit()
        with part_path.open("rb+") as file:
            os.fsync(file.fileno())
        part_path.replace(path)
    except (OSError, DatabaseError) as error:
        raise _write_error(path, error) from error
    finally:
        with suppress(OSError):  # the folder cannot even be looked at
            part_path.unlink(missing_ok=True)


def _write_error(path: Path, error: OSError | DatabaseError) -> UsageError | LibraryError:
    """The error to raise where an archive could not be written."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return LibraryError(f"{path}: the disk is full; free some space and export again")
    if code == sqlite3.SQLITE_CANTOPEN:
        return UsageError(f"{path}: its folder is missing or cannot be written; name another")
    found = error.strerror if isinstance(error, OSError) else str(error.orig)
    return UsageError(f"{path}: {found}; name a file that can be written")


def _require_replaceable(path: Path) -> None:
    """Raise an error if the file is no archive: it may be a library, music, or a device."""
    if os.path.isdir(path):
        raise UsageError(f"{path}: is a folder; name a file in it")
    if os.path.exists(path) and not path.is_file():
        raise UsageError(f"{path}: not a regular file; name another")
    if os.path.exists(path) and path.stat().st_size and not _is_archive(path):
        raise UsageError(f"{path}: there is a file that is no export; name another, or remove it")


def _is_archive(path: Path) -> bool:
    """Whether a file has the header of an archive; raises `OSError` if it cannot be read."""
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe might never end
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        head = file.read(72)
    return head[:15] == b"SQLite format 3" and head[68:72] == APPLICATION.to_bytes(4, "big")


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[Connection]:
    """A connection to an SQLite file, in a mode of SQLite's URIs."""
    url = f"sqlite:///{path.absolute().as_uri()}?mode={mode}&uri=true"
    engine = create_engine(url)
    event.listen(engine, "connect", _set_pragmas)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _set_pragmas(connection: sqlite3.Connection, _: object) -> None:
    """Write fast and without a journal: a file that is not complete is never used."""
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from a stranger


class Archive:
    """An archive that is open for reading; see `open_archive`.

    Attributes
    ----------
    count
        The number of tracks.
    params_id
        The id of the parameters that its peaks were found with.
    """

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path, self._connection = path, connection
        rows = connection.execute(select(_HEADER.c.name, _HEADER.c.value))
        self._facts: dict[str, str] = {row.name: row.value for row in rows}
        self.count = int(self._facts["tracks"])
        self.params_id = self._facts["params_id"]
        newer = int(self._facts["format"]) > FORMAT or self._facts["schema"] > schema.SCHEMA_HEAD
        if newer:
            raise VersionError(
                f"{self.path}: format {self._facts['format']}, schema {self._facts['schema']}; this"
                f" program knows up to {FORMAT} and {schema.SCHEMA_HEAD}: upgrade fingerprinter"
            )

    def require_whole(self) -> None:
        """Raise `CorruptionError` if tracks are missing or in another order."""
        whole = hashlib.blake2b(digest_size=16)
        try:
            for digest in self._connection.scalars(select(_TRACK.c.digest).order_by(_TRACK.c.id)):
                whole.update(digest.encode())
        except (DatabaseError, CorruptionError) as error:
            raise _damaged(self.path, "its list of tracks cannot be read") from error
        if whole.hexdigest() != self._facts["digest"]:
            raise _damaged(self.path, "its list of tracks is not what was written")

    def records(self) -> Iterator[tuple[Record, bool]]:
        """Yield each record without its id, and whether it is the one that was written."""
        try:
            for record in _records(self._connection, _ROWS, None):
                portable = without_id(record)
                yield portable, portable.digest == record.track["digest"]
        except (DatabaseError, CorruptionError) as error:
            raise _damaged(self.path, "the rows of a track cannot be read") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive for reading.

    Raises
    ------
    UsageError
        If the file is no archive or cannot be read.
    VersionError
        If the archive was written by a newer version.
    CorruptionError
        If the archive is damaged; also later, while it is read.
    """
    try:
        if not _is_archive(path):
            raise UsageError(
                f"{path}: no export of a library; make one with `fingerprinter export`"
            )
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be read") from error
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(_connected(path, "ro"))
            strangers = read_catalog(connection).strangers
            archive = Archive(path, connection)
        except (DatabaseError, CorruptionError, KeyError, ValueError) as error:
            raise _damaged(path, "its header cannot be read") from error
        if strangers:
            raise _damaged(path, f"it holds the {strangers[0]}, which no export has")
        yield archive


def _damaged(path: Path, found: str) -> CorruptionError:
    """The error for a damaged archive."""
    return CorruptionError(f"{path}: {found}; copy it again, or export it again")
