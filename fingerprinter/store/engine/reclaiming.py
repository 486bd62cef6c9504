"""Gives the space of dropped postings in PostgreSQL back to the disk, while others read and write.

A merge leaves the space of its sources in the midst of the table, and VACUUM cuts a table off only
behind its last living row. So blocks are moved into the free space, the newest first, as they lie
mostly behind: a few in each transaction, deleted and inserted anew. (An UPDATE, as pgcompacttable
has it, leaves alone what lies out of line, in the TOAST table: 72 % of the bytes.) After each
eighth of the bytes a VACUUM tells PostgreSQL what is free now, and has it filled from the front.

Where a row lies need not be known for that. While L bytes live and S were moved since the last
VACUUM, the first L + S bytes of the table have room for all that is moved: so once everything was
moved, the table is no longer than that, and it never grows beyond. Mostly much less is moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from fingerprinter.store.engine.engine import reading, writing
from fingerprinter.store.tables.shards import is_sharded

_WASTE = 1.33  # bytes of the table for each that lives, from which on work begins
_ENOUGH = 1.15  # and at which it ends; after VACUUM FULL it is 1.03
_LEAST = 1 << 20  # bytes: less is worth no work
_SHARES = 8  # of the living bytes, one moved between two VACUUMs
_PORTION = 8 << 20  # bytes in a transaction: a tenth of a second of a writer's turn, about
_SAMPLE = 1 << 30  # bytes of a table that tell how many live: 3 % off, where they are a fifth of it
_PATIENCE_S = (0.0, 1.0, 4.0)  # for readers who began before the last rows were moved
_ROW_BYTES = 64  # headers and pointers of a row, here and in the TOAST table
_LAST_ID = (1 << 63) - 1

# VACUUM takes the time that it takes; another one, or who changes the table, is not waited for.
_SESSION: Final = ("SET statement_timeout = 0", "SET lock_timeout = '10s'")
# Left to itself it leaves a few dead rows in the index, and the last page where one was stays.
_VACUUM: Final = "VACUUM (INDEX_CLEANUP ON) posting_block"

_TABLES: Final = (
    "FROM pg_class WHERE oid IN (to_regclass('posting_block'),"
    " (SELECT reltoastrelid FROM pg_class WHERE oid = to_regclass('posting_block')))"
)
_BYTES = text(f"SELECT sum(pg_relation_size(oid)) {_TABLES}")
_UNSETTLED_BYTES = text(  # of pages with rows that only older snapshots have, or lack
    "SELECT sum(relpages - relallvisible) * current_setting('block_size')::int " + _TABLES
)
_CAN_VACUUM = text(  # who is not the owner cannot; INDEX_CLEANUP came with PostgreSQL 12
    "SELECT pg_has_role(relowner, 'USAGE') AND current_setting('server_version_num')::int >= 120000"
    " FROM pg_class WHERE oid = to_regclass('posting_block')"
)
_IN_SAMPLE = text(
    f"SELECT count(*) AS rows, coalesce(sum(length(data) + {_ROW_BYTES}), 0) AS bytes"
    " FROM posting_block TABLESAMPLE SYSTEM (:percent)"
)
_HAS_TAIL = text(
    "SELECT EXISTS (SELECT FROM posting_block WHERE ctid >= CAST(format('(%s,0)', 15 *"
    " pg_relation_size('posting_block') / 16 / current_setting('block_size')::int) AS tid))"
)
_MOVE = text(
    "WITH newest AS (SELECT id FROM posting_block WHERE id < :before ORDER BY id DESC LIMIT :most),"
    " gone AS (DELETE FROM posting_block WHERE id < :before AND id >= (SELECT min(id) FROM newest)"
    " RETURNING id, data),"
    " back AS (INSERT INTO posting_block (id, data) SELECT id, data FROM gone"
    " RETURNING id, length(data) AS bytes)"
    f" SELECT min(id) AS first, coalesce(sum(bytes + {_ROW_BYTES}), 0) AS bytes FROM back"
)


def compact(engine: Engine) -> None:
    """Moves the blocks together and cuts the table off, if a quarter of it or more is empty.

    Where somebody stands in the way (a reader of an old snapshot, another owner of the table), or
    the server fails, the space stays, for blocks that are still to come. So it does on the servers
    of a library that is spread, which no VACUUM can be sent to.
    """
    with suppress(OperationalError):
        with reading(engine) as connection:
            if is_sharded(connection) or not connection.scalar(_CAN_VACUUM):
                return
            size = _bytes(connection)
            rows, living = _living(connection, size)
        if size > max(_WASTE * living, living + _LEAST):
            _compact(engine, rows, living)


def _bytes(connection: Connection) -> int:
    """Of the table and its TOAST table, without indexes."""
    return int(connection.scalar(_BYTES) or 0)


def _living(connection: Connection, size: int) -> tuple[int, int]:
    """How many rows there are, and their bytes; about, where the table is large."""
    percent = min(100.0, 100.0 * _SAMPLE / max(1, size))
    rows, found = connection.execute(_IN_SAMPLE, {"percent": percent}).one()
    return int(rows * 100 / percent), int(float(found) * 100 / percent)


def _compact(engine: Engine, rows: int, living: int) -> None:
    most = max(1, rows * _PORTION // max(1, living))
    before: int | None = _LAST_ID
    with _session(engine) as session:
        while _is_ready(session, living) and before is not None:
            before = _move(engine, before, most, living // _SHARES)


@contextmanager
def _session(engine: Engine) -> Iterator[Connection]:
    """A session of its own, each statement its own transaction: VACUUM allows no other."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.detach()
        for setting in _SESSION:
            session.exec_driver_sql(setting)
        yield session


def _is_ready(session: Connection, living: int) -> bool:
    """Vacuums; whether the table is still too large then, and the space of dropped rows free.

    It is not while a reader may still look there, who then sees all that was moved in at least
    twice its bytes of pages: where it lay, and where it lies. Nor is a tail that only the lock of
    a reader keeps from being cut off. PostgreSQL manual, "Routine Vacuuming" and "The Visibility
    Map".
    """
    settled = living / _SHARES / 2
    for pause_s in _PATIENCE_S:
        time.sleep(pause_s)
        session.exec_driver_sql(_VACUUM)
        if _bytes(session) <= _ENOUGH * living:
            return False
        if session.scalar(_UNSETTLED_BYTES) <= settled and session.scalar(_HAS_TAIL):
            return True
    return False


def _move(engine: Engine, before: int, most: int, size: int) -> int | None:
    """Moves so many bytes, about, of the newest blocks before an id; the first id, None at the end.

    most: blocks in a transaction
    """
    first: int | None = before
    while first is not None and size > 0:
        with writing(engine) as connection:
            if is_sharded(connection):  # since a moment ago
                return None
            first, moved = connection.execute(_MOVE, {"before": first, "most": most}).one()
        size -= int(moved)
    return first
