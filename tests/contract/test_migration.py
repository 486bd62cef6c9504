from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from databases import PostgresServer
from sqlalchemy import text

from fingerprinter.errors import LibraryError, VersionError
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.database import Database
from fingerprinter.store.engine.engine import Access, open_engine, writing
from fingerprinter.store.tables import (
    feature_rows,
    library_metadata,
    schema,
    tracks,
)

ROOT = Path(__file__).parents[2]


def set_version(url: str, version: str) -> None:
    with Database.open(url) as database, database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


def is_in_the_metadata(name: str | None, kind: str, _: object) -> bool:
    """Not of the full-text index, which metadata cannot describe."""
    return name is None or not name.startswith(schema.FULL_TEXT_INDEX)


def test_the_head_of_the_schema_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migration.scripts_folder()))
    assert scripts.get_heads() == [schema.SCHEMA_HEAD]


def test_migrations_make_the_tables_that_the_schema_describes(library_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with Database.open(library_url) as database, database.connect() as connection:
        opts = {"compare_type": True, "include_name": is_in_the_metadata}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, schema.metadata) == []


def test_upgrade_makes_a_library_and_may_be_repeated(database_url: str) -> None:
    identities = []
    for _ in range(2):
        assert migration.upgrade(database_url) == schema.SCHEMA_HEAD
        assert migration.current(database_url) == schema.SCHEMA_HEAD
        with Database.open(database_url) as database, database.connect() as connection:
            identities.append(library_metadata.get(connection, library_metadata.LIBRARY_ID))
    assert identities[0] == identities[1]


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        ("0000", VersionError, "schema 0000, this program needs .* `fingerprinter db upgrade`"),
        ("9999", VersionError, "schema 9999, .* only up to .*upgrade fingerprinter"),
        ("ae1027a6acf", LibraryError, "another program .*name another"),
    ],
)
def test_another_schema_is_refused(
    library_url: str, version: str, error: type[Exception], message: str
) -> None:
    set_version(library_url, version)
    assert migration.current(library_url) == version
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(error, match=message):
            Database.open(library_url, **options)


@pytest.mark.parametrize("version", ["9999", "ae1027a6acf"])
def test_an_unknown_schema_is_not_upgraded(library_url: str, version: str) -> None:
    set_version(library_url, version)
    with pytest.raises(LibraryError, match=version):
        migration.upgrade(library_url)
    assert migration.current(library_url) == version


def test_a_library_of_the_first_schema_keeps_its_tracks(database_url: str) -> None:
    """Sections and facets are empty until the next `index`."""
    address = Address.parse(database_url)
    engine = open_engine(address, Access.CREATE)
    with writing(engine) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migration.scripts_folder()))
        command.upgrade(config, "0001")
        values = "(1, 'c1', 'Song', 9.5, '2026-01-01 00:00:00')"
        columns = "(id, content_id, title, duration_s, added_at)"
        connection.execute(text(f"INSERT INTO track {columns} VALUES {values}"))
        connection.execute(text("INSERT INTO setting VALUES ('library_id', 'mine')"))
    engine.dispose()
    migration.upgrade(database_url)
    with Database.open(database_url) as database, database.connect() as connection:
        assert tracks.get(connection, 1).title == "Song"
        assert library_metadata.get(connection, library_metadata.LIBRARY_ID) == "mine"
        assert feature_rows.missing(connection, schema.section, "model") == [1]
        assert feature_rows.missing(connection, schema.facet, "1") == [1]


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_packed_bytes_are_not_compressed_again(library_url: str) -> None:
    statement = text(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
        " WHERE atttypid = 'bytea'::regtype AND attstorage <> 'e' AND relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace"
    )
    with Database.open(library_url) as database, database.connect() as connection:
        assert connection.execute(statement).all() == [("file", "path")]


def test_libraries_in_two_schemas_of_a_database(postgresql_server: PostgresServer) -> None:
    name = postgresql_server.empty_database()
    postgresql_server.execute("DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other", name)
    one = postgresql_server.url(name)
    other = f"{one}&options=-csearch_path%3Dother"
    for url in (one, other):
        migration.upgrade(url)
    with Database.open(other) as database, database.begin() as connection:
        library_metadata.bump_revision(connection)
    with Database.open(one) as database, database.connect() as connection:
        assert library_metadata.revision(connection) == 0


def test_a_database_of_another_encoding_is_refused(postgresql_server: PostgresServer) -> None:
    postgresql_server.execute(
        "CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )
    with pytest.raises(LibraryError, match="encoding is LATIN1; make one with `createdb"):
        Database.open(postgresql_server.url("latin1"), create=True)


def test_the_scripts_are_found_in_an_installed_package(tmp_path: Path) -> None:
    package = tmp_path / "site 100%" / "fingerprinter"
    shutil.copytree(ROOT / "fingerprinter", package, ignore=shutil.ignore_patterns("*.onnx"))
    shutil.copytree(ROOT / "migrations", package / "migrations")
    script = (
        "import sys; from fingerprinter.store.engine import migration;"
        "print(migration.scripts_folder(), migration.upgrade(sys.argv[1]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "library.db")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == f"{package / 'migrations'} {schema.SCHEMA_HEAD}"
