"""Bookkeeping of postings that lie on several PostgreSQL servers.

`fingerprinter.store.servers.sharding` turns ``posting_block`` into a table of hash partitions, each
of them a foreign table (postgres_fdw) on another server. The SQL stays the same. Two things differ:

- A reader's snapshot of a server begins with its first query to that server, some time after its
  snapshot of the library. So the blocks that a merge drops have to stay until every reader that may
  still look for them has begun to.
- A server commits before the library does. A crash in between leaves blocks of a segment that was
  never created.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from fingerprinter.store.tables import library_metadata
from fingerprinter.store.tables.checked import damaged

GRACE_S = 600  # a reader's first look-up follows its snapshot within milliseconds to seconds
DROPPED = "dropped_segments"  # setting: {segment id: when to delete its blocks, s since 1970}

_IS_SHARDED = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('posting_block')")
_NOW_S = text("SELECT extract(epoch FROM clock_timestamp())")
_PARTS = text(
    "SELECT inhrelid::regclass::text AS part, srvname AS server FROM pg_inherits"
    " JOIN pg_foreign_table ON ftrelid = inhrelid JOIN pg_foreign_server s ON s.oid = ftserver"
    " WHERE inhparent = to_regclass('posting_block') ORDER BY srvname"
)


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of the postings on one server.

    Attributes
    ----------
    server
        Host, port and database, as `place_of` returns them.
    blocks, bytes
        Number and bytes of the blocks of segments in use.
    """

    server: str
    blocks: int
    bytes: int


def is_sharded(connection: Connection) -> bool:
    """Return whether the postings lie on other servers."""
    return connection.dialect.name == "postgresql" and bool(connection.scalar(_IS_SHARDED))


def place_of(server: str) -> str:
    """Return host, port and database from the name that `sharding` gives a server.

    >>> place_of("fingerprinter 1f0c94aa 2 db2.example.org:5432/music")
    'db2.example.org:5432/music'
    """
    return server.split(" ", 3)[-1]


def list_shards(connection: Connection) -> list[Shard]:
    """List what each server has. Each server counts its own blocks, so that none is sent."""
    segments = list(connection.scalars(text("SELECT id FROM segment")))
    return [
        _count_shard(connection, row.part, place_of(row.server), segments)
        for row in connection.execute(_PARTS)
    ]


def _count_shard(connection: Connection, part: str, server: str, segments: Sequence[int]) -> Shard:
    counting = text(
        f"SELECT count(*), coalesce(sum(length(data)), 0) FROM {part}"
        " WHERE id >> 24 = ANY(CAST(:segments AS bigint[]))"
    )
    blocks, size = connection.execute(counting, {"segments": list(segments)}).one()
    return Shard(server, int(blocks), int(size))


def droppable(connection: Connection, dropped: Sequence[int]) -> list[int]:
    """Return the segments whose blocks may be deleted now.

    Parameters
    ----------
    dropped
        Ids of segments that the caller drops in this transaction.

    Returns
    -------
    list of int
        On one server, the dropped segments. On several, the blocks of a segment wait for `GRACE_S`:
        those whose time is over are returned, and the others are noted.
    """
    if not is_sharded(connection):
        return list(dropped)
    now_s = float(connection.scalar(_NOW_S) or 0)
    waiting = waiting_segments(connection) | dict.fromkeys(dropped, now_s + GRACE_S)
    due = [segment for segment, until_s in waiting.items() if until_s <= now_s]
    left = {segment: until_s for segment, until_s in waiting.items() if segment not in due}
    if dropped or due:
        library_metadata.put(connection, DROPPED, json.dumps(left))
    return due


def waiting_segments(connection: Connection) -> dict[int, float]:
    """Map segments that were dropped to the time until which their blocks stay, s since 1970."""
    try:
        stored = json.loads(library_metadata.get(connection, DROPPED) or "{}")
        return {int(segment): float(until_s) for segment, until_s in stored.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise damaged("the setting dropped_segments is not a list of segments") from None
