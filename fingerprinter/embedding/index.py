"""Nearest vectors: an exact FAISS index, kept as an immutable file with a manifest.

The index is derived data: made from the vectors in the database, and made anew
whenever the file that is there does not fit the library, its revision or the model.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding.manifest import (
    FORMAT,
    IndexManifest,
    commit,
    is_intact,
    read_manifest,
)
from fingerprinter.embedding.whitening import whitening
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class VectorIndex:
    """Cosine similarity in the standardised space of one library; exact search."""

    def __init__(self, index: Any) -> None:
        self._index = index  # faiss.IndexPreTransform: standardise, normalise, inner product

    @classmethod
    def build(cls, ids: Ids, vectors: Floats) -> VectorIndex:
        """An index of raw vectors, standardised by their own statistics.

        ids: (n,) int64; vectors: (n, dim) float32, n >= 0
        """
        faiss = _faiss()
        dim = vectors.shape[1]
        index = faiss.IndexPreTransform(faiss.IndexIDMap(faiss.IndexFlatIP(dim)))
        index.prepend_transform(faiss.NormalizationTransform(dim, 2.0))
        index.prepend_transform(_affine(*whitening(vectors)))
        index.add_with_ids(vectors, ids)
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    def search(self, vector: Floats, k: int, exclude: Collection[int] = ()) -> tuple[Ids, Floats]:
        """The most similar tracks, best first, without the excluded.

        vector: (dim,) float32, raw, as the model gives it
        returns: ids (m,) int64 and cosines (m,) float32, m <= k
        """
        wanted = min(k + len(exclude), len(self))
        if wanted <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        similarities, ids = self._index.search(vector[np.newaxis], wanted)
        kept = ~np.isin(ids[0], list(exclude))
        return ids[0][kept][:k], np.clip(similarities[0][kept][:k], -1, 1)

    def standardise(self, vectors: Floats) -> Floats:
        """Raw vectors (m, dim) as unit vectors (m, dim) whose inner products are similarities."""
        chain = self._index.chain
        for step in map(chain.at, range(chain.size())):
            vectors = step.apply(vectors)
        return vectors

    def save(self, directory: Path, library_id: str, revision: int, model: str) -> IndexManifest:
        """Writes the index and commits it, next to readers and other writers.

        Raises `ModelError` when the folder cannot be written.
        """
        faiss = _faiss()
        manifest = partial(IndexManifest, library_id, revision, model, len(self), self.dim)
        try:
            return commit(
                directory, lambda path: faiss.write_index(self._index, str(path)), manifest
            )
        except (OSError, RuntimeError) as error:  # RuntimeError: FAISS, where it could not write
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{directory}: the vector index was not written ({reason}); "
                "free some space or make the folder writable"
            ) from error

    @classmethod
    def load(
        cls, directory: Path, library_id: str, revision: int, model: str
    ) -> VectorIndex | None:
        """The index of a library in a state, mapped into memory; None when none fits.

        None: there is none, it is stale, of another model or format, or damaged.
        """
        found = read_manifest(directory)
        if found is None or found.format != FORMAT:
            return None
        if (found.library_id, found.revision, found.model) != (library_id, revision, model):
            return None
        return cls._mapped(directory / found.file_name) if is_intact(directory, found) else None

    @classmethod
    def _mapped(cls, path: Path) -> VectorIndex | None:
        faiss = _faiss()
        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError:  # another writer has just removed it, or another FAISS wrote it
            return None


def _faiss() -> Any:
    """FAISS: imported only where neighbours are asked for (0.1 s), and on one thread.

    A search for one vector gains nothing by more, and waits 40 ms for them where cores are busy.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def _affine(matrix: Floats, offset: Floats) -> Any:
    """A FAISS transform ``matrix @ vector + offset``."""
    faiss = _faiss()
    transform = faiss.LinearTransform(len(offset), len(offset), True)
    faiss.copy_array_to_vector(matrix.ravel(), transform.A)
    faiss.copy_array_to_vector(offset, transform.b)
    transform.is_trained = True
    return transform
