"""What sounds like what in a library: its vector index, and all of it as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.embedding import VectorIndex
from fingerprinter.store.tables import library_metadata, vectors

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LibraryVectors:
    """The tracks that have an embedding, in the space where likeness is measured.

    ids: (n,) int64, sorted
    vectors: (n, dim) float32, standardised, of unit length: their inner products are cosines
    tags: (n, t) float32, logits in the order of `EmbeddingModel.tags`
    scale: (n,) float32, by which the distances of a track are stretched, so that there are no hubs
    """

    ids: Ids
    vectors: Floats
    tags: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def likeness(self, rows: npt.NDArray[np.intp]) -> Floats:
        """How alike all tracks and some of them are, as `similar` says it, (n, m) float32."""
        distances = 1 - self.vectors @ self.vectors[rows].T
        distances *= self.scale[:, np.newaxis] * self.scale[rows]
        return np.clip(1 - distances, -1, 1)


def vector_index(connection: Connection, cache: Path, model: str) -> VectorIndex:
    """The index of a model's vectors as the database has them now.

    cache: folder of derived files; the index is kept there. What has changed since is added to
    it; it is made anew where much has, or where it is missing or damaged
    """
    library_id = library_metadata.get(connection, library_metadata.LIBRARY_ID) or "unknown"
    revision, folder = library_metadata.revision(connection), cache / library_id
    found = VectorIndex.load(folder, library_id, model)
    if found and found.revision == revision:
        return found
    now = _followed(connection, model, found) or _built(connection, model)
    now.save(folder, library_id, revision, model)
    return now


def _followed(connection: Connection, model: str, found: VectorIndex | None) -> VectorIndex | None:
    def read(ids: Ids) -> Floats:
        return vectors.get_many(connection, model, ids.tolist()).rows

    return found.follow(vectors.ids(connection, model), read) if found else None


def _built(connection: Connection, model: str) -> VectorIndex:
    matrix = vectors.vector_matrix(connection, model)
    return VectorIndex.build(matrix.ids, matrix.rows)


def library_vectors(connection: Connection, cache: Path, model: str) -> LibraryVectors:
    """Every track of a library with its place among the others and its tags.

    cache, model: as for `vector_index`, whose `space` standardises a query as these are
    Raises `CorruptionError` where an embedding is damaged.
    """
    raw = vectors.vector_matrix(connection, model)
    index = vector_index(connection, cache, model)
    tags = vectors.tag_matrix(connection, model)
    units = index.space.standardise(raw.rows)
    return LibraryVectors(raw.ids, units, tags.rows, index.space.scale(units))
