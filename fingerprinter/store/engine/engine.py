"""SQLAlchemy engines and transactions, with the same guarantees on both databases.

There is one writer at a time. A write transaction begins by waiting for its turn (SQLite:
``BEGIN IMMEDIATE``, PostgreSQL: an advisory lock), so what it reads stays true until it commits. A
reader sees one snapshot from its first statement to its last, whatever is written meanwhile, and
cannot write.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.db_errors import is_full, sqlite_code
from fingerprinter.store.tables.bulk import allow_copy

TURN_S = 600  # how long a writer waits for its turn; another one may be merging large segments
_SQLITE_SETTINGS: Final = (
    "foreign_keys = ON",
    "trusted_schema = OFF",  # no SQL of a file's schema does anything
    "cell_size_check = ON",  # damaged pages are noticed earlier
    "synchronous = NORMAL",
    "cache_size = -65536",  # KiB
    # A mapped file that another program cuts off would end this process (SIGBUS). Without it, a
    # look-up of 800 blocks in 800 MB takes 3 ms longer.
    "mmap_size = 0",
)
_OF_NEW_FILES: Final = (  # these work only in an empty file
    "page_size = 16384",  # packed blobs have kilobytes: fewer overflow pages than with 4096
    "auto_vacuum = INCREMENTAL",  # see Database.reclaim
)
_CONNECT_S = 10  # to reach a host that does not answer
_POOL_SIZE = 5  # sessions of PostgreSQL that stay open, one for each thread that works at once
_MAX_OVERFLOW = 10  # more sessions, which are closed when they are not needed any more

# The server ends a statement after this time, in which a writer also waits for its turn. A writer
# that is silent during a transaction loses its turn. Lost connections are noticed.
_SESSION: Final = {
    "statement_timeout": f"{TURN_S}s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
# How SQLite says that it cannot write the index of the log.
_NO_LOG_INDEX: Final = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)
TAKES_LONG: Final = "takes_long"  # execution option: no limit of time for this statement
_STEPS_PER_LOOK = 1 << 20  # of SQLite's machine, about 10 ms, between two looks at the clock
_SILENCE = text("SET LOCAL idle_in_transaction_session_timeout = '120s'")

_READS: Final[Mapping[str, Mapping[str, Any]]] = {
    "sqlite": {},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
# "fprt" in ASCII; hexadecimal literals came with PostgreSQL 16
_TURN = text(f"SELECT pg_advisory_xact_lock({0x66707274}, hashtext(current_schema()))")


class Access(Enum):
    """What an engine may do: read, write, or also create the database."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"


def open_engine(address: Address, access: Access) -> Engine:
    """Make an engine and connect once.

    Raises the driver's error as SQLAlchemy wraps it; `translate_db_errors` makes it readable.
    """
    if not address.is_sqlite:
        return _connect_once(_postgresql_engine(address.url))
    if access is not Access.READ or address.path is None:
        mode = "rwc" if access is Access.CREATE else "rw"
        return _connect_once(_sqlite_engine(address, access, mode))
    return _open_sqlite_reader(address, address.path)


def _open_sqlite_reader(address: Address, path: Path) -> Engine:
    """Open an SQLite file for reading, also on a read-only medium and on a full disk.

    A reader in WAL mode must write the index of the log, next to the database. If it cannot and
    the log is empty, it reads the file alone, which then holds all data. If the log is not empty,
    it keeps the index in memory, which works as long as no other process has the library open.
    """
    try:
        return _connect_once(_sqlite_engine(address, Access.READ, "rw"))
    except DBAPIError as error:
        if (
            sqlite_code(error) not in _NO_LOG_INDEX
            or (log_is_empty := _has_empty_log(path)) is None
        ):
            raise
        if not log_is_empty and not is_full(path):
            raise
    if log_is_empty:
        return _connect_once(_sqlite_engine(address, Access.READ, "ro", immutable="1"))
    return _connect_once(_sqlite_engine(address, Access.READ, "rw", alone=True))


def _has_empty_log(path: Path) -> bool | None:
    """Whether the log of a file is empty or missing; None if there is no file, or no access."""
    if not path.name:  # the working folder, or the root
        return None
    log = path.with_name(path.name + "-wal")
    try:
        return not (log.exists() and log.stat().st_size) if path.is_file() else None
    except OSError:
        return None


def _connect_once(engine: Engine) -> Engine:
    """Return the engine if its database can be reached, and close it otherwise."""
    try:
        engine.connect().close()
    except BaseException:
        engine.dispose()
        raise
    return engine


def _postgresql_engine(url: URL) -> Engine:
    defaults = {"connect_timeout": _CONNECT_S, "fallback_application_name": "fingerprinter"}
    arguments = {key: value for key, value in defaults.items() if key not in url.query}
    engine = create_engine(
        url.difference_update_query(["options"]),
        pool_size=_POOL_SIZE,
        max_overflow=_MAX_OVERFLOW,
        pool_use_lifo=True,  # sessions that are not needed stay idle, and the server may end them
        pool_pre_ping=True,  # a restart of the server does not make the next request fail
        connect_args={**arguments, "options": _options(url), "client_encoding": "utf8"},
    )
    event.listen(engine, "begin", _begin_postgresql)
    allow_copy(engine)
    return engine


def _options(url: URL) -> str:
    """The settings of a session. Those of the address come last, and so override the defaults."""
    defaults = [f"-c {name}={value}" for name, value in _SESSION.items()]
    given = url.query.get("options", "")
    return " ".join([*defaults, *([given] if isinstance(given, str) else given)]).strip()


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.execute(_SILENCE)
        connection.execute(_TURN)


def _sqlite_engine(
    address: Address, access: Access, mode: str, *, alone: bool = False, **uri: str
) -> Engine:
    """An engine for an address as an SQLite URI; its mode decides whether a file is created."""
    url = address.url
    if "timeout" not in url.query:
        url = url.update_query_dict({"timeout": str(TURN_S)})
    if address.path is not None:
        url = url.set(database=address.path.absolute().as_uri())
        url = url.update_query_dict({"uri": "true", "mode": mode, **uri})
    # A database in memory belongs to one connection.
    size = {} if "uri" in url.query and not alone else {"pool_size": 1, "max_overflow": 0}
    arguments = {"check_same_thread": False}
    engine = create_engine(url, poolclass=QueuePool, connect_args=arguments, **size)
    event.listen(engine, "connect", partial(_prepare_sqlite, access=access, alone=alone))
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "before_cursor_execute", _start_clock)
    return engine


def _start_clock(connection: Connection, *event_arguments: Any) -> None:
    """Note until when the statement that begins may run; `_prepare_sqlite` looks at it."""
    context = event_arguments[3]
    takes_long = context is not None and context.execution_options.get(TAKES_LONG)
    connection.info["deadline"] = math.inf if takes_long else time.monotonic() + TURN_S


def _prepare_sqlite(
    connection: sqlite3.Connection, record: ConnectionPoolEntry, *, access: Access, alone: bool
) -> None:
    connection.isolation_level = None  # _begin_sqlite begins transactions, not the driver
    connection.set_progress_handler(
        lambda: time.monotonic() > record.info.get("deadline", math.inf), _STEPS_PER_LOOK
    )
    pragmas = [*(["locking_mode = EXCLUSIVE"] if alone else []), *_SQLITE_SETTINGS]
    pragmas += _OF_NEW_FILES if access is Access.CREATE else []
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        if access is not Access.READ:
            _use_wal(connection)
        connection.execute("PRAGMA schema_version").fetchall()  # fails if the file is no database
    except UnicodeDecodeError as error:  # the driver cannot read SQLite's message
        unreadable = sqlite3.DatabaseError("a name in its schema is not UTF-8")
        unreadable.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise unreadable from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait for other sessions here, so this does."""
    deadline = time.monotonic() + TURN_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get("writes"))
    connection.exec_driver_sql(f"PRAGMA query_only = {int(not writes)}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def free_pages(engine: Engine) -> None:
    """Cut empty pages off an SQLite file, in a transaction of its own.

    If another program keeps the database busy, the pages stay. They are used or cut off later.
    """
    # Each step of this statement frees one page. Only a script is stepped to its end.
    script = "PRAGMA query_only = 0; PRAGMA incremental_vacuum;"
    connection = engine.raw_connection()
    connection.info.pop("deadline", None)
    try:
        with suppress(sqlite3.OperationalError):
            connection.driver_connection.executescript(script)  # type: ignore[union-attr]
    finally:
        connection.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run a block as the only write transaction; an exception undoes all of it."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give one snapshot to read from."""
    with engine.connect().execution_options(**_READS[engine.dialect.name]) as connection:
        yield connection
