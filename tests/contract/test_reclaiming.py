"""The space of merged segments in PostgreSQL returns to the disk while others read and write."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from databases import PostgresServer
from sqlalchemy import Connection, text
from test_database import run

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.store.engine import reclaiming
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.tables import library_metadata
from fingerprinter.types import Landmarks

SEGMENTS = 9
LANDMARKS = 80_000  # of a segment
# 8 MB of rows. PostgreSQL 16 and later extend a table by 0.5 MB at a time. In a smaller table these
# empty pages alone would be the end of the table, from which blocks are to be moved.
FILL = (
    "INSERT INTO posting_block (id, data)"
    " SELECT n, convert_to(repeat('x', 450), 'UTF8') FROM generate_series(1, 16000) AS n"
)


@pytest.fixture
def dialect() -> str:
    return "postgresql"


@pytest.fixture
def database(library_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A library whose small segments are soon merged: `grow` leaves half of its table empty.

    The test's server never vacuums by itself. Later segments would fill the space that it frees.
    """
    monkeypatch.setattr(postings, "LEVEL_0_LANDMARKS", LANDMARKS)
    monkeypatch.setattr(reclaiming, "TRANSACTION_BYTES", 1 << 16)
    monkeypatch.setattr(reclaiming, "READER_WAITS_S", (0.0,))
    with Database.open(library_url) as database:
        yield database


def grow(database: Database, first: int = 0, segments: int = SEGMENTS) -> None:
    """Adds segments as `index` does, each merged with those that are due."""
    for number in range(first, first + segments):
        with database.begin() as connection:
            track = number + 1, 50_000, landmarks(number)
            postings.add_segment(connection, DEFAULT, [track])
        while database.change(lambda connection: postings.merge_due(connection, DEFAULT)):
            pass


def landmarks(seed: int) -> Landmarks:
    """Some hashes are far more common than others, so blocks have all sizes."""
    rng = np.random.default_rng(seed)
    hashes = (rng.random(LANDMARKS) ** 3 * (1 << hash_bits(DEFAULT))).astype(np.uint32)
    return Landmarks(hashes, rng.integers(0, 50_000, LANDMARKS).astype(np.int32))


def content(connection: Connection) -> Any:
    """A digest of all blocks."""
    digest = "SELECT md5(string_agg(id || md5(data), '' ORDER BY id)) FROM posting_block"
    return connection.scalar(text(digest))


def measure(database: Database) -> tuple[Any, float]:
    """A digest of all blocks, and the size of their table relative to their rows."""
    with database.connect() as connection:
        sizes = "SELECT pg_table_size('posting_block'), count(*) FROM posting_block"
        size, rows = connection.execute(text(sizes)).one()
        living = postings.stats(connection).bytes + rows * reclaiming.ROW_BYTES
        return content(connection), size / living


def moves(monkeypatch: pytest.MonkeyPatch, first: Callable[[], None] = lambda: None) -> list[int]:
    """The bytes to move of each later round, in a list that grows; ``first`` runs before each."""
    move, found = reclaiming.move_newest_blocks, list[int]()

    def moved(*arguments: Any) -> int | None:
        first()
        found.append(arguments[-1])
        return move(*arguments)

    monkeypatch.setattr(reclaiming, "move_newest_blocks", moved)
    return found


def test_after_merges_the_table_becomes_as_small_as_its_blocks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(database)
    before, times = measure(database)
    assert times > 1.8
    database.reclaim()
    after, times = measure(database)
    assert after == before
    assert times < 1.35
    moved = moves(monkeypatch)
    database.reclaim()
    assert moved == []


def test_blocks_in_any_order_are_moved(database: Database) -> None:
    """The oldest blocks are moved too if they lie at the end of the table."""
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
    before, times = measure(database)
    assert times > 2.5
    database.reclaim()
    after, times = measure(database)
    assert after == before
    assert times < 1.4


@pytest.mark.parametrize("begins", ["before the merges", "after them", "while blocks move"])
def test_a_reader_keeps_its_snapshot_and_is_not_waited_for(
    database: Database, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = list[tuple[Connection, Any]]()
    with database.begin() as connection:
        connection.execute(text(FILL))
        connection.execute(text("DELETE FROM posting_block"))
    with ExitStack() as stack:

        def read() -> None:
            connection = stack.enter_context(database.connect())
            snapshots.append((connection, content(connection)))

        grow(database, 0, 4)
        if begins == "before the merges":
            read()
        grow(database, 4, SEGMENTS - 4)
        before, times = measure(database)
        if begins == "after them":
            read()
        moved = moves(monkeypatch, lambda: None if snapshots else read())
        database.reclaim()
        assert len(moved) == (0 if begins == "before the merges" else 1)
        for connection, was in snapshots:
            assert content(connection) == was
        between, times_between = measure(database)
        assert between == before
        assert times_between < 1.02 * times
    database.reclaim()
    after, times = measure(database)
    assert after == before
    assert times < 1.35


def test_another_process_may_index_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(database)
    monkeypatch.setattr(reclaiming, "READER_WAITS_S", (0.0, 0.1, 0.1, 0.1))
    with Database.open(database.address.url.render_as_string(False)) as other:
        with ThreadPoolExecutor(1) as threads:
            indexing = threads.submit(grow, other, SEGMENTS, 6)
            while not indexing.done():
                database.reclaim()
            indexing.result()
        found, _ = measure(database)
        other.reclaim()
    after, times = measure(database)
    assert after == found
    assert times < 1.35
    with database.connect() as connection:
        assert postings.stats(connection).landmarks == (SEGMENTS + 6) * LANDMARKS


KILLED = """
import os, signal, sys
from fingerprinter.store.engine import reclaiming
from fingerprinter.store.engine.database import Database
reclaiming.TRANSACTION_BYTES = 1 << 16
with Database.open(sys.argv[1]) as database:
    from sqlalchemy import event
    moved = []
    def count(connection, clause, *rest):
        if "DELETE FROM posting_block" in str(clause):
            moved.append(clause)
            if len(moved) == 12:
                os.kill(os.getpid(), signal.SIGKILL)
    event.listen(database.engine, "after_execute", count)
    database.reclaim()
"""


def test_a_kill_while_blocks_move_leaves_all_of_them(database: Database) -> None:
    grow(database)
    before, _ = measure(database)
    url = database.address.url.render_as_string(hide_password=False)
    assert run(KILLED, url) == [(-signal.SIGKILL, b"")]
    assert measure(database)[0] == before
    database.reclaim()
    after, times = measure(database)
    assert after == before
    assert times < 1.35


def test_a_tail_that_vacuum_may_not_cut_is_not_worth_more_moves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens where others hold locks on the table for longer than VACUUM tries."""
    grow(database)
    for value in ("off", "on"):
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE posting_block SET (vacuum_truncate = {value})"))
        moved = moves(monkeypatch)
        before, _ = measure(database)
        database.reclaim()
        after, times = measure(database)
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
