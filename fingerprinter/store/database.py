"""An open library database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from fingerprinter.errors import LibraryError
from fingerprinter.store import migration
from fingerprinter.store.address import Address
from fingerprinter.store.engine import Access, free_pages, open_engine, reading, writing
from fingerprinter.store.failures import reported


class Database:
    """A library's database, at the schema of this version; safe to share among threads."""

    def __init__(self, address: Address, engine: Engine, *, read_only: bool) -> None:
        self.address = address
        self.engine = engine
        self.read_only = read_only

    @classmethod
    def open(cls, url: str, *, create: bool = False, read_only: bool = False) -> Self:
        """The database at a path or URL.

        create: make the library where none is
        read_only: never write (nor create), and work on a read-only medium too

        Raises `LibraryError` where there is none or it cannot be used, and
        `VersionError` where its schema is older or newer than this version's.
        """
        address = Address.parse(url)
        access = Access.READ if read_only else Access.CREATE if create else Access.WRITE
        with reported(address):
            database = cls(address, open_engine(address, access), read_only=read_only)
            try:
                database._settle(create=access is Access.CREATE)
            except BaseException:
                database.close()
                raise
        return database

    def _settle(self, *, create: bool) -> None:
        """Makes the library if asked to, and sees to it that its schema is this version's."""
        found = self.schema_version()
        if create and found is None:
            migration.upgrade_engine(self.address, self.engine)
            found = self.schema_version()
        migration.require_head(self.address, found)

    def schema_version(self) -> str | None:
        """The revision of the schema; None where there is none."""
        with self.connect() as connection:
            return migration.revision(connection)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction: committed as a whole, or undone by an exception.

        Writers of one library wait for each other here. Raises `LibraryError`
        where the database fails.
        """
        if self.read_only:
            raise LibraryError(f"{self.address}: opened for reading only; open it for writing")
        with reported(self.address), writing(self.engine) as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One snapshot to read from, unmoved by what is written meanwhile; it cannot write.

        Raises `LibraryError` where the database fails.
        """
        with reported(self.address), reading(self.engine) as connection:
            yield connection

    def reclaim(self) -> None:
        """Gives the space of what was dropped back to the disk; PostgreSQL does so by itself."""
        if self.address.is_sqlite:
            with reported(self.address):
                free_pages(self.engine)

    def close(self) -> None:
        """Lets go of every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
