"""Embeddings and tag activations of the tracks, each under the model that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Column, Connection, Row, delete, func, insert, select

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import tracks
from fingerprinter.store.tables.schema import embedding

Vector = npt.NDArray[np.float32]

_STORED = np.dtype("<f4")
ROWS_PER_READ = 4096  # read at a time
_ASKED = 1000  # ids in a statement: few enough parameters for SQLite


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a model says of a track.

    vector: (d,) float32; tags: (t,) float32, empty where the model knows no tags
    """

    vector: Vector
    tags: Vector


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row per track, sorted by id.

    ids: (n,) int64; rows: (n, d) float32
    """

    ids: npt.NDArray[np.int64]
    rows: Vector

    def __len__(self) -> int:
        return len(self.ids)


def put(connection: Connection, track_id: int, model: str, vector: Vector, tags: Vector) -> None:
    """Keeps a track's embedding under a model, in place of any before."""
    same = (embedding.c.track_id == track_id) & (embedding.c.model == model)
    connection.execute(delete(embedding).where(same))
    connection.execute(
        insert(embedding).values(
            track_id=track_id,
            model=model,
            vector=vector.astype(_STORED).tobytes(),
            tags=tags.astype(_STORED).tobytes(),
        )
    )


def get(connection: Connection, track_id: int, model: str) -> Embedding | None:
    """A track's embedding under a model; None where it has none."""
    row = connection.execute(
        select(embedding.c.vector, embedding.c.tags).where(
            embedding.c.track_id == track_id, embedding.c.model == model
        )
    ).first()
    return None if row is None else Embedding(_floats(row.vector), _floats(row.tags))


def _floats(data: bytes) -> Vector:
    return np.frombuffer(data, _STORED).astype(np.float32)


def vector_matrix(connection: Connection, model: str) -> Matrix:
    """The embeddings of all tracks that have one under a model; raises `CorruptionError`."""
    return _matrix(connection, model, embedding.c.vector)


def ids(connection: Connection, model: str) -> npt.NDArray[np.int64]:
    """The tracks that have an embedding under a model, sorted, (n,) int64."""
    here = select(embedding.c.track_id).where(embedding.c.model == model)
    return np.array(list(connection.scalars(here.order_by(embedding.c.track_id))), np.int64)


def get_many(connection: Connection, model: str, track_ids: Sequence[int]) -> Matrix:
    """The embeddings of those of the given tracks that have one; raises `CorruptionError`."""
    width = _width(connection, model, embedding.c.vector)
    found = Matrix(np.empty(0, np.int64), np.empty((0, width // 4), np.float32))
    columns = select(embedding.c.track_id, embedding.c.vector).where(embedding.c.model == model)
    for start in range(0, len(track_ids), _ASKED):
        wanted = embedding.c.track_id.in_(track_ids[start : start + _ASKED])
        rows = connection.execute(columns.where(wanted).order_by(embedding.c.track_id)).all()
        ids = np.array([track_id for track_id, _ in rows], np.int64)
        found = Matrix(
            np.concatenate([found.ids, ids]),
            np.concatenate([found.rows, _stacked(rows, width)]),
        )
    return found


def tag_matrix(connection: Connection, model: str) -> Matrix:
    """The tag activations of all tracks that have some under a model; raises `CorruptionError`."""
    return _matrix(connection, model, embedding.c.tags)


def _matrix(connection: Connection, model: str, column: Column[bytes]) -> Matrix:
    """Rows straight into one array: at 100,000 tracks a list of them would double the memory."""
    here = embedding.c.model == model
    count = connection.scalar(select(func.count()).where(here)) or 0
    width = _width(connection, model, column)
    matrix = Matrix(np.empty(count, np.int64), np.empty((count, width // 4), np.float32))
    statement = select(embedding.c.track_id, column).where(here).order_by(embedding.c.track_id)
    result = connection.execute(statement, execution_options={"yield_per": ROWS_PER_READ})
    start = 0
    for rows in result.partitions():
        end = start + len(rows)
        matrix.ids[start:end] = [track_id for track_id, _ in rows]
        matrix.rows[start:end] = _stacked(rows, width)
        start = end
    return matrix


def _width(connection: Connection, model: str, column: Column[bytes]) -> int:
    """Bytes of each row."""
    here = embedding.c.model == model
    return connection.scalar(select(func.length(column)).where(here).limit(1)) or 0


def _stacked(rows: Sequence[Row[int, bytes]], width: int) -> Vector:
    for track_id, data in rows:
        if len(data) != width:
            raise CorruptionError(
                f"track {track_id}: its embedding has {len(data)} bytes, others {width}; "
                "remove the track and index it again"
            )
    values = np.frombuffer(b"".join(data for _, data in rows), _STORED)
    return values.reshape(len(rows), width // 4)


def missing(connection: Connection, model: str) -> list[int]:
    """Ids of the tracks without an embedding under a model, sorted."""
    return tracks.lacking(connection, embedding.c.track_id, embedding.c.model == model)


def size(connection: Connection) -> tuple[int, int]:
    """(number, bytes) of all embeddings, of every model."""
    length = func.length(embedding.c.vector) + func.length(embedding.c.tags)
    number, total = connection.execute(select(func.count(), func.sum(length))).one()
    return number, int(total or 0)
