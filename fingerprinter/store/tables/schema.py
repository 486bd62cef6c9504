"""The tables of a library, as SQLAlchemy Core metadata for SQLite and PostgreSQL.

The migrations (`migrations/versions`) create the tables, and this module describes them. It uses
SQLAlchemy Core without the ORM: rows become values of `fingerprinter.types`, and to import the ORM
would take 80 ms in each command.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.types import TypeDecorator, TypeEngine

from fingerprinter.store.tables.checked import Checked, damaged

SCHEMA_HEAD: Final = "0006"  # the newest revision in migrations/versions; a test holds them equal

_SURROGATE = re.compile("[\ud800-\udfff]")


class PortableText(TypeDecorator[str]):
    """Text of any origin, changed so that both databases can store it.

    ID3v2.4 separates several values by NUL, which PostgreSQL refuses. They become ``a; b``. A lone
    surrogate, as in a file name that is not UTF-8, becomes U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect | None = None) -> str | None:
        """Return the value to store."""
        if value is None:
            return None
        joined = "; ".join(filter(None, value.split("\0"))) if "\0" in value else value
        return _SURROGATE.sub("\ufffd", joined)


class TagNumber(TypeDecorator[int]):
    """A number from a tag. It is stored as NULL if it does not fit 32 bits: tags may be wrong."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect | None = None) -> int | None:
        """Return the value to store."""
        return None if value is None or not -(1 << 31) <= value < 1 << 31 else value


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, always with its time zone in Python.

    SQLite stores it as text without a time zone: ``2026-11-29 21:00:00.000000``.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the column: SQLite has none for times."""
        is_text = dialect.name == "sqlite"
        return dialect.type_descriptor(Text() if is_text else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the value to store; raise `ValueError` for a time without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        return utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the stored time, in UTC."""
        if value is None:
            return None
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def checksum(*values: object) -> int:
    """Compute the CRC-32 of the values of a row, in the order of its columns.

    Each value is preceded by its length, so that no two rows are the same bytes. Numbers must be
    of Python's types.

    >>> checksum(1, "model", b"bytes", None)
    3422711440
    """
    parts: list[bytes | memoryview] = []
    for value in values:
        if value is None:
            parts.append(b"-")
        else:
            data = value if isinstance(value, bytes | memoryview) else str(value).encode()
            parts += (b"%d:" % len(data), data)
    return zlib.crc32(b"".join(parts))


def row_checksum(table: Table, row: Mapping[str, Any]) -> int:
    """Compute the checksum of a row of a table with the column ``checksum``.

    It covers all columns but a generated ``id``, the time at which a track was added, and itself.
    """
    values = []
    for column in table.c:
        if column.name not in _NOT_IN_CHECKSUM:
            value = row.get(column.name)
            kind = column.type.wrapped if isinstance(column.type, Checked) else column.type
            if isinstance(kind, PortableText | TagNumber):
                value = kind.process_bind_param(value)  # as it is stored
            elif isinstance(kind, Float) and value is not None:
                value = float(value)
            values.append(value)
    return checksum(*values)


_NOT_IN_CHECKSUM = {"id", "added_at", "checksum"}


def require_checksum(table: Table, row: Row[Any], prefix: str = "") -> None:
    """Raise an error if a row of a table is not what was written.

    Parameters
    ----------
    row
        All columns of the table, with these names. A table or row without a checksum passes.
    prefix
        What precedes the names of the columns in the row, as in a join.

    Raises
    ------
    CorruptionError
        If the checksum does not match.
    """
    covered = _covered(table, prefix)
    if covered is None:
        return
    stored, *values = covered(row)
    if stored is not None and stored != checksum(*values):
        of_track = "track_id" in table.c
        number = getattr(row, prefix + ("track_id" if of_track else "id"))
        owner = f"of track {number}" if of_track else str(number)
        raise damaged(f"the checksum of {table.name} {owner} does not match")


@cache
def _covered(table: Table, prefix: str) -> Callable[[Row[Any]], tuple[Any, ...]] | None:
    """A function that takes the checksum and the values that it covers out of a row."""
    if "checksum" not in table.c:
        return None
    covered = [column.name for column in table.c if column.name not in _NOT_IN_CHECKSUM]
    return attrgetter(*(prefix + name for name in ("checksum", *covered)))


def _checksum_column(table: str) -> Column[int]:
    """The column ``checksum`` of a table, which each INSERT fills.

    It is NULL, and says nothing, where another program wrote the row.
    """

    def of_new_row(context: DefaultExecutionContext) -> int:
        row = context.get_current_parameters()  # type: ignore[no-untyped-call]
        return row_checksum(metadata.tables[table], row)

    return Column("checksum", _Long, default=of_new_row)


# SQLite's strict tables know the types INTEGER, REAL, TEXT and BLOB. It generates ids only for a
# column that is exactly INTEGER PRIMARY KEY.
_Long = BigInteger().with_variant(Integer, "sqlite")
_Id = _Long
_Real = Float(53).with_variant(REAL, "sqlite")


def _string(length: int) -> TypeEngine[str]:
    return String(length).with_variant(Text, "sqlite")


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

setting = Table(
    "setting",
    metadata,
    Column("name", _string(64), primary_key=True),
    Column("value", Text, nullable=False),
)

track = Table(
    "track",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("content_id", _string(128), nullable=False, unique=True),
    Column("title", PortableText),
    Column("artist", PortableText),
    Column("album", PortableText),
    Column("track_number", TagNumber),
    Column("year", TagNumber),
    Column("genre", PortableText),
    Column("mbid", PortableText),
    Column("duration_s", _Real, nullable=False),
    Column("problem", PortableText),
    Column("added_at", UtcDateTime, nullable=False),
    Column("album_artist", PortableText),
    Column("disc_number", TagNumber),
    Column("isrc", PortableText),
    Column("label", PortableText),
    Column("cover", _string(64)),  # SHA-256 of the embedded picture, hexadecimal
    _checksum_column("track"),
    sqlite_autoincrement=True,  # no id is used again, which tombstones rely on
)

file = Table(
    "file",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    # os.fsencode of the absolute path: names that are not UTF-8 survive
    Column("path", LargeBinary, nullable=False),
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), nullable=False),
    Column("size", _Long, nullable=False),
    Column("mtime_ns", _Long, nullable=False),
    # The part of the file that holds the track: a track of a cue sheet, else all of the file
    Column("start_s", _Real, nullable=False, default=0.0, server_default="0"),
    Column("end_s", _Real),
    # Of the sound in the file; all are NULL until `index` has looked at them
    Column("codec", _string(32)),
    Column("bit_rate", Integer),  # bits per second
    Column("sample_rate_hz", Integer),
    Column("channels", Integer),
    _checksum_column("file"),
    UniqueConstraint("path", "start_s"),
    # With the id. Otherwise PostgreSQL searches a track's first file along the primary key.
    Index("ix_file_track_id_id", "track_id", "id"),
)

constellation = Table(
    "constellation",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

embedding = Table(
    "embedding",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("model", _string(128), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("tags", LargeBinary, nullable=False),  # float32, little-endian; may be empty
    _checksum_column("embedding"),
)

section = Table(
    "section",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("model", _string(128), primary_key=True),
    Column("starts", LargeBinary, nullable=False),  # float32 seconds, little-endian
    Column("vectors", LargeBinary, nullable=False),  # float16, little-endian, row after row
    _checksum_column("section"),
)

facet = Table(
    "facet",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", _string(64), nullable=False),
    Column("data", LargeBinary, nullable=False),  # float16, little-endian
    _checksum_column("facet"),
)

sketch = Table(
    "sketch",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", _string(64), nullable=False),
    Column("data", LargeBinary, nullable=False),  # uint64, little-endian
    _checksum_column("sketch"),
)

analysis = Table(
    "analysis",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", _string(64), nullable=False),
    Column("tempo_bpm", _Real),
    Column("key", _string(16)),
    Column("loudness_lufs", _Real),
    # The whole analysis as JSON; the columns are for filters
    Column("details", Text, nullable=False),
    _checksum_column("analysis"),
)

waveform = Table(
    "waveform",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("points", LargeBinary, nullable=False),  # 1,000 uint8, see `core.numeric.waveform`
    _checksum_column("waveform"),
)

track_name = Table(  # derived from `track` and `file`; the full-text index is over it
    "track_name",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("names", Text, nullable=False),  # see `store.tables.names`
)

segment = Table(
    "segment",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("level", Integer, nullable=False),
    Column("prefix_bits", Integer, nullable=False),
    Column("landmark_count", _Long, nullable=False),
    Column("frame_count", _Long, nullable=False),
    Column("track_ids", LargeBinary, nullable=False),
    Column("track_frames", LargeBinary, nullable=False),
    _checksum_column("segment"),
    sqlite_autoincrement=True,
)

posting_block = Table(
    "posting_block",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),  # segment id << 24 | prefix
    Column("data", LargeBinary, nullable=False),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("track_id", _Id, primary_key=True, autoincrement=False),
    _checksum_column("tombstone"),
)

job = Table(  # long work that a server does
    "job",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kind", _string(32), nullable=False),
    Column("state", _string(16), nullable=False),
    Column("request", Text),  # JSON: what was asked for
    Column("progress", Text),  # JSON
    Column("report", Text),  # JSON: the result, or the error
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    sqlite_autoincrement=True,
)

# The index over `track_name` that each database has of its own. Metadata cannot describe it.
FULL_TEXT_INDEX: Final = "track_name_words"

for _table in metadata.tables.values():
    for _column in _table.c:
        _name = f"the column {_column.name} of the table {_table.name}"
        _column.type = Checked(_column.type, _name, nullable=bool(_column.nullable))
