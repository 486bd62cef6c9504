"""Creates and upgrades the schema with Alembic, which is imported only when it is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from fingerprinter.errors import LibraryError, VersionError
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.db_errors import translate_db_errors
from fingerprinter.store.engine.engine import Access, open_engine, reading, writing
from fingerprinter.store.tables import library_metadata, names
from fingerprinter.store.tables.schema import SCHEMA_HEAD


def upgrade(url: str) -> str:
    """Creates the library at an address, or upgrades it to this version's schema.

    Everything happens in one transaction. If the program is killed, the schema is as it was.

    Returns
    -------
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
    """Returns the revision of the schema at an address, or None if there is no library."""
    address = Address.parse(url)
    with translate_db_errors(address):
        engine = open_engine(address, Access.READ)
        try:
            with reading(engine) as connection:
                return revision(connection)
        finally:
            engine.dispose()


def revision(connection: Connection) -> str | None:
    """Returns the revision of the schema, or None if there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def upgrade_engine(address: Address, engine: Engine) -> None:
    """Does what `upgrade` does, with an engine that is open."""
    with writing(engine) as connection:
        before = revision(connection)
        if before is None:
            _require_empty(address, connection)
            _require_unicode(address, connection)
        elif before != SCHEMA_HEAD:
            require_not_newer(address, before)
        if before != SCHEMA_HEAD:
            _run_alembic(connection)
            names.rebuild(connection)
            library_metadata.initialize(
                connection, now=datetime.now(UTC), version=_package_version()
            )


def require_head(address: Address, found: str | None) -> None:
    """Raises an error if the schema that was found is not this version's."""
    if found is None:
        raise LibraryError(
            f"{address}: holds no library; run `fingerprinter index FOLDER` to make one there"
        )
    require_not_newer(address, found)
    if found != SCHEMA_HEAD:
        raise VersionError(
            f"{address}: schema {found}, this program needs {SCHEMA_HEAD}; "
            "run `fingerprinter db upgrade`"
        )


def require_not_newer(address: Address, found: str) -> None:
    """Raises an error for a schema that this version does not know."""
    if not found.isdecimal():
        raise LibraryError(
            f"{address}: the database of another program (schema {found}); name another"
        )
    if found > SCHEMA_HEAD:
        raise VersionError(
            f"{address}: schema {found}, this program knows only up to {SCHEMA_HEAD}; "
            "upgrade fingerprinter"
        )


def _require_empty(address: Address, connection: Connection) -> None:
    """Raises an error if the database holds tables of another program."""
    tables = sorted(inspect(connection).get_table_names())
    if tables:
        raise LibraryError(
            f"{address}: the database of another program (it holds the table {tables[0]}); "
            "name another"
        )


def _require_unicode(address: Address, connection: Connection) -> None:
    """Raises an error if a PostgreSQL database cannot store every title."""
    if address.is_sqlite:
        return
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise LibraryError(
            f"{address}: the database's encoding is {encoding}; make one with "
            "`createdb --encoding=UTF8 --template=template0`"
        )


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    command.upgrade(config, "head")


def scripts_folder() -> Path:
    """Returns the folder of the migration scripts.

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
