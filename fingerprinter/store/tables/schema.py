"""The tables of a library, as SQLAlchemy Core metadata for SQLite and PostgreSQL.

The migrations (`migrations/versions`) create the tables, and this module describes them. It uses
SQLAlchemy Core without the ORM: rows become values of `fingerprinter.types`, and to import the ORM
would take 80 ms in each command.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
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
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

SCHEMA_HEAD: Final = "0004"  # the newest revision in migrations/versions; a test holds them equal

_SURROGATE = re.compile("[\ud800-\udfff]")


class PortableText(TypeDecorator[str]):
    """Text of any origin, changed so that both databases can store it.

    ID3v2.4 separates several values by NUL, which PostgreSQL refuses. They become ``a; b``. A lone
    surrogate, as in a file name that is not UTF-8, becomes U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the value to store."""
        if value is None:
            return None
        joined = "; ".join(filter(None, value.split("\0"))) if "\0" in value else value
        return _SURROGATE.sub("\ufffd", joined)


class TagNumber(TypeDecorator[int]):
    """A number from a tag. It is stored as NULL if it does not fit 32 bits: tags may be wrong."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Returns the value to store."""
        return None if value is None or not -(1 << 31) <= value < 1 << 31 else value


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, always with its time zone in Python. SQLite stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the value to store; raises `ValueError` for a time without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the stored time, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite generates ids only for a column that is exactly INTEGER PRIMARY KEY.
_Id = BigInteger().with_variant(Integer, "sqlite")

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
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

track = Table(
    "track",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("content_id", String(128), nullable=False, unique=True),
    Column("title", PortableText),
    Column("artist", PortableText),
    Column("album", PortableText),
    Column("track_number", TagNumber),
    Column("year", TagNumber),
    Column("genre", PortableText),
    Column("mbid", PortableText),
    Column("duration_s", Float(53), nullable=False),
    Column("problem", PortableText),
    Column("added_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # no id is used again, which tombstones rely on
)

file = Table(
    "file",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    # os.fsencode of the absolute path: names that are not UTF-8 survive
    Column("path", LargeBinary, nullable=False, unique=True),
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
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
    Column("model", String(128), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("tags", LargeBinary, nullable=False),  # float32, little-endian; may be empty
)

section = Table(
    "section",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String(128), primary_key=True),
    Column("starts", LargeBinary, nullable=False),  # float32 seconds, little-endian
    Column("vectors", LargeBinary, nullable=False),  # float16, little-endian, row after row
)

facet = Table(
    "facet",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),  # float16, little-endian
)

sketch = Table(
    "sketch",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),  # uint64, little-endian
)

analysis = Table(
    "analysis",
    metadata,
    Column("track_id", _Id, ForeignKey("track.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("tempo_bpm", Float(53)),
    Column("key", String(16)),
    Column("loudness_lufs", Float(53)),
    Column(
        "details", Text, nullable=False
    ),  # the whole analysis as JSON; the columns are for filters
)

segment = Table(
    "segment",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("level", Integer, nullable=False),
    Column("prefix_bits", Integer, nullable=False),
    Column("landmark_count", BigInteger, nullable=False),
    Column("frame_count", BigInteger, nullable=False),
    Column("track_ids", LargeBinary, nullable=False),
    Column("track_frames", LargeBinary, nullable=False),
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
)
