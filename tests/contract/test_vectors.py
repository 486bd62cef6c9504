"""Embeddings in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from databases import Store
from sqlalchemy import Connection, update

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows, schema, tracks, vectors
from fingerprinter.store.tables.schema import embedding
from fingerprinter.types import Tags

NO_TAGS = np.empty(0, np.float32)


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


def vector(seed: int, width: int = 7) -> vectors.Vector:
    return np.random.default_rng(seed).normal(size=width).astype(np.float32)


def test_an_embedding_is_stored_exactly(store: Store) -> None:
    extremes = np.array(
        [0.0, -0.0, np.finfo(np.float32).min, 1e-45, np.finfo(np.float32).max], np.float32
    )
    with store.write() as connection:
        track_id = add(connection, "c1")
        vectors.put(connection, track_id, "model", extremes, vector(1))
    with store.read() as connection:
        found = vectors.get(connection, track_id, "model")
        assert vectors.get(connection, track_id, "another") is None
    assert found is not None
    assert found.vector.tobytes() == extremes.tobytes()
    assert found.tags.tobytes() == vector(1).tobytes()
    found.vector[:] = 0  # the array is writable


def test_an_embedding_is_replaced(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        for seed in (1, 2):
            vectors.put(connection, track_id, "model", vector(seed), NO_TAGS)
    with store.read() as connection:
        matrix = vectors.vector_matrix(connection, "model")
    np.testing.assert_array_equal(matrix.rows, [vector(2)])


def test_matrices_hold_one_model_sorted_by_id(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "ROWS_PER_READ", 10)
    with store.write() as connection:
        ids = [add(connection, f"c{n}") for n in range(25)]
        for track_id in reversed(ids):
            vectors.put(connection, track_id, "model", vector(track_id), vector(-track_id % 97, 3))
        vectors.put(connection, ids[0], "another", vector(0, 2), NO_TAGS)
    with store.read() as connection:
        found, tags = (
            function(connection, "model")
            for function in (vectors.vector_matrix, vectors.tag_matrix)
        )
    assert (found.ids.dtype, found.rows.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_array_equal(found.rows, [vector(track_id) for track_id in ids])
    np.testing.assert_array_equal(tags.ids, ids)
    np.testing.assert_array_equal(tags.rows, [vector(-track_id % 97, 3) for track_id in ids])


def test_empty_matrices(store: Store) -> None:
    with store.write() as connection:
        vectors.put(connection, add(connection, "c1"), "tagless", vector(1), NO_TAGS)
    with store.read() as connection:
        assert vectors.vector_matrix(connection, "model").rows.shape == (0, 0)
        assert vectors.tag_matrix(connection, "tagless").rows.shape == (1, 0)


def test_a_vector_of_another_length_is_corruption(store: Store) -> None:
    with store.write() as connection:
        one, two = add(connection, "c1"), add(connection, "c2")
        for track_id in (one, two):
            vectors.put(connection, track_id, "model", vector(1), NO_TAGS)
        cut = {"vector": b"1234", "checksum": None}
        connection.execute(update(embedding).where(embedding.c.track_id == two).values(cut))
    message = f"track {two}: its embedding has 4 bytes, others 28; remove the track and index it"
    with store.read() as connection, pytest.raises(CorruptionError, match=message):
        vectors.vector_matrix(connection, "model")


def test_tracks_without_an_embedding_of_a_model_are_missing(store: Store) -> None:
    with store.write() as connection:
        both, old, none = (add(connection, f"c{n}") for n in range(3))
        for track_id, model in ((both, "old"), (both, "new"), (old, "old")):
            vectors.put(connection, track_id, model, vector(1), NO_TAGS)
    with store.read() as connection:
        assert feature_rows.missing(connection, schema.embedding, "new") == [old, none]
        assert feature_rows.missing(connection, schema.embedding, "old") == [none]


def test_a_removed_track_has_no_vector(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        vectors.put(connection, track_id, "model", vector(1), NO_TAGS)
        tracks.remove(connection, track_id)
    with store.read() as connection:
        assert len(vectors.vector_matrix(connection, "model")) == 0
