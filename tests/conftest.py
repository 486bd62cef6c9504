"""Options and fixtures of all tests. Classes and constants to import lie in `databases.py`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from databases import DIALECTS, SERVER_SETTINGS, PostgresServer, Store
from postgres_servers import LocalServer, postgres_servers, programs, server_from_pip

from fingerprinter.store.engine.database import Database
from fingerprinter.store.servers.sharding import shard_postings

# No test reads the configuration file of whoever runs it.
os.environ["FINGERPRINTER_CONFIG"] = os.devnull
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # some tests import onnxruntime themselves

# They use locks, signals and terminals of POSIX.
collect_ignore = ["e2e", "stress"] if os.name == "nt" else []

# Tests ask whether, not how fast: no test fails because the computer is busy. Examples are drawn
# at random with --stress only: otherwise the same tests fail each time.
hypothesis.settings.register_profile("ordinary", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("stress", deadline=None, max_examples=200)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that choose how much is tested."""
    parser.addoption("--stress", action="store_true", help="run the tests that take minutes too")
    parser.addoption(
        "--quick",
        action="store_true",
        help="leave out the tests marked `slow`, and those that need a PostgreSQL server",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Chooses how many examples a property is tried with, before tests are imported."""
    hypothesis.settings.load_profile("stress" if config.getoption("--stress") else "ordinary")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what the options leave out."""
    chosen = [item for item in items if _is_chosen(item, config)]
    config.hook.pytest_deselected(items=[item for item in items if not _is_chosen(item, config)])
    items[:] = chosen


def _is_chosen(item: pytest.Item, config: pytest.Config) -> bool:
    if config.getoption("--stress"):
        return True
    on_servers = _needs_postgresql(item)
    if item.get_closest_marker("stress") or (on_servers and "reopened" in _parameters(item)):
        return False
    return not (config.getoption("--quick") and (on_servers or item.get_closest_marker("slow")))


def _needs_postgresql(item: pytest.Item) -> bool:
    servers = {"postgresql_server", "sharded_server", "three_servers"}
    named = servers & set(getattr(item, "fixturenames", ()))
    return bool(named or {"postgresql", "sharded"} & _parameters(item))


def _parameters(item: pytest.Item) -> set[str]:
    return set(item.name.rstrip("]").replace("[", "-").split("-"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    with server_from_pip() as handle:
        server = PostgresServer(Path(handle.pgdata), handle.get_uri())
        for setting in SERVER_SETTINGS:
            server.execute(f"ALTER SYSTEM SET {setting}")
        server.reload()
        for name in ("empty", "library"):
            server.execute(f"CREATE DATABASE {name}")
        Database.open(server.url("library"), create=True).close()
        yield server


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
    """Whether what was written is read at once, or after closing and opening again.

    Opening again is tried on SQLite, whose file this process writes; on servers with --stress only.
    """
    return str(request.param)


@pytest.fixture
def store(library_url: str, store_state: str) -> Iterator[Store]:
    """A new, empty library that is open; read it with ``store.read()``."""
    store = Store(library_url, store_state)
    yield store
    store.database.close()
