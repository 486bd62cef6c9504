from __future__ import annotations

from datetime import UTC, datetime

import pytest
from databases import Store

from fingerprinter.errors import CorruptionError, VersionError
from fingerprinter.store.tables import library_metadata

PARAMS = "0123456789abcdef"


def test_a_new_library_has_an_identity(store: Store) -> None:
    with store.read() as connection:
        assert len(library_metadata.get(connection, library_metadata.LIBRARY_ID) or "") == 32
        created_at = datetime.fromisoformat(
            library_metadata.get(connection, library_metadata.CREATED_AT) or ""
        )
        assert created_at.utcoffset() == datetime.now(UTC).utcoffset()
        assert library_metadata.get(connection, library_metadata.CREATED_BY)
        assert library_metadata.revision(connection) == 0


def test_its_identity_stays(store: Store) -> None:
    with store.read() as connection:
        before = library_metadata.get(connection, library_metadata.LIBRARY_ID)
    with store.write() as connection:
        library_metadata.initialize(connection, now=datetime.now(UTC), version="another")
    with store.read() as connection:
        assert library_metadata.get(connection, library_metadata.LIBRARY_ID) == before


def test_a_setting_is_replaced(store: Store) -> None:
    for value in ("one", "two 🎵"):
        with store.write() as connection:
            library_metadata.put(connection, "name", value)
        with store.read() as connection:
            assert library_metadata.get(connection, "name") == value
            assert library_metadata.get(connection, "another") is None


def test_revision_counts_up(store: Store) -> None:
    for expected in (1, 2, 3):
        with store.write() as connection:
            assert library_metadata.bump_revision(connection) == expected
        with store.read() as connection:
            assert library_metadata.revision(connection) == expected


def test_a_library_belongs_to_the_parameters_that_filled_it(store: Store) -> None:
    with store.write() as connection:
        library_metadata.require(
            connection, library_metadata.PARAMS_ID, PARAMS
        )  # nothing is claimed yet
        library_metadata.claim(connection, library_metadata.PARAMS_ID, PARAMS)
        library_metadata.claim(connection, library_metadata.PARAMS_ID, PARAMS)
    with store.read() as connection:
        library_metadata.require(connection, library_metadata.PARAMS_ID, PARAMS)
        with pytest.raises(VersionError, match=r"params_id 0123.*works with ffff.*: index into"):
            library_metadata.require(connection, library_metadata.PARAMS_ID, "f" * 16)
    with store.write() as connection, pytest.raises(VersionError):
        library_metadata.claim(connection, library_metadata.PARAMS_ID, "f" * 16)
    with store.read() as connection:
        assert library_metadata.get(connection, library_metadata.PARAMS_ID) == PARAMS


@pytest.mark.parametrize("value", ["", "../../victim", "/etc", "A" * 32, "0" * 33, "0" * 31 + "\n"])
def test_an_identity_that_could_be_a_path_is_refused(store: Store, value: str) -> None:
    """The vector index is written into a folder of this name."""
    with store.write() as connection:
        library_metadata.put(connection, library_metadata.LIBRARY_ID, value)
    with store.read() as connection, pytest.raises(CorruptionError, match="32 hexadecimal digits"):
        library_metadata.library_id(connection)


@pytest.mark.parametrize(
    ("name", "value", "next_step"),
    [
        (library_metadata.PARAMS_ID, PARAMS[1:], "index into a new one"),
        (library_metadata.CREATED_BY, "0.1\x1b[2J", "index into a new one"),
        (library_metadata.ACCESS_DIGEST, "0" * 63, "serve --new-token"),
        (library_metadata.APP_PASSWORD, "", "serve --app-password"),  # anybody could log in
    ],
)
def test_a_value_that_no_program_writes_is_refused(
    store: Store, name: str, value: str, next_step: str
) -> None:
    with store.write() as connection:
        library_metadata.put(connection, name, value)
    with store.read() as connection:
        ((found, step),) = library_metadata.damaged_settings(connection)
        assert next_step in step
        with pytest.raises(CorruptionError, match=f"{found}; {step[:20]}".replace("(", ".")):
            library_metadata.get(connection, name)
