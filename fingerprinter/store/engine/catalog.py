"""The catalog of a database: tables and columns, and objects that do not belong there.

A library file may come from a stranger. A view in place of a table, or a trigger, would run the
stranger's SQL in this program. So a library with such things is refused before a row is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from fingerprinter.errors import CorruptionError
from fingerprinter.store.engine.address import Address
from fingerprinter.store.tables import schema

VERSION_TABLE: Final = "alembic_version"  # Alembic's name; it holds the revision of the schema

# SQLite looks these names up among the tables before it takes its own function of that name.
_FUNCTIONS: Final = ("json_each", "json_tree", "dbstat")
_SQLITE_THINGS: Final = text("SELECT type, name, rootpage, sql FROM sqlite_schema")
_FULL_TEXT: Final = f"CREATE VIRTUAL TABLE {schema.FULL_TEXT_INDEX} USING fts5("

_POSTGRESQL_COLUMNS: Final = text(
    "SELECT relname, relkind IN ('r', 'p') AS is_table, attname FROM pg_class"
    " JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped"
    " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"
)
_POSTGRESQL_TRIGGERS: Final = text(
    "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid"
    " WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of a database.

    Attributes
    ----------
    columns
        Names of the columns by table. Views and virtual tables are left out.
    strangers
        Things that run SQL of their own or stand for a table, each with its kind: "view track".
    """

    columns: Mapping[str, frozenset[str]]
    strangers: tuple[str, ...]


def read_catalog(connection: Connection) -> Catalog:
    """Read the catalog. It names only what may do harm to a library as a stranger."""
    if connection.dialect.name == "sqlite":
        return _sqlite_catalog(connection)
    ours = {*schema.metadata.tables, VERSION_TABLE}
    columns: dict[str, set[str]] = {}
    strangers = set()
    for name, is_table, column in connection.execute(_POSTGRESQL_COLUMNS):
        if is_table:
            columns.setdefault(name, set()).add(column)
        elif name in ours:
            strangers.add(f"view {name}")
    for name, table in connection.execute(_POSTGRESQL_TRIGGERS):
        if table in ours:
            strangers.add(f"trigger {name}")
    return Catalog({k: frozenset(v) for k, v in columns.items()}, tuple(sorted(strangers)))


def _sqlite_catalog(connection: Connection) -> Catalog:
    columns, strangers = {}, []
    for kind, name, root_page, sql in connection.execute(_SQLITE_THINGS):
        if kind == "index" or str(sql).startswith(_FULL_TEXT):
            continue
        is_virtual = not root_page
        if kind != "table" or is_virtual or str(name).startswith("pragma_") or name in _FUNCTIONS:
            strangers.append(f"{'virtual ' if kind == 'table' and is_virtual else ''}{kind} {name}")
            continue
        quoted = str(name).replace('"', '""')
        found = connection.exec_driver_sql(f'PRAGMA table_xinfo("{quoted}")').all()
        # A column whose value is computed is hidden.
        columns[str(name)] = frozenset(row.name for row in found if not row.hidden)
    return Catalog(columns, tuple(strangers))


def require_tables(address: Address, catalog: Catalog) -> None:
    """Raise `CorruptionError` if a table or column of this version's schema is missing."""
    for table in schema.metadata.sorted_tables:
        if table.name not in catalog.columns:
            raise _incomplete(address, f"the table {table.name}")
        for column in table.c:
            if column.name not in catalog.columns[table.name]:
                raise _incomplete(address, f"the column {column.name} of the table {table.name}")


def _incomplete(address: Address, missing: str) -> CorruptionError:
    return CorruptionError(
        f"{address}: {missing} is missing; restore a copy of the database, or index into a new"
        " library (--db)"
    )
