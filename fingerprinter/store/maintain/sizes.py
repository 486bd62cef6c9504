"""Disk space of the parts of a library, in whole pages and with indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from fingerprinter.store.tables import shards

OTHER: Final = "other"
_PART_OF: Final = {
    "posting_block": "landmarks",
    "segment": "landmarks",
    "tombstone": "landmarks",
    "constellation": "peaks",
    "sketch": "peaks",
    "embedding": "embeddings",
    "section": "embeddings",
    "facet": "embeddings",
    "analysis": "analyses",
    "track": "tracks",
    "file": "tracks",
    "waveform": "tracks",
    "track_name": "tracks",
    "job": "tracks",
    # the full-text index of SQLite
    "track_name_words_data": "tracks",
    "track_name_words_idx": "tracks",
    "track_name_words_docsize": "tracks",
    "track_name_words_config": "tracks",
}

_PAGES = text(
    "SELECT page_count * page_size AS total, freelist_count * page_size AS free"
    " FROM pragma_page_count, pragma_page_size, pragma_freelist_count"
)
HAS_DBSTAT = text("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'")
_SQLITE_TABLES = text(
    "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name"
)
_POSTGRESQL_TABLES = text(
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
)


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a library's database.

    Attributes
    ----------
    total
        Bytes of the file, or of all tables.
    free
        Bytes of empty pages. None in PostgreSQL, where they belong to the tables.
    parts
        By part; together with the free bytes they are the total. None if SQLite was built without
        the table dbstat.
    """

    total: int
    free: int | None
    parts: Mapping[str, int] | None


def size(connection: Connection) -> Size:
    """Add up the pages. SQLite reads all of them for this, a few seconds per gigabyte."""
    if connection.dialect.name == "sqlite":
        return _sqlite_size(connection)
    tables = {name: int(number) for name, number in connection.execute(_POSTGRESQL_TABLES)}
    if shards.is_sharded(connection):  # other servers tell only the bytes in the blocks
        tables["posting_block"] = sum(shard.bytes for shard in shards.list_shards(connection))
    total = sum(tables.values())
    return Size(total, None, _parts(tables, total))


def _sqlite_size(connection: Connection) -> Size:
    """The size of an SQLite library."""
    total, free = connection.execute(_PAGES).one()
    if connection.scalar(HAS_DBSTAT) is None:
        return Size(total, free, None)
    tables = {name: int(number) for name, number in connection.execute(_SQLITE_TABLES)}
    return Size(total, free, _parts(tables, total - free))


def _parts(tables: Mapping[str, int], total: int) -> dict[str, int]:
    """Bytes by part. Whatever belongs to no table of the schema is "other"."""
    parts = Counter(dict.fromkeys([*_PART_OF.values(), OTHER], 0))
    for name, part in _PART_OF.items():
        parts[part] += tables.get(name, 0)
    parts[OTHER] = total - parts.total()
    return dict(parts)
