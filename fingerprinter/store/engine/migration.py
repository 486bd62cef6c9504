"""Creates and upgrades the schema with Alembic, which is imported only when it is needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from fingerprinter.errors import CorruptionError, LibraryError, VersionError
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.catalog import (
    VERSION_TABLE,
    Catalog,
    read_catalog,
    require_tables,
)
from fingerprinter.store.engine.db_errors import is_schema_error, translate_db_errors
from fingerprinter.store.engine.engine import Access, open_engine, reading, writing
from fingerprinter.store.tables import library_metadata, names
from fingerprinter.store.tables.schema import SCHEMA_HEAD

_REVISION = re.compile("[0-9]{4}", re.ASCII)


def upgrade(url: str) -> str:
    """Create the library at an address, or upgrade it to this version's schema.

    Everything happens in one transaction. If the program is killed, the schema is as it was.

    Returns
    -------
    str
        The revision of the schema.

    Raises
    ------
    LibraryError
        If the database cannot be reached or belongs to another program.
    VersionError
        If its schema is newer than this version's.
    """
    address = Address.parse(url)
    with translate_db_errors(address):
        engine = open_engine(address, Access.CREATE)
        try:
            upgrade_engine(address, engine)
        finally:
            engine.dispose()
    return SCHEMA_HEAD


def current(url: str) -> str | None:
    """Return the revision of the schema at an address, or None if there is no library."""
    address = Address.parse(url)
    with translate_db_errors(address):
        engine = open_engine(address, Access.READ)
        try:
            with reading(engine) as connection:
                return revision(address, connection, read_catalog(connection))
        finally:
            engine.dispose()


def revision(address: Address, connection: Connection, catalog: Catalog) -> str | None:
    """Return the revision of the schema, or None if the database holds no library.

    Raises
    ------
    CorruptionError
        If the revision is missing or is not one text.
    LibraryError
        If the library holds a view, trigger or virtual table that this program did not make.
    """
    if VERSION_TABLE not in catalog.columns and f"view {VERSION_TABLE}" not in catalog.strangers:
        return None
    if catalog.strangers:
        raise LibraryError(
            f"{address}: it holds the {catalog.strangers[0]}, which fingerprinter did not make; "
            "drop it if it is yours, and else do not trust this file"
        )
    try:
        found = connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE} LIMIT 2")).all()
    except DBAPIError as error:
        if not is_schema_error(error):
            raise
        raise _unknown_revision(address, "is missing") from error
    if len(found) != 1 or not isinstance(found[0], str):
        raise _unknown_revision(address, "is damaged")
    return found[0]


def _unknown_revision(address: Address, found: str) -> CorruptionError:
    return CorruptionError(
        f"{address}: the revision of its schema {found}; restore a copy of the database, or index"
        " into a new library (--db)"
    )


def upgrade_engine(address: Address, engine: Engine) -> None:
    """Do what `upgrade` does, with an engine that is open."""
    with writing(engine) as connection:
        catalog = read_catalog(connection)
        before = revision(address, connection, catalog)
        if before is None:
            _require_usable(address, connection, catalog)
        else:
            _require_known(address, before)
        if before != SCHEMA_HEAD:
            _run_alembic(address, connection)
            names.rebuild(connection)
            library_metadata.initialize(
                connection, now=datetime.now(UTC), version=_package_version()
            )
        require_tables(address, read_catalog(connection))


def require_head(address: Address, engine: Engine, *, create: bool) -> None:
    """Require that the schema is this version's.

    Parameters
    ----------
    create
        Whether to create the library if there is none.
    """
    with reading(engine) as connection:
        catalog = read_catalog(connection)
        found = revision(address, connection, catalog)
    if found is None and create:
        upgrade_engine(address, engine)
        return
    if found is None:
        raise LibraryError(
            f"{address}: holds no library; run `fingerprinter index FOLDER` to make one there"
        )
    _require_known(address, found)
    if found != SCHEMA_HEAD:
        raise VersionError(
            f"{address}: schema {found}, this program needs {SCHEMA_HEAD}; "
            "run `fingerprinter db upgrade`"
        )
    require_tables(address, catalog)


def _require_known(address: Address, found: str) -> None:
    """Raise an error for a schema that this version does not know."""
    if not _REVISION.fullmatch(found):
        raise LibraryError(
            f"{address}: the database of another program (schema {found[:40]!r}); name another"
        )
    if found > SCHEMA_HEAD:
        raise VersionError(
            f"{address}: schema {found}, this program knows only up to {SCHEMA_HEAD}; "
            "upgrade fingerprinter"
        )


def _require_usable(address: Address, connection: Connection, catalog: Catalog) -> None:
    """Raise an error for tables of another program, and if it cannot store every title."""
    things = [*sorted(f"table {name}" for name in catalog.columns), *catalog.strangers]
    if things:
        raise LibraryError(
            f"{address}: the database of another program (it holds the {things[0]}); name another"
        )
    encoding = "UTF8" if address.is_sqlite else connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise LibraryError(
            f"{address}: the database's encoding is {encoding}; make one with "
            "`createdb --encoding=UTF8 --template=template0`"
        )


def _run_alembic(address: Address, connection: Connection) -> None:
    """Run the migrations; say so where the tables are not those of the revision they claim."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except (CommandError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not is_schema_error(error):
            raise
        raise CorruptionError(
            f"{address}: its tables are not those of its schema (an upgrade that stopped?);"
            " nothing was changed; restore a copy of the database, or index into a new library"
        ) from error


def scripts_folder() -> Path:
    """Return the folder of the migration scripts.

    It is inside the package if that was installed from a wheel, and next to it in a checkout.
    """
    package = Path(__file__).parents[2]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def _package_version() -> str:
    try:
        return metadata.version("fingerprinter")
    except metadata.PackageNotFoundError:
        return "(a checkout)"
