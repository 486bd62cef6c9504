"""The embeddings of a whole library: its vector index, and all vectors and tags as arrays."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats, Ids
from fingerprinter.embedding import VectorIndex
from fingerprinter.errors import ModelError
from fingerprinter.store.tables import library_metadata, vectors

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LibraryVectors:
    """All tracks that have an embedding.

    Attributes
    ----------
    ids
        (n,) int64, sorted track ids.
    vectors
        (n, dim) float32, standardised, of unit length: their inner products are cosines.
    tags
        (n, t) float32, logits in the order of `EmbeddingModel.tags`.
    scale
        (n,) float32, the factor by which distances of each track are scaled against hubs.
    """

    ids: Ids
    vectors: Floats
    tags: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def likeness(self, rows: npt.NDArray[np.intp]) -> Floats:
        """Compute the similarity of all tracks to some of them, as `similar` reports it.

        Parameters
        ----------
        rows
            (m,) rows of the tracks to compare with.

        Returns
        -------
        (n, m) float32
            Similarities, -1 to 1.
        """
        distances = 1 - self.vectors @ self.vectors[rows].T
        distances *= self.scale[:, np.newaxis] * self.scale[rows]
        return np.clip(1 - distances, -1, 1)


def vector_index(connection: Connection, cache: Path, model: str) -> VectorIndex:
    """Return the vector index for the current state of the library.

    The index is kept in files. Small changes since then are added to it. It is rebuilt after large
    changes, and if it is missing or damaged. An index that cannot be written is in memory only, and
    a warning is logged.

    Parameters
    ----------
    connection
        Connection to the library.
    cache
        Folder of derived files.
    model
        Digest of the embedding model.
    """
    library_id = library_metadata.library_id(connection)
    revision, folder = library_metadata.revision(connection), cache / library_id
    stored = VectorIndex.load(folder, library_id, model)
    if stored and stored.revision == revision:
        return stored

    def read_vectors(ids: Ids) -> Floats:
        return vectors.get_many(connection, model, ids.tolist()).rows

    index = stored.update(vectors.ids(connection, model), read_vectors) if stored else None
    if index is None:
        matrix = vectors.vector_matrix(connection, model)
        index = VectorIndex.build(matrix.ids, matrix.rows)
    try:
        index.save(folder, library_id, revision, model)
    except ModelError as error:
        _log.warning("%s", error)
    return index


def library_vectors(connection: Connection, index: VectorIndex, model: str) -> LibraryVectors:
    """Read the vectors and tags of all tracks.

    Parameters
    ----------
    connection
        Connection to the library.
    index
        The index of its current state. Vectors are standardised in the ``space`` of this index.
    model
        Digest of the embedding model.

    Raises
    ------
    CorruptionError
        If a stored embedding is damaged.
    """
    raw = vectors.vector_matrix(connection, model)
    tags = vectors.tag_matrix(connection, model)
    units = index.space.standardise(raw.rows)
    return LibraryVectors(raw.ids, units, tags.rows, index.space.scale(units))
