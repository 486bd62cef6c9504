from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import Store

from fingerprinter.errors import VersionError
from fingerprinter.store import settings


def test_a_new_library_has_an_identity(store: Store) -> None:
    with store.read() as connection:
        assert len(settings.get(connection, settings.LIBRARY_ID) or "") == 32
        created_at = datetime.fromisoformat(settings.get(connection, settings.CREATED_AT) or "")
        assert created_at.utcoffset() == datetime.now(UTC).utcoffset()
        assert settings.get(connection, settings.CREATED_BY)
        assert settings.revision(connection) == 0


def test_its_identity_stays(store: Store) -> None:
    with store.read() as connection:
        before = settings.get(connection, settings.LIBRARY_ID)
    with store.write() as connection:
        settings.found(connection, now=datetime.now(UTC), version="another")
    with store.read() as connection:
        assert settings.get(connection, settings.LIBRARY_ID) == before


def test_a_setting_is_replaced(store: Store) -> None:
    for value in ("one", "two 🎵"):
        with store.write() as connection:
            settings.put(connection, "name", value)
        with store.read() as connection:
            assert settings.get(connection, "name") == value
            assert settings.get(connection, "another") is None


def test_revision_counts_up(store: Store) -> None:
    for expected in (1, 2, 3):
        with store.write() as connection:
            assert settings.bump_revision(connection) == expected
        with store.read() as connection:
            assert settings.revision(connection) == expected


def test_a_library_belongs_to_the_parameters_that_filled_it(store: Store) -> None:
    with store.write() as connection:
        settings.require(connection, settings.PARAMS_ID, "0123")  # nothing is claimed yet
        settings.claim(connection, settings.PARAMS_ID, "0123")
        settings.claim(connection, settings.PARAMS_ID, "0123")
    with store.read() as connection:
        settings.require(connection, settings.PARAMS_ID, "0123")
        with pytest.raises(VersionError, match=r"params_id 0123.*works with 4567: index into"):
            settings.require(connection, settings.PARAMS_ID, "4567")
    with store.write() as connection, pytest.raises(VersionError):
        settings.claim(connection, settings.PARAMS_ID, "4567")
    with store.read() as connection:
        assert settings.get(connection, settings.PARAMS_ID) == "0123"
