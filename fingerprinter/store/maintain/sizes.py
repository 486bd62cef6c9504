"""What the parts of a library take on the disk: whole pages, indexes included."""

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

    total: of the file, or of all tables; free: of its pages that hold nothing, None in PostgreSQL,
    which keeps them within the tables
    parts: bytes by part, which with the free ones are the total; None of an SQLite that was built
    without the table dbstat
    """

    total: int
    free: int | None
    parts: Mapping[str, int] | None


def size(connection: Connection) -> Size:
    """Adds up pages: in SQLite by reading all of them, a few seconds a gigabyte."""
    if connection.dialect.name == "sqlite":
        return _sqlite(connection)
    tables = {name: int(number) for name, number in connection.execute(_POSTGRESQL_TABLES)}
    if shards.is_sharded(connection):  # of other servers only what the blocks hold can be asked
        tables["posting_block"] = sum(share.bytes for share in shards.list_shards(connection))
    total = sum(tables.values())
    return Size(total, None, _parts(tables, total))


def _sqlite(connection: Connection) -> Size:
    total, free = connection.execute(_PAGES).one()
    if connection.scalar(HAS_DBSTAT) is None:
        return Size(total, free, None)
    tables = {name: int(number) for name, number in connection.execute(_SQLITE_TABLES)}
    return Size(total, free, _parts(tables, total - free))


def _parts(tables: Mapping[str, int], total: int) -> dict[str, int]:
    """Bytes by part; what belongs to no table of ours is "other"."""
    parts = Counter(dict.fromkeys([*_PART_OF.values(), OTHER], 0))
    for name, part in _PART_OF.items():
        parts[part] += tables.get(name, 0)
    parts[OTHER] = total - parts.total()
    return dict(parts)
