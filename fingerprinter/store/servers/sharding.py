"""Moves the postings of a PostgreSQL library to other servers, and back.

This uses what PostgreSQL brings. The table ``posting_block`` becomes a table that is partitioned by
the hash of ``id``, that is, of segment and prefix. Each partition is a foreign table (postgres_fdw)
on one server, a *shard*. The blocks of every query are spread evenly over all servers. Each server
gets the list of ids and returns only the blocks that it has. All servers work at the same time.

A move is one transaction of the library. The copied blocks lie in a new schema on each server.
Schemas that the library does not use are dropped afterwards, whether the transaction succeeded or
not. If the program is killed, at most one unused schema stays on each server.
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

# fetch_size and batch_size count the blocks of a message: 2.5 MB to read, 250 KB to write. The
# other options give a server up after 10 s if it does not answer at first, after 60 s later on.
_OPTIONS = {
    "async_capable": "true",
    "fetch_size": "2048",
    "batch_size": "200",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_MAX_NAME_LENGTH = 63  # of an identifier in PostgreSQL, in ASCII
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
    """A server with a part of the postings.

    Attributes
    ----------
    name
        Name of the server in the library's database, and of the schema on that server.
    url
        How this program and the library's server reach it.
    """

    name: str
    url: URL

    @property
    def address(self) -> Address:
        """The address for messages, without the password."""
        return Address(self.url)


def shard_postings(database: Database, urls: Sequence[str]) -> list[str]:
    """Move the postings to other servers, or back to the library's own.

    Parameters
    ----------
    urls
        One URL per server. Both this program and the library's server use it. Empty: the
        postings go back to the library's own server.

    Returns
    -------
    list of str
        One line for each schema that is not needed any more and could not be dropped.

    Raises
    ------
    LibraryError, UsageError
        If the move is not possible or fails. Nothing has changed then.
    """
    if database.address.is_sqlite:
        raise UsageError(
            f"{database.address}: this is an SQLite library; `db shard` works only with PostgreSQL"
        )
    servers, old_servers = _new_servers(urls), []
    try:
        for server in servers:
            _create_table(server)
        with database.begin() as connection:
            old_servers = _current_servers(connection)
            _move(database.address, connection, servers, old_servers)
    except BaseException:
        with suppress(LibraryError):
            _drop_unused(database, [*old_servers, *servers])
        raise
    return _drop_unused(database, [*old_servers, *servers])


def _new_servers(urls: Sequence[str]) -> list[ShardServer]:
    """The servers at some URLs, under names that no other move uses."""
    token = uuid.uuid4().hex[:8]
    addresses = [Address.parse(url) for url in urls]
    for address in addresses:
        if address.is_sqlite:
            raise UsageError(f"{address}: not a PostgreSQL server; write postgresql://USER@HOST/DB")
    servers = []
    for number, url in enumerate((address.url for address in addresses), 1):
        place = f"{_host(url)}:{_port(url)}/{url.database}"
        shown = re.sub(r"[^\w.:/\[\]-]", "_", place, flags=re.A)
        name = f"fingerprinter {token} {number} {shown}"[:_MAX_NAME_LENGTH]
        servers.append(ShardServer(name, url))
    return servers


def _host(url: URL) -> str:
    return url.host or str(url.query.get("host", "localhost"))


def _port(url: URL) -> str:
    return str(url.port or url.query.get("port", 5432))


def _current_servers(connection: Connection) -> list[ShardServer]:
    """The servers that have the library's postings now; none if its own server has them."""
    servers = []
    for row in connection.execute(_SERVERS):
        pairs = [*(row.srvoptions or ()), *(row.umoptions or ())]
        servers.append(ShardServer(row.srvname, _url(dict(each.split("=", 1) for each in pairs))))
    return servers


def _url(options: dict[str, str]) -> URL:
    """The URL of a server with some options of postgres_fdw."""
    named = {key: options.get(key) for key in ("dbname", *_LOGIN)}
    query = {key: value for key, value in options.items() if key not in _OPTIONS | named}
    return URL.create(
        "postgresql+psycopg2", named["user"], named["password"], None, None, named["dbname"], query
    )


def _create_table(server: ShardServer) -> None:
    """Make an empty table of blocks on a server, in a new schema."""
    schema = f'"{server.name}"'
    _run_on(
        server,
        f"CREATE SCHEMA {schema}",
        f"CREATE TABLE {schema}.{_TABLE} (id bigint PRIMARY KEY, data bytea NOT NULL)",
        f"ALTER TABLE {schema}.{_TABLE} ALTER COLUMN data SET STORAGE EXTERNAL",
    )


def _run_on(server: ShardServer, *statements: str) -> None:
    """Run statements on a server, in one transaction."""
    with translate_db_errors(server.address):
        engine = open_engine(server.address, Access.WRITE)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)
        finally:
            engine.dispose()


def _move(
    address: Address,
    connection: Connection,
    servers: Sequence[ShardServer],
    old_servers: Sequence[ShardServer],
) -> None:
    """Copy all blocks into a new table on the servers, which then replaces the old table."""
    new = f"{_TABLE}_moving"
    _execute(connection, "SET LOCAL statement_timeout = 0")  # hours, where there is much to copy
    if servers:
        _require_wrapper(address, connection)
        _create_partitioned_table(connection, new, servers)
    else:
        _execute(connection, f"CREATE TABLE {new} (id bigint NOT NULL, data bytea NOT NULL)")
        _execute(connection, f"ALTER TABLE {new} ALTER COLUMN data SET STORAGE EXTERNAL")
    _execute(connection, f"INSERT INTO {new} SELECT id, data FROM {_TABLE}")
    _execute(connection, f"DROP TABLE {_TABLE}")
    for server in old_servers:
        _execute(connection, f'DROP SERVER "{server.name}" CASCADE')
    _execute(connection, f"ALTER TABLE {new} RENAME TO {_TABLE}")
    if not servers:
        _execute(connection, f"ALTER TABLE {_TABLE} ADD CONSTRAINT pk_{_TABLE} PRIMARY KEY (id)")


def _create_partitioned_table(
    connection: Connection, table: str, servers: Sequence[ShardServer]
) -> None:
    """Make a partitioned table with one partition on each server."""
    _execute(
        connection,
        f"CREATE TABLE {table} (id bigint NOT NULL, data bytea NOT NULL) PARTITION BY HASH (id)",
    )
    for number, server in enumerate(servers):
        _create_server(connection, server)
        values = f"FOR VALUES WITH (MODULUS {len(servers)}, REMAINDER {number})"
        _execute(
            connection,
            f'CREATE FOREIGN TABLE "{_partition_name(server)}" PARTITION OF {table} {values}'
            f' SERVER "{server.name}" OPTIONS (schema_name %(schema)s, table_name %(table)s)',
            schema=server.name,
            table=_TABLE,
        )


def _partition_name(server: ShardServer) -> str:
    """The name of the partition on a server.

    >>> from sqlalchemy import make_url
    >>> url = make_url("postgresql://db2/music")
    >>> _partition_name(ShardServer("fingerprinter 1f0c94aa 2 db2:5432/music", url))
    'posting_block_1f0c94aa_2'
    """
    return "_".join((_TABLE, *server.name.split()[1:3]))


def _create_server(connection: Connection, server: ShardServer) -> None:
    """Make a server known to the library's server, and how this session's user logs in there."""
    url = server.url
    query = {key: str(value) for key, value in url.query.items() if key not in _LOGIN}
    where = {"host": _host(url), "port": _port(url), "dbname": url.database or "", **query}
    login = {"user": url.username, "password": url.password}
    login |= {key: str(url.query[key]) for key in _LOGIN if key in url.query}
    name = f'"{server.name}"'
    create = f"CREATE SERVER {name} FOREIGN DATA WRAPPER postgres_fdw"
    _execute_with_options(connection, create, _OPTIONS | where)
    _execute_with_options(
        connection,
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name}",
        {key: value for key, value in login.items() if value is not None},
    )


def _execute_with_options(connection: Connection, statement: str, options: dict[str, str]) -> None:
    listed = ", ".join(f"{key} %({key})s" for key in options)
    _execute(connection, f"{statement} OPTIONS ({listed})" if options else statement, **options)


def _execute(connection: Connection, statement: str, **values: str) -> None:
    """Run a statement of data definition. The driver writes the values into its text."""
    connection.exec_driver_sql(statement, values or None)


def _require_wrapper(address: Address, connection: Connection) -> None:
    """Create the extension postgres_fdw if needed, and require that this user may use it."""
    if not connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'postgres_fdw'")):
        _require_extension_can_be_created(address, connection)
        _execute(connection, "CREATE EXTENSION postgres_fdw")
    allowed = "SELECT has_foreign_data_wrapper_privilege('postgres_fdw', 'USAGE')"
    if not connection.scalar(text(allowed)):
        raise LibraryError(
            f"{address}: this user may not use postgres_fdw; let a superuser run"
            " `GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO` that user"
        )


def _require_extension_can_be_created(address: Address, connection: Connection) -> None:
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    if not connection.scalar(text(available)):
        raise LibraryError(
            f"{address}: this PostgreSQL comes without postgres_fdw;"
            " install its contrib package on the server"
        )
    if not connection.scalar(text("SELECT usesuper FROM pg_user WHERE usename = current_user")):
        raise LibraryError(
            f"{address}: only a superuser may add postgres_fdw; let one run"
            " `CREATE EXTENSION postgres_fdw` in this database once"
        )


def _drop_unused(database: Database, servers: Sequence[ShardServer]) -> list[str]:
    """Drop the schemas that the library does not use; return a line for each that stays.

    It asks the library which servers are in use, because a connection that is lost during a commit
    does not tell whether the commit succeeded.
    """
    with database.connect() as connection:
        used = {server.name for server in _current_servers(connection)}
    left = []
    for server in servers:
        if server.name not in used:
            try:
                _run_on(server, f'DROP SCHEMA IF EXISTS "{server.name}" CASCADE')
            except LibraryError as error:
                left.append(f'{error}; then drop the schema "{server.name}" there: it is of no use')
    return left
