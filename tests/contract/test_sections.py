"""Sections and facets of tracks in both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from databases import Store
from sqlalchemy import Connection, update

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import facets, feature_rows, schema, sections, tracks
from fingerprinter.store.tables.schema import facet, section
from fingerprinter.types import Tags


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


def some(count: int, seed: int = 0) -> sections.Sections:
    vectors = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    return sections.Sections(12 * np.arange(count, dtype=np.float32), vectors)


def test_sections_come_back_at_half_precision(store: Store) -> None:
    with store.write() as connection:
        one, other = add(connection, "c1"), add(connection, "c2")
        sections.put(connection, one, "model", some(9, seed=1))
        sections.put(connection, one, "model", some(3))
        sections.put(connection, other, "another", some(2))
    with store.read() as connection:
        found = sections.get(connection, one, "model")
        assert sections.get(connection, other, "model") is None
        assert list(sections.get_many(connection, [one, other], "another")) == [other]
        assert feature_rows.missing(connection, schema.section, "model") == [other]
        columns = schema.section.c.starts, schema.section.c.vectors
        assert feature_rows.size(connection, *columns) == 5 * (4 + 5 * 2)
    assert found is not None
    assert len(found) == 3
    np.testing.assert_array_equal(found.starts_s, some(3).starts_s)
    np.testing.assert_allclose(found.vectors, some(3).vectors, rtol=5e-4)


@pytest.mark.parametrize("starts", [b"", b"123", b"12345678"])
def test_damaged_sections_are_told(store: Store, starts: bytes) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        sections.put(connection, track_id, "model", some(3))
        connection.execute(update(section).values(starts=starts, vectors=b"1" * 30 + b"2"))
    with (
        store.read() as connection,
        pytest.raises(CorruptionError, match="run `fingerprinter verify`"),
    ):
        sections.get(connection, track_id, "model")


def test_facets_are_of_one_version(store: Store) -> None:
    values = np.linspace(-2, 2, 5).astype(np.float32)
    with store.write() as connection:
        ids = [add(connection, f"c{number}") for number in range(3)]
        for track_id in ids:
            facets.put(connection, track_id, "1", values * track_id)
        facets.put(connection, ids[1], "2", values)
    with store.read() as connection:
        found = facets.matrix(connection, "1", 5)
        assert feature_rows.missing(connection, schema.facet, "1") == [ids[1]]
        assert len(facets.matrix(connection, "3", 5)) == 0
        with pytest.raises(CorruptionError, match="10 bytes and not 12"):
            facets.matrix(connection, "2", 6)
    assert found.ids.tolist() == [ids[0], ids[2]]
    np.testing.assert_allclose(found.rows[1], values * ids[2], rtol=1e-3)


def test_both_go_with_their_track(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        sections.put(connection, track_id, "model", some(3))
        facets.put(connection, track_id, "1", np.zeros(4, np.float32))
        tracks.remove(connection, track_id)
    with store.read() as connection:
        for table in (section, facet):
            assert connection.execute(table.select()).all() == []
