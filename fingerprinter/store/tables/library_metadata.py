"""Facts about the library as a whole: its identity, parameters and revision."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from fingerprinter.errors import CorruptionError, VersionError
from fingerprinter.store.tables.checked import damaged
from fingerprinter.store.tables.schema import setting

LIBRARY_ID = "library_id"
PARAMS_ID = "params_id"
REVISION = "revision"
CREATED_AT = "created_at"
CREATED_BY = "created_by"
ACCESS_DIGEST = "access_digest"
APP_PASSWORD = "app_password"


# The form of a value, and what to do where a stored one has another. Rows of settings have no
# checksum, so each value is checked when it is read.
_NEW = "restore a copy of the library, or index into a new one (--db)"
_FORMS: Final = {
    PARAMS_ID: ("[0-9a-f]{16}", _NEW),
    CREATED_BY: ("[!-~]{1,100}", _NEW),
    ACCESS_DIGEST: ("[0-9a-f]{64}", "run `fingerprinter serve --new-token`"),
    APP_PASSWORD: (r"[^\x00-\x1f]{1,1000}", "run `fingerprinter serve --app-password`"),
}


def get(connection: Connection, name: str) -> str | None:
    """Return the value of a setting, or None if there is none.

    Raises
    ------
    CorruptionError
        If the program never writes such a value.
    """
    value = connection.scalar(select(setting.c.value).where(setting.c.name == name))
    form, next_step = _FORMS.get(name, ("(?s:.*)", ""))
    if value is not None and not re.fullmatch(form, value):
        found = f"the setting {name} is not what was written"
        raise CorruptionError(f"the library is damaged: {found}; {next_step}", found)
    return value


def damaged_settings(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield what is found of each value that `get` refuses, and the next step."""
    for name, (_, next_step) in _FORMS.items():
        try:
            get(connection, name)
        except CorruptionError as error:
            yield error.found, next_step


def library_id(connection: Connection) -> str:
    """Return the identity of a library, 32 hexadecimal digits.

    Files of the library are named by it. So a value from a crafted database, which could be a path,
    is refused.

    Raises
    ------
    CorruptionError
        If the stored value is not an identity.
    """
    stored = get(connection, LIBRARY_ID)
    if stored is None or not re.fullmatch("[0-9a-f]{32}", stored):
        raise CorruptionError(
            "the library's id is damaged: it is not 32 hexadecimal digits;"
            " export the library and import the file into a new one"
        )
    return stored


def put(connection: Connection, name: str, value: str) -> None:
    """Store a setting; replace an earlier value."""
    connection.execute(delete(setting).where(setting.c.name == name))
    connection.execute(insert(setting).values(name=name, value=value))


def initialize(connection: Connection, *, now: datetime, version: str) -> None:
    """Give a new library its identity. A library that has one keeps it.

    Parameters
    ----------
    now
        Time of creation, with a time zone.
    version
        Version of the package that creates the library.
    """
    if get(connection, LIBRARY_ID) is None:
        put(connection, LIBRARY_ID, uuid.uuid4().hex)
        put(connection, REVISION, "0")
        put(connection, CREATED_AT, now.isoformat())
        put(connection, CREATED_BY, version)


def require(connection: Connection, name: str, value: str) -> None:
    """Require that a setting has a value, or is not set yet.

    Raises
    ------
    VersionError
        If the library was filled under another value.
    """
    stored = get(connection, name)
    if stored not in (None, value):
        maker = get(connection, CREATED_BY)
        raise VersionError(
            f"the library was made by fingerprinter {maker} with {name} {stored}, and this "
            f"program works with {value}: index into a new library (--db), or use that version"
        )


def claim(connection: Connection, name: str, value: str) -> None:
    """Set a value for good, because everything that is stored from now on depends on it.

    Raises
    ------
    VersionError
        If another value is set already.
    """
    require(connection, name, value)
    if get(connection, name) is None:
        put(connection, name, value)


def revision(connection: Connection) -> int:
    """Return how often tracks, tags or vectors have changed. Derived files store this number."""
    stored = get(connection, REVISION) or "0"
    if not re.fullmatch("[0-9]{1,18}", stored, re.ASCII):
        raise damaged("the revision in its settings is not a number")
    return int(stored)


def bump_revision(connection: Connection) -> int:
    """Count a change and return the new revision. Call it once in each transaction."""
    put(connection, REVISION, str(changed := revision(connection) + 1))
    return changed
