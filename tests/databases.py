"""Databases for tests: where they lie, and a library to write to and read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from waiting import until

from fingerprinter.library import Library
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import library_metadata, schema

DIALECTS = ["sqlite", "postgresql"]
# For what reads and writes landmarks: also PostgreSQL with the postings on three servers.
LIBRARIES = [*DIALECTS, "sharded"]

# A test's data need not survive a power cut. No test may depend on when the server vacuums.
SERVER_SETTINGS = ["fsync = off", "full_page_writes = off", "autovacuum = off"]


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


@contextmanager
def beside(library: Library) -> Iterator[Connection]:
    """A transaction of another session in the database of an open library."""
    with Database.open(library.stats().address) as database, database.begin() as connection:
        yield connection


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
