"""Transactions, snapshots, concurrency and creation."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import Store
from sqlalchemy import Connection, text

from fingerprinter.errors import LibraryError
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.database import Database
from fingerprinter.store.maintain import sizes
from fingerprinter.store.tables import (
    constellations,
    feature_rows,
    library_metadata,
    schema,
    tracks,
)
from fingerprinter.types import Tags

ROOT = Path(__file__).parents[2]


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


def count(store: Store) -> int:
    with store.read() as connection:
        return tracks.counts(connection).tracks


def run(script: str, url: str, copies: int = 1) -> list[tuple[int, bytes]]:
    """(exit status, output) of Python processes; `sys.stdin.read()` lets them go together."""
    command = [sys.executable, "-c", script, url]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe))
            for _ in range(copies)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        outputs = [process.stdout.read() for process in processes if process.stdout]
    return [
        (process.returncode, output) for process, output in zip(processes, outputs, strict=True)
    ]


def test_an_exception_leaves_nothing(store: Store) -> None:
    with store.write() as connection:
        add(connection, "before")
    with pytest.raises(RuntimeError, match="in the middle"), store.write() as connection:
        feature_rows.put(connection, schema.constellation, add(connection, "within"), data=b"peaks")
        library_metadata.bump_revision(connection)
        raise RuntimeError("in the middle")
    with store.read() as connection:
        assert [track.content_id for track in tracks.iterate(connection)] == ["before"]
        assert list(constellations.iterate(connection)) == []
        assert library_metadata.revision(connection) == 0


KILLED = """
import os, signal, sys
from fingerprinter.store.tables import library_metadata
from fingerprinter.store.engine.database import Database
with Database.open(sys.argv[1]) as database:
    with database.begin() as connection:
        library_metadata.put(connection, "first", "committed")
    with database.begin() as connection:
        library_metadata.put(connection, "second", "lost")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("store_state", ["fresh"])  # other processes read what these write
def test_a_kill_loses_the_transaction_in_flight_alone(store: Store) -> None:
    assert run(KILLED, store.url) == [(-signal.SIGKILL, b"")]
    with store.read() as connection:
        assert library_metadata.get(connection, "first") == "committed"
        assert library_metadata.get(connection, "second") is None
    with store.write() as connection:  # the dead hold no lock
        add(connection, "after")


COUNTING = """
import sys
from fingerprinter.store.tables import library_metadata
from fingerprinter.store.engine.database import Database
sys.stdin.read()
with Database.open(sys.argv[1]) as database:
    for _ in range(40):
        with database.begin() as connection:
            library_metadata.bump_revision(connection)
"""


@pytest.mark.parametrize("store_state", ["fresh"])
def test_writing_processes_lose_nothing(store: Store) -> None:
    assert run(COUNTING, store.url, copies=3) == [(0, b"")] * 3
    with store.read() as connection:
        assert library_metadata.revision(connection) == 3 * 40


def test_writing_threads_lose_nothing(store: Store) -> None:
    def write(name: int) -> None:
        for n in range(10):
            with store.database.begin() as connection:
                add(connection, f"{name}-{n}")
                library_metadata.bump_revision(connection)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    with store.read() as connection:
        assert library_metadata.revision(connection) == tracks.counts(connection).tracks == 80


def test_a_reader_sees_what_is_committed_and_keeps_its_snapshot(store: Store) -> None:
    with store.write() as writer:
        add(writer, "one")
        with store.database.connect() as reader:
            assert tracks.counts(reader).tracks == 0
    with store.database.connect() as reader:
        assert tracks.counts(reader).tracks == 1
        with store.write() as writer:
            add(writer, "two")
        assert tracks.counts(reader).tracks == 1
    assert count(store) == 2


def test_a_reader_cannot_write(store: Store) -> None:
    for _ in range(2):  # and leaves no trace in the pool
        with pytest.raises(LibraryError, match="only be read"), store.read() as connection:
            add(connection, "one")
        with store.write() as connection:
            library_metadata.bump_revision(connection)
    assert count(store) == 0


def test_opened_for_reading(store: Store) -> None:
    with store.write() as connection:
        add(connection, "one")
    with Database.open(store.url, read_only=True) as database:
        with database.connect() as connection:
            assert tracks.counts(connection).tracks == 1
        with pytest.raises(LibraryError, match="opened for reading"), database.begin():
            pass


def test_an_unfinished_read_of_a_portion_leaves_the_database_usable(store: Store) -> None:
    with store.write() as connection:
        for n in range(3):
            add(connection, f"c{n}")
    with store.read() as connection:
        assert next(iter(tracks.iterate(connection))).content_id == "c0"
    with store.write() as connection:
        add(connection, "c3")
    assert count(store) == 4


def test_creating_makes_an_empty_library_once(database_url: str) -> None:
    identities = []
    for _ in range(2):
        with Database.open(database_url, create=True) as database, database.connect() as connection:
            assert tracks.counts(connection) == tracks.Counts(0, 0, 0.0, 0)
            identities.append(library_metadata.get(connection, library_metadata.LIBRARY_ID))
    assert identities[0] == identities[1]
    assert identities[0] is not None


CREATING = """
import sys
from fingerprinter.store.tables import library_metadata
from fingerprinter.store.engine.database import Database
sys.stdin.read()
with Database.open(sys.argv[1], create=True) as database, database.begin() as connection:
    library_metadata.bump_revision(connection)
    print(library_metadata.get(connection, library_metadata.LIBRARY_ID))
"""


def test_processes_that_create_at_once_all_succeed(database_url: str) -> None:
    answers = run(CREATING, database_url, copies=3)
    assert [status for status, _ in answers] == [0] * 3
    assert len({output for _, output in answers}) == 1
    with Database.open(database_url) as database, database.connect() as connection:
        assert library_metadata.revision(connection) == 3


def test_creating_waits_for_who_else_writes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.1, other.rollback).start()
        Database.open(str(path), create=True).close()


CREATION_KILLED = """
import os, signal, sys
from fingerprinter.store.tables import library_metadata
from fingerprinter.store.engine.database import Database
library_metadata.initialize = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
Database.open(sys.argv[1], create=True)
"""


def test_a_killed_creation_is_done_again(database_url: str) -> None:
    assert run(CREATION_KILLED, database_url) == [(-signal.SIGKILL, b"")]
    assert migration.current(database_url) is None
    with pytest.raises(LibraryError, match="holds no library"):
        Database.open(database_url)
    with Database.open(database_url, create=True) as database, database.connect() as connection:
        assert library_metadata.get(connection, library_metadata.LIBRARY_ID)


IMPORTS = """
import sys
from fingerprinter.store.tables import constellations, files, library_metadata, tracks, vectors
from fingerprinter.store.engine.database import Database
with Database.open(sys.argv[1], read_only=True) as database, database.connect() as connection:
    tracks.counts(connection)
print([name for name in ("alembic", "mako", "psycopg2", "sqlalchemy.orm") if name in sys.modules])
"""


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_reading_loads_no_more_than_it_needs(library_url: str) -> None:
    assert run(IMPORTS, library_url) == [(0, b"[]\n")]


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_closed_library_is_one_file(database_url: str, tmp_path: Path) -> None:
    for options in ({"create": True}, {}, {"read_only": True}):
        with Database.open(database_url, **options) as database, database.connect() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA page_size")) == 16384
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert tracks.counts(connection).tracks == 0
        assert [path.name for path in tmp_path.iterdir()] == ["library.db"]


def test_a_library_in_memory() -> None:
    with Database.open("sqlite://", create=True) as database:
        with database.begin() as connection:
            track_id = add(connection, "one")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: _add_alone(database, f"t{n}"), range(20)))
        with database.connect() as connection:
            assert tracks.get(connection, track_id).content_id == "one"
            assert tracks.counts(connection).tracks == 21


def _add_alone(database: Database, content_id: str) -> None:
    with database.begin() as connection:
        add(connection, content_id)


def test_what_was_dropped_is_given_back_to_the_disk(library_url: str) -> None:
    blob = bytes(100_000)
    with Database.open(library_url) as database:
        with database.begin() as connection:
            statement = text("INSERT INTO posting_block (id, data) VALUES (:id, :data)")
            connection.execute(statement, [{"id": id_, "data": blob} for id_ in range(50)])
        with database.begin() as connection:
            connection.execute(text("DELETE FROM posting_block WHERE id < 49"))
        database.reclaim()
        with database.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM posting_block")) == 1
            assert sizes.size(connection).total < 15 * len(blob)
