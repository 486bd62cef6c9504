"""Embeddings and tag activations of the tracks, each with the model that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Column, Connection, Row, func, select

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.checked import unpack_numbers
from fingerprinter.store.tables.schema import embedding, require_checksum

Vector = npt.NDArray[np.float32]

_STORED = np.dtype("<f4")
ROWS_PER_READ = 4096
_IDS_PER_STATEMENT = 1000  # few enough parameters for SQLite


@dataclass(frozen=True, slots=True)
class Embedding:
    """The output of a model for one track.

    Attributes
    ----------
    vector
        (d,) float32.
    tags
        (t,) float32. Empty if the model has no tags.
    """

    vector: Vector
    tags: Vector


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row per track, sorted by id.

    Attributes
    ----------
    ids
        (n,) int64.
    rows
        (n, d) float32.
    """

    ids: npt.NDArray[np.int64]
    rows: Vector

    def __len__(self) -> int:
        return len(self.ids)


def put(connection: Connection, track_id: int, model: str, vector: Vector, tags: Vector) -> None:
    """Store a track's embedding of a model; replace an earlier one of that model."""
    stored, stored_tags = (each.astype(_STORED).tobytes() for each in (vector, tags))
    feature_rows.put(connection, embedding, track_id, model=model, vector=stored, tags=stored_tags)


def get(connection: Connection, track_id: int, model: str) -> Embedding | None:
    """Return a track's embedding of a model, or None if it has none."""
    same = (embedding.c.track_id == track_id) & (embedding.c.model == model)
    row = connection.execute(select(embedding).where(same)).first()
    if row is None:
        return None
    require_checksum(embedding, row)
    vector, tags = (
        unpack_numbers(data, _STORED, f"the embedding of track {track_id}").astype(np.float32)
        for data in (row.vector, row.tags)
    )
    return Embedding(vector, tags)


def vector_matrix(connection: Connection, model: str) -> Matrix:
    """Return the embeddings of a model, of all tracks that have one.

    Raises
    ------
    CorruptionError
        If they do not all have the same length.
    """
    return _matrix(connection, model, embedding.c.vector)


def ids(connection: Connection, model: str) -> npt.NDArray[np.int64]:
    """Return the ids of the tracks with an embedding of a model, sorted, (n,) int64."""
    here = select(embedding.c.track_id).where(embedding.c.model == model)
    return np.array(list(connection.scalars(here.order_by(embedding.c.track_id))), np.int64)


def get_many(connection: Connection, model: str, track_ids: Sequence[int]) -> Matrix:
    """Return the embeddings of some tracks. Tracks without one are left out.

    Raises
    ------
    CorruptionError
        If they do not all have the same length.
    """
    width = _width(connection, model, embedding.c.vector)
    found = Matrix(np.empty(0, np.int64), np.empty((0, width // 4), np.float32))
    here = select(embedding).where(embedding.c.model == model)
    for start in range(0, len(track_ids), _IDS_PER_STATEMENT):
        wanted = embedding.c.track_id.in_(track_ids[start : start + _IDS_PER_STATEMENT])
        rows = connection.execute(here.where(wanted).order_by(embedding.c.track_id)).all()
        ids = np.array([row.track_id for row in rows], np.int64)
        found = Matrix(
            np.concatenate([found.ids, ids]),
            np.concatenate([found.rows, _stack_rows(rows, embedding.c.vector, width)]),
        )
    return found


def tag_matrix(connection: Connection, model: str) -> Matrix:
    """Return the tag activations of a model, of all tracks that have some.

    Raises
    ------
    CorruptionError
        If they do not all have the same length.
    """
    return _matrix(connection, model, embedding.c.tags)


def _matrix(connection: Connection, model: str, column: Column[bytes]) -> Matrix:
    """Read rows into one array. With 100,000 tracks a list of rows would double the memory."""
    here = embedding.c.model == model
    count = connection.scalar(select(func.count()).where(here)) or 0
    width = _width(connection, model, column)
    matrix = Matrix(np.empty(count, np.int64), np.empty((count, width // 4), np.float32))
    statement = select(embedding).where(here).order_by(embedding.c.track_id)
    result = connection.execute(statement, execution_options={"yield_per": ROWS_PER_READ})
    start = 0
    for rows in result.partitions():
        end = start + len(rows)
        matrix.ids[start:end] = [row.track_id for row in rows]
        matrix.rows[start:end] = _stack_rows(rows, column, width)
        start = end
    return matrix


def _width(connection: Connection, model: str, column: Column[bytes]) -> int:
    """The bytes of the first row; all others must have as many."""
    here = embedding.c.model == model
    return connection.scalar(select(func.length(column)).where(here).limit(1)) or 0


def _stack_rows(rows: Sequence[Row[Any]], column: Column[bytes], width: int) -> Vector:
    """Decode a column of rows, whose values must have equal lengths, into one array."""
    values_of_rows = [row._mapping[column] for row in rows]
    for row, data in zip(rows, values_of_rows, strict=True):
        require_checksum(embedding, row)
        if len(data) != width:
            raise CorruptionError(
                f"track {row.track_id}: its embedding has {len(data)} bytes, others {width}; "
                "remove the track and index it again"
            )
    joined = b"".join(values_of_rows)
    values = unpack_numbers(joined, _STORED, "the embeddings of some tracks")
    return values.reshape(len(rows), width // 4)


def size(connection: Connection) -> tuple[int, int]:
    """Return the number and the bytes of all embeddings, of all models."""
    length = func.length(embedding.c.vector) + func.length(embedding.c.tags)
    number, total = connection.execute(select(func.count(), func.sum(length))).one()
    return number, int(total or 0)
