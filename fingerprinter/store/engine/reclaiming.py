"""Returns the disk space of dropped postings in PostgreSQL, while others read and write.

A merge frees the space of its sources in the middle of the table ``posting_block``. VACUUM can only
cut off empty pages at the end of a table. So the newest blocks, which mostly lie at the end, are
moved into the free space, a few per transaction: they are deleted and inserted again. An UPDATE
would not do, because it leaves alone what PostgreSQL stores out of line, in the TOAST table: 72 %
of the bytes. After each eighth of the bytes a VACUUM makes the freed space known, and PostgreSQL
fills the table from the front.

The place of a row need not be known. While L bytes are alive and S bytes were moved since the last
VACUUM, the first L + S bytes of the table have room for everything that is moved. So the table
never grows beyond that length, and it has that length at the latest when all blocks were moved.
Mostly far fewer blocks are moved.
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

TRANSACTION_BYTES = 8 << 20  # moved in one transaction; a writer's turn is then about 0.1 s
READER_WAITS_S = (0.0, 1.0, 4.0)  # pauses for readers who began before the last rows were moved
MIN_WASTE_BYTES = 1 << 20  # less is not worth the work
ROW_BYTES = 64  # headers and pointers of a row, in the table and in its TOAST table

_START_RATIO = 1.33  # bytes of the table per living byte from which on work begins
_STOP_RATIO = 1.15  # and at which it ends; after VACUUM FULL the ratio is 1.03
_ROUNDS = 8  # this fraction of the living bytes is moved between two VACUUMs
_SAMPLE_BYTES = 1 << 30  # of a large table, to estimate the living bytes: within 3 %
_LAST_ID = (1 << 63) - 1

# VACUUM may take long. It does not wait for another VACUUM or for a change of the table.
_SESSION: Final = ("SET statement_timeout = 0", "SET lock_timeout = '10s'")
# Without INDEX_CLEANUP a few dead rows may stay in the index, and with them the last page.
_VACUUM: Final = "VACUUM (INDEX_CLEANUP ON) posting_block"

_TABLES: Final = (
    "FROM pg_class WHERE oid IN (to_regclass('posting_block'),"
    " (SELECT reltoastrelid FROM pg_class WHERE oid = to_regclass('posting_block')))"
)
_BYTES = text(f"SELECT sum(pg_relation_size(oid)) {_TABLES}")
_UNSETTLED_BYTES = text(  # in pages whose rows not all snapshots agree about
    "SELECT sum(relpages - relallvisible) * current_setting('block_size')::int " + _TABLES
)
_CAN_VACUUM = text(  # only the owner can; PostgreSQL 12 brought INDEX_CLEANUP
    "SELECT pg_has_role(relowner, 'USAGE') AND current_setting('server_version_num')::int >= 120000"
    " FROM pg_class WHERE oid = to_regclass('posting_block')"
)
_IN_SAMPLE = text(
    f"SELECT count(*) AS rows, coalesce(sum(length(data) + {ROW_BYTES}), 0) AS bytes"
    " FROM posting_block TABLESAMPLE SYSTEM (:percent)"
)
_HAS_TAIL = text(
    "SELECT EXISTS (SELECT FROM posting_block WHERE ctid >= CAST(format('(%s,0)', 15 *"
    " pg_relation_size('posting_block') / 16 / current_setting('block_size')::int) AS tid))"
)
_MOVE_BLOCKS = text(
    "WITH newest AS"
    " (SELECT id FROM posting_block WHERE id < :before ORDER BY id DESC LIMIT :limit),"
    " deleted AS"
    " (DELETE FROM posting_block WHERE id < :before AND id >= (SELECT min(id) FROM newest)"
    " RETURNING id, data),"
    " inserted AS (INSERT INTO posting_block (id, data) SELECT id, data FROM deleted"
    " RETURNING id, length(data) AS bytes)"
    f" SELECT min(id) AS first, coalesce(sum(bytes + {ROW_BYTES}), 0) AS bytes FROM inserted"
)


def compact(engine: Engine) -> None:
    """Move the blocks together and cut the table off, if at least a quarter of it is empty.

    The space stays, to be used by later blocks, where somebody prevents the work (a reader of an
    old snapshot, another owner of the table) or where the server fails. A sharded library keeps
    the space too, because no VACUUM can be sent to its servers.
    """
    with suppress(OperationalError):
        with reading(engine) as connection:
            if is_sharded(connection) or not connection.scalar(_CAN_VACUUM):
                return
            size = _table_bytes(connection)
            percent = min(100.0, 100.0 * _SAMPLE_BYTES / max(1, size))
            counted = connection.execute(_IN_SAMPLE, {"percent": percent}).one()
        rows = int(counted.rows * 100 / percent)
        living = int(float(counted.bytes) * 100 / percent)
        if size > max(_START_RATIO * living, living + MIN_WASTE_BYTES):
            _move_in_rounds(engine, rows, living)


def _table_bytes(connection: Connection) -> int:
    """The bytes of the table and its TOAST table, without indexes."""
    return int(connection.scalar(_BYTES) or 0)


def _move_in_rounds(engine: Engine, rows: int, living: int) -> None:
    """Vacuum and move blocks in turn, until the table is small enough or all were moved."""
    max_rows = max(1, rows * TRANSACTION_BYTES // max(1, living))
    before: int | None = _LAST_ID
    with _vacuum_session(engine) as session:
        # The vacuum comes first: one is needed after the last move too.
        while _vacuum(session, living) and before is not None:
            before = move_newest_blocks(engine, before, max_rows, living // _ROUNDS)


@contextmanager
def _vacuum_session(engine: Engine) -> Iterator[Connection]:
    """A session in which each statement is its own transaction, as VACUUM requires."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.detach()
        for setting in _SESSION:
            session.exec_driver_sql(setting)
        yield session


def _vacuum(session: Connection, living: int) -> bool:
    """Vacuum. True if the table is still too large and the space of deleted rows is free.

    The space is not free while a reader may still look there. Such a reader sees everything that
    was moved in at least twice its bytes of pages: at the old place and at the new one. More moves
    are also useless where only the lock of a reader keeps the end of the table from being cut off.
    See the PostgreSQL manual, "Routine Vacuuming" and "The Visibility Map".
    """
    settled = living / _ROUNDS / 2
    for pause_s in READER_WAITS_S:
        time.sleep(pause_s)
        session.exec_driver_sql(_VACUUM)
        if _table_bytes(session) <= _STOP_RATIO * living:
            return False
        if session.scalar(_UNSETTLED_BYTES) <= settled and session.scalar(_HAS_TAIL):
            return True
    return False


def move_newest_blocks(engine: Engine, before: int, max_rows: int, size: int) -> int | None:
    """Delete the newest blocks and insert them again, into free space if there is some.

    Parameters
    ----------
    before
        Only blocks with smaller ids are moved.
    max_rows
        Blocks per transaction.
    size
        Bytes to move, approximately.

    Returns
    -------
    int or None
        The smallest id that was moved. None if no block is left, or the library was sharded
        meanwhile.
    """
    first: int | None = before
    while first is not None and size > 0:
        with writing(engine) as connection:
            if is_sharded(connection):
                return None
            values = {"before": first, "limit": max_rows}
            first, moved = connection.execute(_MOVE_BLOCKS, values).one()
        size -= int(moved)
    return first
