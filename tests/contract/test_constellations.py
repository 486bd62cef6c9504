from __future__ import annotations

from datetime import UTC, datetime

import pytest
from databases import Store
from sqlalchemy import Connection

from fingerprinter.store.tables import constellations, feature_rows, schema, tracks
from fingerprinter.types import Tags

EVERY_BYTE = bytes(range(256)) * 300


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


def test_bytes_come_back(store: Store) -> None:
    with store.write() as connection:
        one, two, none = (add(connection, f"c{n}") for n in range(3))
        feature_rows.put(connection, schema.constellation, one, data=EVERY_BYTE)
        feature_rows.put(connection, schema.constellation, two, data=b"")
    with store.read() as connection:
        assert constellations.get(connection, one) == EVERY_BYTE
        assert constellations.get(connection, two) == b""
        assert constellations.get(connection, none) is None


def test_bytes_of_many_come_at_once(store: Store) -> None:
    with store.write() as connection:
        one, two, none = (add(connection, f"c{n}") for n in range(3))
        feature_rows.put(connection, schema.constellation, one, data=EVERY_BYTE)
        feature_rows.put(connection, schema.constellation, two, data=b"two")
    with store.read() as connection:
        found = constellations.get_many(connection, {one, none})
        assert found == {one: EVERY_BYTE}
        assert constellations.get_many(connection, ()) == {}


def test_bytes_are_replaced(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        feature_rows.put(connection, schema.constellation, track_id, data=b"before")
    with store.write() as connection:
        feature_rows.put(connection, schema.constellation, track_id, data=b"after")
    with store.read() as connection:
        assert list(constellations.iterate(connection)) == [(track_id, b"after")]


def test_all_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constellations, "ROWS_PER_READ", 10)
    with store.write() as connection:
        ids = [add(connection, f"c{n}") for n in range(50)]
        for track_id in reversed(ids[::2]):
            feature_rows.put(
                connection, schema.constellation, track_id, data=str(track_id).encode()
            )
    with store.read() as connection:
        found = list(constellations.iterate(connection))
    assert found == [(track_id, str(track_id).encode()) for track_id in ids[::2]]
