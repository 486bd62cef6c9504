"""Postings on three PostgreSQL servers: the moves, what travels, and servers that go away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from databases import PostgresServer
from postgres_servers import LocalServer
from sqlalchemy import Connection, event, text
from test_postings import Entry, add, delete_tracks, entries, lookup, merge_all, tracks

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import lookup as lookups
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.index.postings import PREFIX_SHIFT
from fingerprinter.store.maintain import checks
from fingerprinter.store.servers.sharding import shard_postings
from fingerprinter.store.tables import shards

ADDED = tracks(range(1, 9))


@pytest.fixture
def library(sharded_server: PostgresServer) -> Iterator[Database]:
    """A library with some tracks, whose postings lie on three servers."""
    with Database.open(sharded_server.url(sharded_server.empty_library())) as database:
        with database.begin() as connection:
            add(connection, ADDED[:3], ADDED[3:6], ADDED[6:])
        yield database


@pytest.fixture
def plain(sharded_server: PostgresServer) -> Iterator[Database]:
    """A library with some tracks on the first of the servers, not sharded yet."""
    sharded_server.execute("CREATE DATABASE plain")
    with Database.open(sharded_server.url("plain"), create=True) as database:
        with database.begin() as connection:
            add(connection, ADDED)
        yield database
    sharded_server.disconnect("plain")
    sharded_server.execute("DROP DATABASE plain")


def urls(servers: list[LocalServer]) -> list[str]:
    return [server.url("shard") for server in servers]


def found(database: Database) -> list[Entry]:
    with database.connect() as connection:
        return lookup(connection)


def schemas(server: LocalServer) -> list[str]:
    """The schemas of libraries in the database of shards on a server."""
    with closing(psycopg2.connect(server.url("shard"))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'fingerprinter %'")
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def stopped(server: LocalServer, mode: str = "fast") -> Iterator[None]:
    """Stops a server while the block runs."""
    server.stop(mode)
    try:
        yield
    finally:
        server.start()


# --- moves ----------------------------------------------------------------------------


def test_postings_move_to_three_servers_to_two_and_back(
    plain: Database, three_servers: list[LocalServer]
) -> None:
    before = [schemas(server) for server in three_servers]
    for servers in (three_servers, three_servers[1:], []):
        assert shard_postings(plain, urls(servers)) == []
        assert found(plain) == entries(ADDED)
        with plain.connect() as connection:
            places = [server.url("shard").split("@")[1] for server in servers]
            assert [s.server for s in shards.list_shards(connection)] == places
        with plain.begin() as connection:  # it can be written to wherever it lies
            add(connection, tracks([50]))
            assert found(plain) == entries(ADDED)
            connection.rollback()
    assert [schemas(server) for server in three_servers] == before


def test_postings_come_back_unchanged(plain: Database, three_servers: list[LocalServer]) -> None:
    shape = text(
        "SELECT attname, atttypid::regtype::text, attnotnull, attstorage::text,"
        " indexrelid::regclass::text FROM pg_attribute"
        " LEFT JOIN pg_index ON indrelid = attrelid AND attnum = ANY(indkey)"
        " WHERE attrelid = 'posting_block'::regclass AND attnum > 0 ORDER BY attnum"
    )
    with plain.connect() as connection:
        before = connection.execute(shape).all()
    shard_postings(plain, urls(three_servers[:1]))
    shard_postings(plain, [])
    with plain.connect() as connection:
        assert connection.execute(shape).all() == before


def test_a_move_that_fails_changes_nothing(
    plain: Database, three_servers: list[LocalServer]
) -> None:
    before = schemas(three_servers[0])
    nowhere = f"postgresql://postgres@localhost:{three_servers[2].port}/nowhere"
    with pytest.raises(LibraryError, match=r'"nowhere" does not exist; make it with `createdb`'):
        shard_postings(plain, [three_servers[0].url("shard"), nowhere])
    assert schemas(three_servers[0]) == before
    with plain.connect() as connection:
        assert not shards.is_sharded(connection)
    assert found(plain) == entries(ADDED)


def test_only_postgresql_can_be_sharded(plain: Database) -> None:
    with pytest.raises(UsageError, match=r"music.db: not a PostgreSQL server; write postgresql://"):
        shard_postings(plain, ["music.db"])
    with (
        Database.open("sqlite://", create=True) as database,
        pytest.raises(UsageError, match="this is an SQLite library; `db shard` works only with Po"),
    ):
        shard_postings(database, ["postgresql://me@host/shard"])


def test_a_server_without_postgres_fdw(
    postgresql_server: PostgresServer, three_servers: list[LocalServer]
) -> None:
    with (
        Database.open(postgresql_server.url(postgresql_server.empty_library())) as database,
        pytest.raises(LibraryError, match="without postgres_fdw; install its contrib package"),
    ):
        shard_postings(database, urls(three_servers))


# --- what travels ---------------------------------------------------------------------


def explained(connection: Connection, statement: str) -> str:
    explain = "EXPLAIN (ANALYZE, VERBOSE, COSTS off, TIMING off)"
    return "\n".join(row[0] for row in connection.execute(text(f"{explain} {statement}")))


def test_each_server_gets_the_ids_and_sends_what_it_has(library: Database) -> None:
    with library.begin() as connection:
        add(connection, tracks(range(100, 180)))
        # in order: as the servers send them, every second id may be one server's
        every = text("SELECT id FROM posting_block ORDER BY id")
        ids = list(connection.scalars(every))
        asked = str(lookups._SELECT_BLOCKS["postgresql"]).replace(":ids", f"'{ids[::2]}'", 1)
        plan = explained(connection, asked)
    remote = r"Remote SQL: SELECT id, data FROM .* WHERE \(\(id = ANY \(\$1::bigint\[\]\)\)\)$"
    assert len(re.findall(remote, plan, re.MULTILINE)) == 3
    rows = [int(n) for n in re.findall(r"Async Foreign Scan .*rows=(\d+) loops=1", plan)]
    assert len(rows) == 3
    assert sum(rows) == len(ids[::2])
    assert all(rows)


def test_each_server_counts_its_own_blocks(library: Database) -> None:
    with library.connect() as connection:
        counted = shards.list_shards(connection)
        blocks, size = connection.execute(
            text("SELECT count(*), sum(length(data)) FROM posting_block")
        ).one()
        assert sum(shard.blocks for shard in counted) == blocks
        assert sum(shard.bytes for shard in counted) == postings.stats(connection).bytes == size
        part = connection.execute(shards._PARTS).first()
        assert part is not None
        plan = explained(connection, f"SELECT sum(length(data)) FROM {part.part}")
    assert "Remote SQL: SELECT sum(length(data))" in plan


def test_verify_asks_for_ranges_of_blocks(
    library: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit would not be known to the servers: they would send all that follows."""
    with library.begin() as connection:
        add(connection, tracks(range(100, 180)))
    monkeypatch.setattr(checks, "BLOCKS_PER_READ", 16)
    asked: list[str] = []
    event.listen(
        library.engine,
        "before_cursor_execute",
        lambda *given: asked.append(given[2]) if "posting_block" in given[2] else None,
    )
    with library.connect() as connection:
        last = postings.newest_segment(connection)
        found = checks.check_segment(connection, last)
        counting = text("SELECT count(*) FROM posting_block WHERE id >> 24 = :last")
        assert (found.problem, found.blocks) == (None, connection.scalar(counting, {"last": last}))
    assert len(asked) - 1 == -(-found.blocks // 16) > 1
    assert not any("LIMIT" in statement for statement in asked)


def test_a_segment_is_dropped_without_its_blocks_travelling(library: Database) -> None:
    with library.begin() as connection:
        plan = explained(connection, f"DELETE FROM posting_block WHERE id < {2 << PREFIX_SHIFT}")
        connection.rollback()
    assert len(re.findall(r"Remote SQL: DELETE FROM", plan)) == 3


# --- what is dropped, what a crash leaves ---------------------------------------------


def test_blocks_of_merged_segments_stay_for_readers_that_are_late(
    library: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = text("SELECT count(DISTINCT id >> 24) FROM posting_block")
    with library.connect() as late:
        index = PostingIndex(late, DEFAULT)  # has not asked the other servers yet
        with library.begin() as connection:
            assert merge_all(connection) == 1
        assert lookup(late, index) == entries(ADDED)
    with library.begin() as connection:
        assert len(shards.waiting_segments(connection)) == 3
        assert connection.scalar(count) == 4
        past = dict.fromkeys(shards.waiting_segments(connection), 0.0)
        monkeypatch.setattr(shards, "waiting_segments", lambda _: past)
        assert merge_all(connection) == 0
        monkeypatch.undo()
        assert shards.waiting_segments(connection) == {}
        assert connection.scalar(count) == 1
    assert found(library) == entries(ADDED)


def test_blocks_that_a_crash_left_do_no_harm(library: Database) -> None:
    """A server has committed, the library has not, and its server forgot the number it gave."""
    with library.begin() as connection:
        last = postings.newest_segment(connection)
        for prefix in range(4):
            connection.execute(
                text("INSERT INTO posting_block VALUES (:id, 'litter')"),
                {"id": last + 1 << PREFIX_SHIFT | prefix},
            )
        connection.execute(text("SELECT setval('segment_id_seq', :last)"), {"last": last})
    assert found(library) == entries(ADDED)
    more = tracks([30])
    with library.begin() as connection:
        add(connection, more)
        assert postings.newest_segment(connection) == last + 1
    assert found(library) == entries([*ADDED, *more])


# --- servers that go away -------------------------------------------------------------


def test_a_stopped_server_is_named(library: Database, three_servers: list[LocalServer]) -> None:
    server = three_servers[2]
    place = f"the postings on localhost:{server.port}/shard: Connection refused"
    message = re.escape(f"{place}; is the server running, and are host and port right?")
    assert found(library) == entries(ADDED)
    with stopped(server):
        for _ in range(2):
            with pytest.raises(LibraryError, match=message) as caught:
                found(library)
            assert "\n" not in str(caught.value)
        with pytest.raises(LibraryError, match=message), library.begin() as connection:
            add(connection, tracks([40]))
    assert found(library) == entries(ADDED)
    with library.begin() as connection:
        add(connection, tracks([40]))
    assert found(library) == entries([*ADDED, *tracks([40])])


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_was_restarted_is_not_noticed(
    library: Database, three_servers: list[LocalServer], mode: str
) -> None:
    assert found(library) == entries(ADDED)
    with stopped(three_servers[2], mode):
        pass
    assert found(library) == entries(ADDED)


def test_a_server_that_goes_within_a_question(
    library: Database, three_servers: list[LocalServer]
) -> None:
    server = three_servers[2]
    lost = rf"the postings on localhost:{server.port}/shard: .*; try again \(nothing is lost\)"
    with (
        pytest.raises(LibraryError, match=lost) as caught,
        library.connect() as connection,
    ):
        lookup(connection)
        with stopped(server):
            lookup(connection)
    assert "\n" not in str(caught.value)
    assert found(library) == entries(ADDED)


def test_a_server_that_stops_before_the_commit(
    library: Database, three_servers: list[LocalServer]
) -> None:
    """The other servers may have committed: what they have is of no segment."""
    more = tracks([60, 61])
    with (
        pytest.raises(LibraryError, match=r"postings on one of the other servers: .*; try again"),
        library.begin() as connection,
    ):
        add(connection, more)
        delete_tracks(connection, [1, 2])
        assert merge_all(connection) == 1
        three_servers[2].stop()
    three_servers[2].start()
    assert found(library) == entries(ADDED)
    with library.begin() as connection:
        add(connection, more)
        assert merge_all(connection) == 1
    assert found(library) == entries([*ADDED, *more])
