"""Moves the postings of a PostgreSQL library to other servers, and back.

PostgreSQL's own means: ``posting_block`` becomes a table partitioned by the hash of
``id``, that is of segment and prefix, and each partition a foreign table
(postgres_fdw) on one server. The blocks of any look-up are on all servers alike; the
list of ids goes to each, and only the blocks found come back, from all at the same time.

A move is one transaction of the library. What it copies lies in a schema of its own
on each server; whatever became of the transaction, the schemas that the library does
not use are dropped afterwards, and a kill leaves at most one that nobody uses.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import URL, Connection, text

from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.database import Database
from fingerprinter.store.engine.db_errors import translate_db_errors
from fingerprinter.store.engine.engine import Access, open_engine

# fetch_size, batch_size: blocks in a message, 2.5 MB to read and 250 KB to write. The others:
# a server that swallows packets is given up after 10 s, one that went away after 60 s.
_OPTIONS = {
    "async_capable": "true",
    "fetch_size": "2048",
    "batch_size": "200",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_NAME_CHARACTERS = 63  # of an identifier in PostgreSQL, in ASCII
_TABLE = "posting_block"
_LOGIN = ("user", "password")

_SERVERS = text(
    "SELECT s.srvname, srvoptions, umoptions FROM pg_foreign_server s"
    " LEFT JOIN pg_user_mappings m ON m.srvid = s.oid AND m.usename = current_user"
    " WHERE s.oid IN (SELECT ftserver FROM pg_foreign_table"
    " JOIN pg_inherits ON ftrelid = inhrelid WHERE inhparent = to_regclass('posting_block'))"
)


@dataclass(frozen=True, slots=True)
class ShardServer:
    """Where one server keeps its share.

    name: of the server in the library, and of the schema there; url: how to reach it
    """

    name: str
    url: URL

    @property
    def address(self) -> Address:
        """For messages, without the password."""
        return Address(self.url)


def shard_postings(database: Database, urls: Sequence[str]) -> list[str]:
    """Moves the postings to the servers at some URLs; to the library's own where there are none.

    Each URL is used by this program and by the library's server. Returns what could not be
    tidied up, one line each. Raises `LibraryError` and `UsageError`; nothing has changed then.
    """
    if database.address.is_sqlite:
        raise UsageError(
            f"{database.address}: an SQLite library is one file; `spread` needs one in PostgreSQL"
        )
    places, before = _places(urls), []
    try:
        for place in places:
            _furnish(place)
        with database.begin() as connection:
            before = _current(connection)
            _move(database.address, connection, places, before)
    except BaseException:
        with suppress(LibraryError):
            _tidy(database, [*before, *places])
        raise
    return _tidy(database, [*before, *places])


def _places(urls: Sequence[str]) -> list[ShardServer]:
    token = uuid.uuid4().hex[:8]
    addresses = [Address.parse(url) for url in urls]
    for address in addresses:
        if address.is_sqlite:
            raise UsageError(f"{address}: not a PostgreSQL server; write postgresql://USER@HOST/DB")
    return [_place(token, number, each.url) for number, each in enumerate(addresses, 1)]


def _place(token: str, number: int, url: URL) -> ShardServer:
    shown = re.sub(r"[^\w.:/\[\]-]", "_", f"{_host(url)}:{_port(url)}/{url.database}", flags=re.A)
    return ShardServer(f"fingerprinter {token} {number} {shown}"[:_NAME_CHARACTERS], url)


def _host(url: URL) -> str:
    return url.host or str(url.query.get("host", "localhost"))


def _port(url: URL) -> str:
    return str(url.port or url.query.get("port", 5432))


def _current(connection: Connection) -> list[ShardServer]:
    """The places that the library uses now."""
    return [
        ShardServer(row.srvname, _url({**_pairs(row.srvoptions), **_pairs(row.umoptions)}))
        for row in connection.execute(_SERVERS)
    ]


def _pairs(options: Sequence[str] | None) -> dict[str, str]:
    return dict(option.split("=", 1) for option in options or ())


def _url(options: dict[str, str]) -> URL:
    named = {key: options.get(key) for key in ("dbname", *_LOGIN)}
    query = {key: value for key, value in options.items() if key not in _OPTIONS | named}
    return URL.create(
        "postgresql+psycopg2", named["user"], named["password"], None, None, named["dbname"], query
    )


def _furnish(place: ShardServer) -> None:
    """Makes an empty table of blocks at a place."""
    schema = f'"{place.name}"'
    _run_there(
        place,
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.{_TABLE} (id bigint PRIMARY KEY, data bytea NOT NULL)",
        f"ALTER TABLE {schema}.{_TABLE} ALTER COLUMN data SET STORAGE EXTERNAL",
    )


def _run_there(place: ShardServer, *statements: str) -> None:
    """Runs statements at a place, in one transaction."""
    with translate_db_errors(place.address):
        engine = open_engine(place.address, Access.WRITE)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)
        finally:
            engine.dispose()


def _move(
    address: Address,
    connection: Connection,
    places: Sequence[ShardServer],
    before: Sequence[ShardServer],
) -> None:
    """Copies every block to the places and puts them in the place of the table."""
    new = f"{_TABLE}_moving"
    _execute(connection, "SET LOCAL statement_timeout = 0")  # hours, where there is much to copy
    if places:
        _require_wrapper(address, connection)
        _make_parts(connection, new, places)
    else:
        _execute(connection, f"CREATE TABLE {new} (id bigint NOT NULL, data bytea NOT NULL)")
        _execute(connection, f"ALTER TABLE {new} ALTER COLUMN data SET STORAGE EXTERNAL")
    _execute(connection, f"INSERT INTO {new} SELECT id, data FROM {_TABLE}")
    _execute(connection, f"DROP TABLE {_TABLE}")
    for place in before:
        _execute(connection, f'DROP SERVER "{place.name}" CASCADE')
    _execute(connection, f"ALTER TABLE {new} RENAME TO {_TABLE}")
    if not places:
        _execute(connection, f"ALTER TABLE {_TABLE} ADD CONSTRAINT pk_{_TABLE} PRIMARY KEY (id)")


def _make_parts(connection: Connection, table: str, places: Sequence[ShardServer]) -> None:
    """A partitioned table with one partition at each place."""
    _execute(
        connection,
        f"CREATE TABLE {table} (id bigint NOT NULL, data bytea NOT NULL) PARTITION BY HASH (id)",
    )
    for number, place in enumerate(places):
        _name_server(connection, place)
        share = f"FOR VALUES WITH (MODULUS {len(places)}, REMAINDER {number})"
        _execute(
            connection,
            f'CREATE FOREIGN TABLE "{_part(place)}" PARTITION OF {table} {share}'
            f' SERVER "{place.name}" OPTIONS (schema_name %(schema)s, table_name %(table)s)',
            schema=place.name,
            table=_TABLE,
        )


def _part(place: ShardServer) -> str:
    """The name of a place's partition.

    >>> from sqlalchemy import make_url
    >>> _part(Place("fingerprinter 1f0c94aa 2 db2:5432/music", make_url("postgresql://db2/music")))
    'posting_block_1f0c94aa_2'
    """
    return "_".join((_TABLE, *place.name.split()[1:3]))


def _name_server(connection: Connection, place: ShardServer) -> None:
    """Tells the library's server of another one, and how the user of this session logs in."""
    url = place.url
    query = {key: str(value) for key, value in url.query.items() if key not in _LOGIN}
    where = {"host": _host(url), "port": _port(url), "dbname": url.database or "", **query}
    login = {"user": url.username, "password": url.password}
    login |= {key: str(url.query[key]) for key in _LOGIN if key in url.query}
    server = f'"{place.name}"'
    create = f"CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw"
    _with_options(connection, create, _OPTIONS | where)
    _with_options(
        connection,
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server}",
        {key: value for key, value in login.items() if value is not None},
    )


def _with_options(connection: Connection, statement: str, options: dict[str, str]) -> None:
    listed = ", ".join(f"{key} %({key})s" for key in options)
    _execute(connection, f"{statement} OPTIONS ({listed})" if options else statement, **options)


def _execute(connection: Connection, statement: str, **values: str) -> None:
    """Runs a statement that defines something; the driver writes the values into its text."""
    connection.exec_driver_sql(statement, values or None)


def _require_wrapper(address: Address, connection: Connection) -> None:
    """Sees to it that postgres_fdw is there and may be used."""
    if not connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'postgres_fdw'")):
        _require_extension(address, connection)
        _execute(connection, "CREATE EXTENSION postgres_fdw")
    may = "SELECT has_foreign_data_wrapper_privilege('postgres_fdw', 'USAGE')"
    if not connection.scalar(text(may)):
        raise LibraryError(
            f"{address}: this user may not use postgres_fdw; let a superuser run"
            " `GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO` that user"
        )


def _require_extension(address: Address, connection: Connection) -> None:
    there = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    if not connection.scalar(text(there)):
        raise LibraryError(
            f"{address}: this PostgreSQL comes without postgres_fdw;"
            " install its contrib package on the server"
        )
    if not connection.scalar(text("SELECT usesuper FROM pg_user WHERE usename = current_user")):
        raise LibraryError(
            f"{address}: only a superuser may add postgres_fdw; let one run"
            " `CREATE EXTENSION postgres_fdw` in this database once"
        )


def _tidy(database: Database, places: Sequence[ShardServer]) -> list[str]:
    """Drops what lies at places that the library does not use; what could not be, a line each.

    Asks the library itself: a connection that is lost in a commit tells nothing of it.
    """
    with database.connect() as connection:
        used = {place.name for place in _current(connection)}
    left = []
    for place in places:
        if place.name not in used:
            try:
                _run_there(place, f'DROP SCHEMA IF EXISTS "{place.name}" CASCADE')
            except LibraryError as error:
                left.append(f'{error}; then drop the schema "{place.name}" there: it is of no use')
    return left
