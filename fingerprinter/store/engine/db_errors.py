"""What database drivers report, as one-line errors that name the next step.

Only what a user can meet and mend is translated: places, permissions, servers,
disks, locks, damage. Everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from fingerprinter.errors import ConnectionLostError, CorruptionError, LibraryError
from fingerprinter.store.engine.address import Address

_READ_ONLY = "it can only be read (permissions, or a read-only medium); make it writable or copy it"
_FULL = "the disk is full; free some space and run the command again: nothing is half written"
_DAMAGED = "the database is damaged; restore a copy, or index into a new library"

_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: "locked by another process; let it finish and try again",
    sqlite3.SQLITE_PROTOCOL: "locked by another process; let it finish and try again",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "not an SQLite database; name another file",
    sqlite3.SQLITE_IOERR: "the disk reported an error; check it, then run `fingerprinter verify`",
}

# By SQLSTATE, or its first two digits (PostgreSQL manual, appendix A).
_POSTGRESQL: Final = {
    "08": "the connection to the server was lost; try again",
    "25006": _READ_ONLY,
    "3F000": "make the schema, and grant the user USAGE and CREATE on it",
    "42501": "permission denied; grant the user CREATE on the schema and rights on its tables",
    "25P03": "another writer had to go on; run the command again",
    "53100": _FULL,
    "53200": "the server is out of memory; try again, or give it more",
    "53300": "the server has no connection free; close some, or raise max_connections",
    "55P03": "locked by another session; let it finish and try again",
    "57": "the server ended it; try again",
    "57014": "a statement took too long, or waited too long for another writer; try again, or give"
    " it more time in the address: ?options=-cstatement_timeout%3D30min",
    "58": "the server's disk reported an error; check it",
    "XX": _DAMAGED,
}

# The name that `store.servers.sharding` gives another server, with its host, port and database.
_REMOTE_NAME: Final = re.compile(r'"fingerprinter \w+ \d+ ([^"]+)"')
_REMOTE_CODES: Final = ("08", "57", "2F003")  # went away, was stopped, wants a password

# What libpq says when no session comes about; it gives no code then.
_LIBPQ: Final = (
    (r"^invalid", "correct the options of the address"),
    (r"database \".*\" does not exist", "make it with `createdb`, or name another"),
    (r"role \".*\" does not exist", "name another user in the address"),
    (r"translate host name", "check the host name"),
    (r"password|authentication|pg_hba", "check user and password, or set PGPASSWORD"),
    (r"permission denied", "ask for the right to connect"),
    (r"server closed|terminat|SSL|lost", "try again"),
    (r"", "is the server running, and are host and port right?"),
)


# By SQLSTATE: no connection, ended by an administrator, by a crash, shutting down or starting.
_GONE: Final = ("08", "57P01", "57P02", "57P03")
_GOING: Final = r"server closed|terminat|SSL|lost|refused|No such file|starting up|shutting down"


@contextmanager
def translate_db_errors(address: Address) -> Iterator[None]:
    """Turns a driver's error inside the block into a `LibraryError`, if it is no bug."""
    try:
        yield
    except DBAPIError as error:
        failure = _translate(address, error)
        if failure is None:
            raise
        raise failure from error


def sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code; None where it gave none."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _translate(address: Address, error: DBAPIError) -> LibraryError | None:
    message = _sqlite(address, error) if address.is_sqlite else _postgresql(error)
    if message is None:
        return None
    return _kind(address, error, message)(f"{address}: {message}")


def _kind(address: Address, error: DBAPIError, message: str) -> type[LibraryError]:
    if message is _DAMAGED:
        return CorruptionError
    return LibraryError if address.is_sqlite or not _is_lost(error) else ConnectionLostError


def _is_lost(error: DBAPIError) -> bool:
    """Whether the server may answer a moment later: it went away, or is just starting."""
    code: str | None = getattr(error.orig, "pgcode", None)
    if code is not None:
        return code.startswith(_GONE) and _remote_server(error) is None
    return error.connection_invalidated or bool(re.search(_GOING, _first_line(error)))


def _sqlite(address: Address, error: DBAPIError) -> str | None:
    code = sqlite_code(error)
    if code == sqlite3.SQLITE_CANTOPEN:
        return _why_not_opened(address.path) if address.path else str(error.orig)
    return _SQLITE.get(code) if code is not None else None


def _why_not_opened(path: Path) -> str:
    try:
        return _what_is_there(path)
    except PermissionError as error:
        return f"permission denied: {error.filename} cannot be reached"


def _what_is_there(path: Path) -> str:
    folder = path.absolute().parent
    if path.is_dir():
        return f"is a folder; name a file in it, e.g. {path / 'library.db'}"
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or check the name"
    if not path.exists():
        return _why_not_made(folder)
    if not os.access(path, os.R_OK):
        return "permission denied: the file cannot be read"
    return _READ_ONLY


def _why_not_made(folder: Path) -> str:
    if not os.access(folder, os.W_OK):
        return f"no library there, and the folder {folder} cannot be written"
    return "no library there; run `fingerprinter index FOLDER` to make one, or check the name"


def _postgresql(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "pgcode", None)
    if code is None:
        return _libpq(error)
    if code.startswith(_REMOTE_CODES) and (server := _remote_server(error)):
        return _remote(error, server)
    step = _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2])
    return step if step is None or step is _DAMAGED else f"{_first_line(error)}: {step}"


def _remote_server(error: DBAPIError) -> str | None:
    """The other server that failed, where postings lie on several; None where it was ours."""
    said = error.orig.diag  # type: ignore[union-attr]
    context = said.context or ""
    named = _REMOTE_NAME.search(f"{said.message_primary} {context}")
    if named:
        return named[1]
    return "one of the other servers" if "remote SQL command" in context else None  # at a commit


def _remote(error: DBAPIError, server: str) -> str:
    detail: str | None = error.orig.diag.message_detail  # type: ignore[union-attr]
    found = _told(detail) if detail else _first_line(error)
    return f"the postings on {server}: {found}; {_libpq_step(found)} (nothing is lost)"


def _libpq(error: DBAPIError) -> str | None:
    found = _first_line(error)
    # after a crash of the server psycopg2 has no class of its own for what it says
    its_own = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    if not its_own and not found.startswith("invalid"):
        return None
    return f"{found}; {_libpq_step(found)}"


def _libpq_step(found: str) -> str:
    return next(step for pattern, step in _LIBPQ if re.search(pattern, found))


def _first_line(error: DBAPIError) -> str:
    return _told(str(error.orig).strip() or "no answer")


def _told(text: str) -> str:
    """What the server or libpq said, without its hints and the addresses it tried."""
    return re.sub(r"^.*(?:FATAL|ERROR|failed): +", "", text.splitlines()[0]).rstrip(".")
