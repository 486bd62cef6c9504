"""Where a library is, and that it can be used there."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from fingerprinter.config import Settings, default_address
from fingerprinter.core.fingerprint.params import PROFILES
from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.library.library import Library
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables.schema import SCHEMA_HEAD

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """revision: of the schema at an address, None where no library is; head: the one needed."""

    address: str
    revision: str | None
    head: str


def open_library(
    url: str | os.PathLike[str] | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    profile: str | None = None,
    text_model: str | os.PathLike[str] | None = None,
) -> Library:
    """Opens the library at a path or an SQLAlchemy URL of SQLite or PostgreSQL.

    url: default ``FINGERPRINTER_DB``, else a file in the user's data folder
    create: make one where there is none
    profile: one of `fingerprinter.core.fingerprint.params.PROFILES`, fixed with the first file of a library
    text_model: folder of a text-audio model for `search`, default ``FINGERPRINTER_TEXT_MODEL``
    Raises `LibraryError` or `VersionError` where it cannot be used, `UsageError` for a profile
    that it does not have.
    """
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"{profile}: no such profile; there are {', '.join(PROFILES)}")
    database = Database.open(_address(url), create=create, read_only=read_only)
    try:
        return Library(database, _settings(text_model), profile)
    except BaseException:
        database.close()
        raise


def _settings(text_model: str | os.PathLike[str] | None) -> Settings:
    found = Settings()
    return found if text_model is None else replace(found, text_model=Path(text_model))


def upgrade_schema(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """Makes the library at an address, or brings it to this version's schema.

    Raises `LibraryError` or `VersionError` where that cannot be done.
    """
    address = _address(url)
    return SchemaStatus(str(Address.parse(address)), migration.upgrade(address), SCHEMA_HEAD)


def schema_status(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """The schema at an address; raises `LibraryError` where no database is."""
    address = _address(url)
    return SchemaStatus(str(Address.parse(address)), migration.current(address), SCHEMA_HEAD)


def _address(url: str | os.PathLike[str] | None) -> str:
    """The address meant; the user's data folder is ours to make, any other is the user's."""
    if url is not None:
        return os.fspath(url)
    address = default_address()
    if address.startswith(_SQLITE) and not os.environ.get("FINGERPRINTER_DB"):
        _make_folder(Path(address.removeprefix(_SQLITE)).parent)
    return address


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{folder}: {error.strerror}; name another place with --db or FINGERPRINTER_DB"
        ) from error
