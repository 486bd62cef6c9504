"""An open library database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine

from fingerprinter.errors import ConnectionLostError, LibraryError
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.db_errors import translate_db_errors
from fingerprinter.store.engine.engine import Access, free_pages, open_engine, reading, writing
from fingerprinter.store.engine.reclaiming import compact

RETRY_AFTER_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # half a minute: a server restarts in less

T = TypeVar("T")


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
        with translate_db_errors(address):
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
        with translate_db_errors(self.address), writing(self.engine) as connection:
            yield connection

    def change(self, work: Callable[[Connection], T]) -> T:
        """What some work returns that is done in one write transaction, again if need be.

        work: finds out from the database what is still to be done: where the connection is
        lost at the last moment, it may be done already. Raises `ConnectionLostError` where
        the server stays away, and what `begin` raises.
        """
        for pause_s in RETRY_AFTER_S:
            try:
                return self._changed(work)
            except ConnectionLostError:
                time.sleep(pause_s)
        return self._changed(work)

    def _changed(self, work: Callable[[Connection], T]) -> T:
        with self.begin() as connection:
            return work(connection)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One snapshot to read from, unmoved by what is written meanwhile; it cannot write.

        Raises `LibraryError` where the database fails.
        """
        with translate_db_errors(self.address), reading(self.engine) as connection:
            yield connection

    def reclaim(self) -> None:
        """Gives the space of what was dropped back to the disk, as far as nobody is in the way."""
        give_back = free_pages if self.address.is_sqlite else compact
        if not self.read_only:
            with translate_db_errors(self.address):
                give_back(self.engine)

    def close(self) -> None:
        """Lets go of every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
