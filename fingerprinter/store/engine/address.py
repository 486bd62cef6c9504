"""The address of a library: a path or an SQLAlchemy URL, brought into one form."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from fingerprinter.errors import LibraryError

_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg2",
    "postgres": "postgresql+psycopg2",  # as Heroku and libpq write it
}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a library; as a string it never shows a password."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse a path of an SQLite file, or a URL.

        The URL chooses the database, and this program chooses the driver: ``postgres://``,
        ``postgresql://`` and ``postgresql+asyncpg://`` mean the same.

        Raises
        ------
        LibraryError
            If it is not a valid URL, or a URL of another database than SQLite or PostgreSQL.

        Examples
        --------
        >>> str(Address.parse("music.db")), str(Address.parse("postgres://me:pw@host/music"))
        ('music.db', 'postgresql://me:***@host/music')
        """
        if not text:
            raise LibraryError("the library's address is empty; name a file, e.g. --db music.db")
        if "\0" in text or ("://" in text and "%00" in text):
            raise LibraryError("the library's address holds a NUL character; leave it out")
        url = _parse_url(text) if "://" in text else URL.create("sqlite", database=text)
        dialect = url.get_backend_name()
        if dialect not in _DRIVERS:
            raise LibraryError(
                f"{dialect}: no such kind of library; "
                "use a file name, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
            )
        return cls(_expand_home(url.set(drivername=_DRIVERS[dialect])))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite database."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for PostgreSQL, a database in memory and an SQLite URI."""
        name = self.url.database
        if not self.is_sqlite or name in (None, "", ":memory:") or "uri" in self.url.query:
            return None
        return Path(str(name))

    def __str__(self) -> str:
        if self.is_sqlite:
            return self.url.database or ":memory:"
        place = {key: self.url.query[key] for key in ("host", "port") if key in self.url.query}
        return self.url.set(drivername="postgresql", query=place).render_as_string()


def _parse_url(text: str) -> URL:
    """Parse a URL. Errors do not show the text, because any part of it may be the password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    # A second @ may belong to the password. In the name of a file it is allowed.
    is_file = text.startswith("sqlite")
    if url is None or (text.count("@") > 1 and not is_file):
        raise LibraryError(
            "the library's address is not a URL; write characters such as / : @ % "
            "of the password as %2F %3A %40 %25"
        )
    return url


def _expand_home(url: URL) -> URL:
    """Replace ~ by the user's home; refuse ``sqlite://music.db``, which names a host."""
    if url.get_backend_name() != "sqlite":
        return url
    if url.host:
        raise LibraryError(
            f"sqlite://{url.host}: two slashes name a server; "
            f"write sqlite:///{url.host} with three, or just {url.host}"
        )
    if url.database and url.database.startswith("~/"):
        return url.set(database=os.path.expanduser(url.database))
    return url
