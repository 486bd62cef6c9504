"""Opening a library, and making or upgrading its schema."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from fingerprinter.config import Settings, UserConfig, read_config, user_folder
from fingerprinter.core.fingerprint.params import PROFILES
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.library.library import Library
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables.schema import SCHEMA_HEAD


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The schema of a library.

    Attributes
    ----------
    address : str
        The library's address without its password.
    revision : str or None
        Revision of the schema that the library has; None if there is no library.
    head : str
        Revision that this version needs.
    """

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
    policy: SearchPolicy = DEFAULT_POLICY,
) -> Library:
    """Open a library, and create it if there is none.

    Parameters
    ----------
    url : str or path, optional
        Path of an SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL. The default is the
        environment variable ``FINGERPRINTER_DB``, else the library of the user's configuration
        (`fingerprinter.config.read_config`), else a file in the user's data folder.
    create : bool
        Whether to create the library if there is none.
    read_only : bool
        Whether to refuse all changes.
    profile : str, optional
        Name of the fingerprint parameters, one of `fingerprinter.core.fingerprint.params.PROFILES`.
        The first indexed file fixes it. The default is that of the library, else ``"default"``.
    text_model : path, optional
        Folder of the text-audio model for `Library.search`. The default is the environment
        variable ``FINGERPRINTER_TEXT_MODEL``, else that of the user's configuration; without one,
        `search` uses tags.
    policy : SearchPolicy
        The values that decide the answers of `Library.identify`, for experiments.

    Returns
    -------
    Library
        A context manager that closes the database at the end.

    Raises
    ------
    LibraryError
        If the database cannot be used.
    VersionError
        If another version wrote the library.
    UsageError
        If ``profile`` is unknown, or the library has another one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, open_library(f"{folder}/music.db") as library:
    ...     library.stats().tracks
    0
    """
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"{profile}: no such profile; there are {', '.join(PROFILES)}")
    config = read_config()
    settings = Settings.of(config)
    if text_model is not None:
        settings = replace(settings, text_model=Path(text_model))
    database = Database.open(_address(url, config), create=create, read_only=read_only)
    try:
        return Library(database, settings, profile, policy)
    except BaseException:
        database.close()
        raise


def upgrade_schema(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """Create the library at an address, or upgrade it to the schema of this version.

    Parameters
    ----------
    url : str or path, optional
        See `open_library`.

    Returns
    -------
    SchemaStatus
        ``revision`` is the one that the library had before.

    Raises
    ------
    LibraryError
        If the database cannot be used.
    VersionError
        If a newer version wrote the library.
    """
    address = _address(url, read_config())
    return SchemaStatus(str(Address.parse(address)), migration.upgrade(address), SCHEMA_HEAD)


def schema_status(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """Return the schema of the library at an address.

    Parameters
    ----------
    url : str or path, optional
        See `open_library`.

    Returns
    -------
    SchemaStatus

    Raises
    ------
    LibraryError
        If there is no database at this address.
    """
    address = _address(url, read_config())
    return SchemaStatus(str(Address.parse(address)), migration.current(address), SCHEMA_HEAD)


def _address(url: str | os.PathLike[str] | None, config: UserConfig) -> str:
    """Return the address to open. Only the default data folder is created if it is missing."""
    named = url if url is not None else os.environ.get("FINGERPRINTER_DB") or config.library
    if named is not None:
        return os.fspath(named)
    folder = user_folder("data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{folder}: {error.strerror}; name another place with --db or FINGERPRINTER_DB"
        ) from error
    return str(folder / "library.db")
