"""An open library database: transactions, retries, and space that is given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine

from fingerprinter.errors import ConnectionLostError, ReadOnlyError
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.db_errors import translate_db_errors
from fingerprinter.store.engine.engine import Access, free_pages, open_engine, reading, writing
from fingerprinter.store.engine.reclaiming import compact

RETRY_AFTER_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # 30 s in all; a server restarts in less

T = TypeVar("T")


class Database:
    """The database of a library, at this version's schema. Threads may share it."""

    def __init__(self, address: Address, engine: Engine, *, read_only: bool) -> None:
        self.address = address
        self.engine = engine
        self.read_only = read_only

    @classmethod
    def open(cls, url: str, *, create: bool = False, read_only: bool = False) -> Self:
        """Open the database at a path or URL.

        Parameters
        ----------
        create
            Create the library if there is none.
        read_only
            Never write or create anything. This works on a read-only medium too.

        Raises
        ------
        LibraryError
            If there is no library, or it cannot be used.
        VersionError
            If its schema is older or newer than this version's.
        """
        address = Address.parse(url)
        access = Access.READ if read_only else Access.CREATE if create else Access.WRITE
        with translate_db_errors(address):
            engine = open_engine(address, access)
            try:
                migration.require_head(address, engine, create=access is Access.CREATE)
            except BaseException:
                engine.dispose()
                raise
        return cls(address, engine, read_only=read_only)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Run a block as one write transaction: it commits, or an exception undoes all of it.

        Writers of one library wait for each other here.

        Raises
        ------
        LibraryError
            If the database fails or was opened for reading only.
        """
        if self.read_only:
            message = f"{self.address}: opened for reading only; make it writable and open it again"
            raise ReadOnlyError(message)
        with translate_db_errors(self.address), writing(self.engine) as connection:
            yield connection

    def change(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one write transaction, again if the connection is lost.

        Parameters
        ----------
        work
            Must find out from the database what is left to do. If the connection is lost during
            the commit, the work may be done already when it is called again.

        Returns
        -------
        T
            What the work returns.

        Raises
        ------
        ConnectionLostError
            If the server does not come back within half a minute.
        LibraryError
            If the database fails otherwise.
        """
        pauses_s = iter(RETRY_AFTER_S)
        while True:
            try:
                with self.begin() as connection:
                    return work(connection)
            except ConnectionLostError:
                pause_s = next(pauses_s, None)
                if pause_s is None:
                    raise
                time.sleep(pause_s)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give one snapshot to read from. What others write meanwhile does not change it.

        Raises
        ------
        LibraryError
            If the database fails.
        """
        with translate_db_errors(self.address), reading(self.engine) as connection:
            yield connection

    def reclaim(self) -> None:
        """Return the space of deleted data to the disk, as far as no other session prevents it."""
        give_back = free_pages if self.address.is_sqlite else compact
        if not self.read_only:
            with translate_db_errors(self.address):
                give_back(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
