"""The vector index of a library: fresh, or made anew from the database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from fingerprinter.embedding import VectorIndex
from fingerprinter.store import settings, vectors


def vector_index(connection: Connection, cache: Path, model: str) -> VectorIndex:
    """The index of a model's vectors as the database has them now.

    cache: folder of derived files; the index is kept there, and rebuilt where it is
    missing, stale or damaged
    """
    library_id = settings.get(connection, settings.LIBRARY_ID) or "unknown"
    revision = settings.revision(connection)
    folder = cache / library_id
    found = VectorIndex.load(folder, library_id, revision, model)
    if found is None:
        matrix = vectors.vector_matrix(connection, model)
        found = VectorIndex.build(matrix.ids, matrix.rows)
        found.save(folder, library_id, revision, model)
    return found
