"""Postings on several PostgreSQL servers: what the rest of the store has to know of it.

`fingerprinter.store.servers.sharding` makes ``posting_block`` a table of hash partitions, each a
foreign table (postgres_fdw) on a server of its own. SQL stays the same, two things do
not. A reader's snapshot of a server begins with its first question to that server, some
time after that of the library itself: what a merge drops has to stay until every reader
that may still look for it has begun to. And a server commits before the library
does: a crash in between leaves blocks of a segment that never came to be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from fingerprinter.store.tables import library_metadata

GRACE_S = 600  # from the snapshot of a reader to its first look-up: ms, seconds where it is large
DROPPED = "dropped_segments"  # setting: {segment id: when its blocks may go, seconds since 1970}

_IS_SPREAD = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('posting_block')")
_NOW_S = text("SELECT extract(epoch FROM clock_timestamp())")
_PARTS = text(
    "SELECT inhrelid::regclass::text AS part, srvname AS server FROM pg_inherits"
    " JOIN pg_foreign_table ON ftrelid = inhrelid JOIN pg_foreign_server s ON s.oid = ftserver"
    " WHERE inhparent = to_regclass('posting_block') ORDER BY srvname"
)


@dataclass(frozen=True, slots=True)
class Shard:
    """What one server has of the postings.

    server: as `place_of` shows it; blocks, bytes: of segments that are in use
    """

    server: str
    blocks: int
    bytes: int


def is_sharded(connection: Connection) -> bool:
    """Whether the postings lie on other servers."""
    return connection.dialect.name == "postgresql" and bool(connection.scalar(_IS_SPREAD))


def place_of(server: str) -> str:
    """Host, port and database out of the name that `spread` gives a server.

    >>> place_of("fingerprinter 1f0c94aa 2 db2.example.org:5432/music")
    'db2.example.org:5432/music'
    """
    return server.split(" ", 3)[-1]


def list_shards(connection: Connection) -> list[Shard]:
    """What each server has; each counts for itself, so that no block travels."""
    segments = list(connection.scalars(text("SELECT id FROM segment")))
    return [
        _share(connection, row.part, place_of(row.server), segments)
        for row in connection.execute(_PARTS)
    ]


def _share(connection: Connection, part: str, server: str, segments: Sequence[int]) -> Shard:
    counting = text(
        f"SELECT count(*), coalesce(sum(length(data)), 0) FROM {part}"
        " WHERE id >> 24 = ANY(CAST(:segments AS bigint[]))"
    )
    blocks, size = connection.execute(counting, {"segments": list(segments)}).one()
    return Shard(server, int(blocks), int(size))


def droppable(connection: Connection, dropped: Sequence[int]) -> list[int]:
    """The segments whose blocks may go now, of those dropped here and those dropped before.

    On one server that is all of them. On several they wait for `GRACE_S`.
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
    """Segments that were dropped while their blocks stay: until when, in seconds since 1970."""
    stored = json.loads(library_metadata.get(connection, DROPPED) or "{}")
    return {int(segment): float(until_s) for segment, until_s in stored.items()}
