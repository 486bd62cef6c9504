"""Space of merged segments in PostgreSQL: given back while others read and write."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from conftest import PostgresServer
from sqlalchemy import Connection, text
from test_database import run
from waiting import until

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.store.engine import reclaiming
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.tables import library_metadata
from fingerprinter.types import Landmarks

SEGMENTS = 9
LANDMARKS = 80_000  # of a segment


@pytest.fixture
def dialect() -> str:
    return "postgresql"


@pytest.fixture
def database(library_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A library whose segments were merged until there was but one: half of its table is empty.

    No autovacuum comes in between: later segments would fill what it found empty.
    """
    monkeypatch.setattr(postings, "_LEVEL_0", LANDMARKS)
    monkeypatch.setattr(reclaiming, "_PORTION", 1 << 16)
    monkeypatch.setattr(reclaiming, "_PATIENCE_S", (0.0, 0.2, 1.0))
    with Database.open(library_url) as database:
        with database.begin() as connection:
            never = "autovacuum_enabled = false, toast.autovacuum_enabled = false"
            connection.execute(text(f"ALTER TABLE posting_block SET ({never})"))
        yield database


def grow(database: Database, first: int = 0, segments: int = SEGMENTS) -> None:
    """Adds segments as `index` does, each merged with those that are due."""
    for number in range(first, first + segments):
        with database.begin() as connection:
            postings.add_segment(connection, DEFAULT, [(number, 50_000, landmarks(number))])
        while database.change(lambda connection: postings.merge_due(connection, DEFAULT)):
            pass


def landmarks(seed: int) -> Landmarks:
    """Some hashes are far more common than others, so that blocks are of all sizes."""
    rng = np.random.default_rng(seed)
    hashes = (rng.random(LANDMARKS) ** 3 * (1 << hash_bits(DEFAULT))).astype(np.uint32)
    return Landmarks(hashes, rng.integers(0, 50_000, LANDMARKS).astype(np.int32))


def content(connection: Connection) -> Any:
    """Digest of all blocks."""
    digest = "SELECT md5(string_agg(id || md5(data), '' ORDER BY id)) FROM posting_block"
    return connection.scalar(text(digest))


def seen(database: Database) -> tuple[Any, float]:
    """Content of all blocks, and how many times as large as their rows their table is."""
    with database.connect() as connection:
        sizes = "SELECT pg_table_size('posting_block'), count(*) FROM posting_block"
        size, rows = connection.execute(text(sizes)).one()
        living = postings.stats(connection).bytes + rows * reclaiming._ROW_BYTES
        return content(connection), size / living


# One that began beside another transaction, an autovacuum's for one, keeps what is newer than that.
_IS_ALONE = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())"
)


def snapshot(database: Database, stack: ExitStack) -> Connection | None:
    """A reader that began while no other transaction ran; None where one did."""
    with ExitStack() as mine:
        connection = mine.enter_context(database.connect())
        if not connection.scalar(text(_IS_ALONE)):
            return None
        stack.push(mine.pop_all())
        return connection


def moves(monkeypatch: pytest.MonkeyPatch, first: Callable[[], None] = lambda: None) -> list[int]:
    """Sizes of what is moved between two VACUUMs, as it goes on; ``first``: before each."""
    move, found = reclaiming._move, list[int]()

    def moved(*arguments: Any) -> int | None:
        first()
        found.append(arguments[-1])
        return move(*arguments)

    monkeypatch.setattr(reclaiming, "_move", moved)
    return found


def test_after_merges_the_table_becomes_as_small_as_its_blocks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(database)
    before, times = seen(database)
    assert times > 1.8
    database.reclaim()
    after, times = seen(database)
    assert after == before
    assert times < 1.35
    moved = moves(monkeypatch)
    database.reclaim()
    assert moved == []


def test_whatever_lies_where(database: Database) -> None:
    """Where what was written first lies behind, it is moved too; at the worst all is."""
    with database.begin() as connection:
        rows = "SELECT (4000 - n) % 4000, repeat(md5(CAST(n AS text)), n % 150)"
        connection.execute(
            text(
                "INSERT INTO posting_block (id, data)"
                f" SELECT id, convert_to(data, 'UTF8') FROM ({rows} FROM generate_series(1, 4000)"
                " AS n) AS rows (id, data)"
            )
        )
        connection.execute(text("DELETE FROM posting_block WHERE id % 3 > 0 AND id < 3900"))
    before, times = seen(database)
    assert times > 2.5
    database.reclaim()
    after, times = seen(database)
    assert after == before
    assert times < 1.4


@pytest.mark.parametrize("begins", ["before the merges", "after them", "while blocks move"])
def test_a_reader_keeps_its_snapshot_and_is_not_waited_for(
    database: Database, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = list[tuple[Connection, Any]]()
    with ExitStack() as stack:

        def read() -> None:
            connection = until(lambda: snapshot(database, stack))
            snapshots.append((connection, content(connection)))

        grow(database, 0, 4)
        if begins == "before the merges":
            read()
        grow(database, 4, SEGMENTS - 4)
        before, times = seen(database)
        if begins == "after them":
            read()
        moved = moves(monkeypatch, lambda: None if snapshots else read())
        database.reclaim()
        if begins == "before the merges":
            assert moved == []
        else:
            until(lambda: bool(moved) or database.reclaim())
            assert len(moved) == 1
        for connection, was in snapshots:
            assert content(connection) == was
        between, times_between = seen(database)
        assert between == before
        assert times_between < 1.02 * times
    database.reclaim()
    after, times = seen(database)
    assert after == before
    assert times < 1.35


def test_somebody_indexes_meanwhile(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(database)
    monkeypatch.setattr(reclaiming, "_PATIENCE_S", (0.0, 0.1, 0.1, 0.1))
    with Database.open(database.address.url.render_as_string(False)) as other:
        with ThreadPoolExecutor(1) as threads:
            indexing = threads.submit(grow, other, SEGMENTS, 6)
            while not indexing.done():
                database.reclaim()
            indexing.result()
        found, _ = seen(database)
        other.reclaim()
    after, times = seen(database)
    assert after == found
    assert times < 1.35
    with database.connect() as connection:
        assert postings.stats(connection).landmarks == (SEGMENTS + 6) * LANDMARKS


KILLED = """
import os, signal, sys
from fingerprinter.store.engine.engine import reclaiming
from fingerprinter.store.engine.database import Database
move = reclaiming._MOVE
reclaiming._PORTION = 1 << 16
with Database.open(sys.argv[1]) as database:
    from sqlalchemy import event
    moved = []
    def count(connection, clause, *rest):
        if clause is move:
            moved.append(clause)
            if len(moved) == 12:
                os.kill(os.getpid(), signal.SIGKILL)
    event.listen(database.engine, "after_execute", count)
    database.reclaim()
"""


def test_a_kill_while_blocks_move_leaves_all_of_them(database: Database) -> None:
    grow(database)
    before, _ = seen(database)
    url = database.address.url.render_as_string(hide_password=False)
    assert run(KILLED, url) == [(-signal.SIGKILL, b"")]
    assert seen(database)[0] == before
    database.reclaim()
    after, times = seen(database)
    assert after == before
    assert times < 1.35


def test_a_tail_that_vacuum_may_not_cut_is_not_worth_more_moves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where others hold locks on the table for longer than VACUUM tries."""
    grow(database)
    for value in ("off", "on"):
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE posting_block SET (vacuum_truncate = {value})"))
        moved = moves(monkeypatch)
        before, _ = seen(database)
        database.reclaim()
        after, times = seen(database)
        assert after == before
        assert (len(moved) <= 2) == (value == "off")
    assert times < 1.35


def test_only_the_owner_of_the_table_reclaims(
    database: Database, postgresql_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(database, 0, 4)
    moved = moves(monkeypatch)
    rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO helper"
    postgresql_server.execute(f"CREATE ROLE helper LOGIN; {rights}", "library")
    try:
        with Database.open(postgresql_server.url("library", "helper")) as other:
            with other.begin() as connection:
                library_metadata.bump_revision(connection)
            other.reclaim()
    finally:
        postgresql_server.execute("DROP OWNED BY helper; DROP ROLE helper", "library")
    with Database.open(postgresql_server.url("library"), read_only=True) as reader:
        reader.reclaim()
    assert moved == []
