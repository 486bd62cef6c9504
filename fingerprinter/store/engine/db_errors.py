"""Translates errors of the database drivers into one-line messages that name the next step.

Only errors that a user can cause and solve are translated: addresses, permissions, servers, disks,
locks and damage. Every other error is a bug and keeps its traceback.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from fingerprinter.errors import ConnectionLostError, CorruptionError, LibraryError, ReadOnlyError
from fingerprinter.store.engine.address import Address

_READ_ONLY = "it can only be read (permissions, or a read-only medium); make it writable or copy it"
_FULL = "the disk is full; free some space and run the command again: nothing is half written"
_DAMAGED = (
    "the database is damaged; run `fingerprinter verify`, then restore a copy, or index into a new"
    " library"
)

_TOO_LONG = (
    "a statement took too long: run `fingerprinter verify`, and do not trust a file that came from"
    " elsewhere"
)
_IO_ERROR = "the disk reported an error; check it, then run `fingerprinter verify`"

_LOG_INDEX_BYTES = 32_768  # SQLite needs as many for the first part of the index

_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: "locked by another process; let it finish and try again",
    sqlite3.SQLITE_PROTOCOL: "locked by another process; let it finish and try again",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_MISMATCH: _DAMAGED,
    sqlite3.SQLITE_TOOBIG: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "not an SQLite database; name another file",
    sqlite3.SQLITE_INTERRUPT: _TOO_LONG,
    sqlite3.SQLITE_IOERR: _IO_ERROR,
}

# By SQLSTATE, or by its first two characters (PostgreSQL manual, appendix A).
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

# By the message of libpq: it gives no code if a session cannot be opened. The first match counts.
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


# The connection was lost. By SQLSTATE: no connection; ended by an administrator or a crash; the
# server is shutting down or starting. Or by the message of libpq.
_LOST_CODES: Final = ("08", "57P01", "57P02", "57P03")
_LOST_MESSAGES: Final = (
    r"server closed|terminat|SSL|lost|refused|No such file|starting up|shutting down"
)


# No such table or column, no such object; a table, column or object that exists already.
_SCHEMA_CODES: Final = ("42P01", "42703", "42704", "42P07", "42701", "42710")


@contextmanager
def translate_db_errors(address: Address) -> Iterator[None]:
    """Raise a `LibraryError` for a driver's error inside the block, unless that is a bug.

    Raises
    ------
    ConnectionLostError
        If the server went away and may come back.
    CorruptionError
        If the database is damaged.
    ReadOnlyError
        If the database can only be read.
    LibraryError
        For all other errors that the user can solve.
    """
    try:
        yield
    except DBAPIError as error:
        message = _sqlite_message(address, error) if address.is_sqlite else _pg_message(error)
        if message is None:
            raise
        kind: type[LibraryError] = LibraryError
        if message is _DAMAGED:
            kind = CorruptionError
        elif message.endswith(_READ_ONLY):
            kind = ReadOnlyError
        elif not address.is_sqlite and _is_lost(error):
            kind = ConnectionLostError
        raise kind(f"{address}: {message}") from error


def sqlite_code(error: DBAPIError) -> int | None:
    """Return SQLite's primary result code, or None if the error has none."""
    code = _exact_sqlite_code(error)
    return None if code is None else code & 0xFF


def _exact_sqlite_code(error: DBAPIError) -> int | None:
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return code


def _is_lost(error: DBAPIError) -> bool:
    """Whether the server went away or is just starting, and so may answer a moment later."""
    code: str | None = getattr(error.orig, "pgcode", None)
    if code is not None:
        return code.startswith(_LOST_CODES) and _remote_server(error) is None
    return error.connection_invalidated or bool(re.search(_LOST_MESSAGES, _first_line(error)))


def is_schema_error(error: DBAPIError) -> bool:
    """Whether a statement does not fit the tables: one of them or a column is or is not there."""
    code: str | None = getattr(error.orig, "pgcode", None)
    return sqlite_code(error) == sqlite3.SQLITE_ERROR or code in _SCHEMA_CODES


def is_undecodable(error: DBAPIError) -> bool:
    """Whether a stored text is not UTF-8. Python's driver gives no code for this."""
    return sqlite_code(error) is None and str(error.orig).startswith("Could not decode")


def _sqlite_message(address: Address, error: DBAPIError) -> str | None:
    """The message for an error of SQLite; None if it is a bug."""
    code = sqlite_code(error)
    if address.path and _is_special(address.path):
        return "not a regular file; name another file"
    if code == sqlite3.SQLITE_CANTOPEN:
        return _why_not_opened(address.path) if address.path else str(error.orig)
    if code == sqlite3.SQLITE_IOERR and address.path and is_full(address.path):
        return _FULL
    if is_undecodable(error) or _exact_sqlite_code(error) == sqlite3.SQLITE_CONSTRAINT_CHECK:
        return _DAMAGED  # this program makes no CHECK constraint
    return _SQLITE.get(code) if code is not None else None


def is_full(path: Path) -> bool:
    """Whether the disk of a file has no room for the index of a write-ahead log."""
    try:
        return shutil.disk_usage(path.absolute().parent).free < _LOG_INDEX_BYTES
    except OSError:
        return False


def _is_special(path: Path) -> bool:
    """Whether a path leads to a pipe or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _why_not_opened(path: Path) -> str:
    """The reason why SQLite could not open a file, which it does not tell itself."""
    folder = path.absolute().parent
    try:
        if is_full(path) and path.is_file() and os.access(path.absolute().parent, os.W_OK):
            return _FULL
        if path.is_dir():
            return f"is a folder; name a file in it, e.g. {path / 'library.db'}"
        if not folder.is_dir():
            return f"there is no folder {folder}; make it, or check the name"
        if path.exists():
            readable = os.access(path, os.R_OK)
            return _READ_ONLY if readable else "permission denied: the file cannot be read"
        if not os.access(folder, os.W_OK):
            return f"no library there, and the folder {folder} cannot be written"
        return "no library there; run `fingerprinter index FOLDER` to make one, or check the name"
    except PermissionError as error:
        return f"permission denied: {error.filename} cannot be reached"
    except OSError as error:  # a name that no disk can hold, a dead mount
        return f"{error.strerror}; name another file"


def _pg_message(error: DBAPIError) -> str | None:
    """The message for an error of PostgreSQL or libpq; None if it is a bug."""
    code: str | None = getattr(error.orig, "pgcode", None)
    if code is None:
        return _libpq_message(error)
    if code.startswith(_REMOTE_CODES) and (server := _remote_server(error)):
        detail: str | None = error.orig.diag.message_detail  # type: ignore[union-attr]
        found = _without_hints(detail) if detail else _first_line(error)
        return f"the postings on {server}: {found}; {_libpq_step(found)} (nothing is lost)"
    step = _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2])
    return step if step is None or step is _DAMAGED else f"{_first_line(error)}: {step}"


def _remote_server(error: DBAPIError) -> str | None:
    """The server that failed, if it is another one that keeps postings; else None."""
    diagnostics = error.orig.diag  # type: ignore[union-attr]
    context = diagnostics.context or ""
    named = _REMOTE_NAME.search(f"{diagnostics.message_primary} {context}")
    if named:
        return named[1]
    # During a commit the name is missing.
    return "one of the other servers" if "remote SQL command" in context else None


def _libpq_message(error: DBAPIError) -> str | None:
    """The message for an error that libpq reports without a code; None if it is a bug."""
    found = _first_line(error)
    # After a crash of the server psycopg2 raises no class of its own.
    is_known = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    if not is_known and not found.startswith("invalid"):
        return None
    return f"{found}; {_libpq_step(found)}"


def _libpq_step(found: str) -> str:
    """The next step after a message of libpq."""
    return next(step for pattern, step in _LIBPQ if re.search(pattern, found))


def _first_line(error: DBAPIError) -> str:
    """The first line of the driver's message."""
    return _without_hints(str(error.orig).strip() or "no answer")


def _without_hints(text: str) -> str:
    """The message of the server or libpq, without its hints and the addresses that it tried."""
    return re.sub(r"^.*(?:FATAL|ERROR|failed): +", "", text.splitlines()[0]).rstrip(".")
