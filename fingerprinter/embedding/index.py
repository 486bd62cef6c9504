"""Nearest-neighbour index: FAISS in immutable files, plus a small exact delta.

The index is derived from the vectors in the database. Tracks that were added or removed after it
was built are in the delta. When the delta becomes too large, the index is rebuilt; it is also
rebuilt when a file does not fit the library or the model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinter.core.arrays import Floats, Ids
from fingerprinter.embedding.manifest import FORMAT, IndexManifest, commit, is_intact, read_manifest
from fingerprinter.embedding.space import VectorSpace
from fingerprinter.errors import ModelError

EXACT_TRACKS = 50_000  # up to this size a query is compared with every track, which takes 4 ms
MIN_UPDATED_TRACKS = 2000  # a smaller index is rebuilt after every change, which is quick
_MAX_DELTA_SHARE = 0.05  # of the tracks; searching a larger delta is as slow as comparing all
_LISTS_PER_ROOT = 4  # inverted lists, as a multiple of the square root of the number of tracks
_TRAINED_PER_LIST = 40  # tracks from which the centroids are learned
_PROBES = 48  # inverted lists that a query reads
_ADD_BATCH = 16_384  # tracks added at a time


@dataclass(frozen=True, slots=True)
class DeltaIndex:
    """The changes since the base index was built.

    Attributes
    ----------
    ids, entries
        (t,) int64 and (t, dim + 1) float32, the tracks that were added.
    deleted
        (d,) int64, ids of the tracks that were removed.
    """

    ids: Ids
    entries: Floats
    deleted: Ids

    @classmethod
    def empty(cls, width: int) -> DeltaIndex:
        """Return a delta without changes for entries of a width."""
        return cls(np.empty(0, np.int64), np.empty((0, width), np.float32), np.empty(0, np.int64))

    def arrays(self) -> dict[str, Any]:
        """Return all arrays under their names in the file format."""
        return {"ids": self.ids, "entries": self.entries, "gone": self.deleted}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> DeltaIndex:
        """Return the delta that `arrays` were made from."""
        return cls(arrays["ids"], arrays["entries"], arrays["gone"])


class VectorIndex:
    """Finds the most similar tracks of one library in its `VectorSpace`.

    Up to `EXACT_TRACKS` tracks are compared exactly. More tracks are kept in an inverted file with
    8 bits for each number, of which a query reads some lists. An index is immutable and is made by
    `build`, `load` or `update`.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    >>> index = VectorIndex.build(np.arange(20) * 10, rows)
    >>> ids, similarities = index.search(rows[3], k=2)
    >>> int(ids[0]), round(float(similarities[0]), 3)
    (30, 1.0)
    """

    def __init__(
        self,
        space: VectorSpace,
        base: Any,
        ids: Ids,
        delta: DeltaIndex,
        saved: IndexManifest | None = None,
    ) -> None:
        """Wrap a FAISS index.

        Parameters
        ----------
        space
            Space of the vectors.
        base
            FAISS index of `VectorSpace.entries` under the ids of the tracks.
        ids
            (n,) int64, the tracks in the base.
        delta
            Changes since the base was built.
        saved
            Manifest of the files that the index was loaded from.
        """
        self.space = space
        self._base, self._ids, self._delta, self._saved = base, ids, delta, saved

    @property
    def revision(self) -> int | None:
        """Revision of the library when the index was saved; None for an index not loaded."""
        return self._saved.revision if self._saved else None

    @classmethod
    def build(cls, ids: Ids, vectors: Floats, *, hubs: bool = False) -> VectorIndex:
        """Build an index of raw vectors, in a space fitted to them.

        Parameters
        ----------
        ids
            (n,) int64, track ids.
        vectors
            (n, dim) float32, raw vectors, n >= 0.
        hubs
            Leave hubs uncorrected, so that similarities are cosines.
        """
        space = VectorSpace.fit(vectors, hubs=hubs)
        base = _empty_base(space, vectors)
        for start in range(0, len(ids), _ADD_BATCH):
            batch = slice(start, start + _ADD_BATCH)
            base.add_with_ids(space.entries(space.standardise(vectors[batch])), ids[batch])
        return cls(space, base, ids, DeltaIndex.empty(space.dim + 1))

    def __len__(self) -> int:
        return len(self._ids) - len(self._delta.deleted) + len(self._delta.ids)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.space.dim

    @property
    def is_exact(self) -> bool:
        """Whether a query is compared with every track."""
        return not hasattr(self._base, "nprobe")

    def search(
        self,
        vector: Floats,
        k: int,
        exclude: Collection[int] = (),
        candidate_ids: Ids | None = None,
    ) -> tuple[Ids, Floats]:
        """Find the tracks most similar to a raw vector (dim,) float32; otherwise as `nearest`."""
        if len(self) == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        unit = self.space.standardise(vector[np.newaxis])[0]
        return self.nearest(unit, k, exclude, candidate_ids)

    def nearest(
        self, unit: Floats, k: int, exclude: Collection[int] = (), candidate_ids: Ids | None = None
    ) -> tuple[Ids, Floats]:
        """Find the tracks most similar to a unit vector.

        Parameters
        ----------
        unit
            (dim,) float32, unit vector in the `space`.
        k
            Largest number of results.
        exclude
            Ids of tracks that are no results.
        candidate_ids
            (c,) int64, ids of the only tracks that may be results; None for all.

        Returns
        -------
        ids : (m,) int64
            Track ids, most similar first, m <= k.
        similarities : (m,) float32
            Their similarities, -1 to 1.
        """
        query = self.space.query_vector(unit)
        excluded = np.array(sorted(exclude), np.int64)
        base_ids, base_products = self._search_base(query, k, excluded, candidate_ids)
        delta_ids, delta_products = self._search_delta(query, excluded, candidate_ids)
        ids = np.concatenate([base_ids, delta_ids])
        products = np.concatenate([base_products, delta_products])
        best = np.argsort(-products, kind="stable")[:k]
        return ids[best], self.space.similarities(unit, products[best])

    def _search_base(
        self, query: Floats, k: int, excluded: Ids, candidate_ids: Ids | None
    ) -> tuple[Ids, Floats]:
        """Search the FAISS index for the k largest inner products."""
        excluded = np.concatenate([excluded, self._delta.deleted])
        candidates = None if candidate_ids is None else np.setdiff1d(candidate_ids, excluded)
        count = len(self._ids) if candidates is None else len(candidates)
        k = min(k, count)
        if k == 0 or len(self._ids) == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        faiss = _faiss()
        options: dict[str, Any] = {}
        if candidates is not None:
            options["sel"] = faiss.IDSelectorBatch(candidates)
        elif len(excluded):
            options["sel"] = faiss.IDSelectorNot(faiss.IDSelectorBatch(excluded))
        if self.is_exact:
            params = faiss.SearchParameters(**options)
        else:
            params = faiss.SearchParametersIVF(nprobe=self._probes(k, count), **options)
        products, ids = self._base.search(query[np.newaxis], k, params=params)
        found = ids[0] >= 0
        return ids[0][found], products[0][found]

    def _probes(self, k: int, candidates: int) -> int:
        """Return how many lists to read: more for a larger k, and for fewer candidates."""
        lists, n = int(self._base.nlist), len(self._ids)
        sparsity = n / max(candidates, 1)
        return min(lists, round(_PROBES * sparsity) + round(4 * k * sparsity * lists / n))

    def _search_delta(
        self, query: Floats, excluded: Ids, candidate_ids: Ids | None
    ) -> tuple[Ids, Floats]:
        """Return the ids and inner products of all added tracks that may be results."""
        allowed = ~np.isin(self._delta.ids, excluded)
        if candidate_ids is not None:
            allowed &= np.isin(self._delta.ids, candidate_ids)
        return self._delta.ids[allowed], self._delta.entries[allowed] @ query

    def update(self, ids: Ids, read: Callable[[Ids], Floats]) -> VectorIndex | None:
        """Return an index of the current tracks that shares the base of this one.

        Parameters
        ----------
        ids
            (n,) int64, all current tracks.
        read
            Takes ids (m,) and returns raw vectors (m, dim).

        Returns
        -------
        VectorIndex or None
            None if so much has changed that a rebuild is better.
        """
        added, deleted = np.setdiff1d(ids, self._ids), np.setdiff1d(self._ids, ids)
        updates = len(self._ids) >= MIN_UPDATED_TRACKS
        limit = _MAX_DELTA_SHARE * len(self._ids) if updates else 0
        if len(added) + len(deleted) > limit:
            return None
        entries = self.space.entries(self.space.standardise(read(added)))
        delta = DeltaIndex(added, entries, deleted)
        return VectorIndex(self.space, self._base, self._ids, delta, self._saved)

    def save(self, directory: Path, library_id: str, revision: int, model: str) -> IndexManifest:
        """Write the files that do not exist yet and commit them.

        Other processes may read and save at the same time.

        Parameters
        ----------
        directory
            Folder of the files.
        library_id, revision
            The library and its state.
        model
            Digest of the embedding model.

        Raises
        ------
        ModelError
            If the folder cannot be written.
        """

        def manifest(files: Mapping[str, str]) -> IndexManifest:
            return IndexManifest(library_id, revision, model, len(self), self.dim, dict(files))

        existing = self._saved.files if self._saved else {}
        space = {**self.space.arrays(), "ids": self._ids}
        parts: dict[str, Callable[[Path], None] | str] = {
            "base": existing.get("base")
            or (lambda path: _faiss().write_index(self._base, str(path))),
            "space": existing.get("space") or (lambda path: _write(path, space)),
            "tail": lambda path: _write(path, self._delta.arrays()),
        }
        try:
            return commit(directory, parts, manifest)
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError if it cannot write
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{directory}: the vector index was not written ({reason}), so the next run makes"
                " it again; free some space, or name another folder by FINGERPRINTER_CACHE"
            ) from error

    @classmethod
    def load(cls, directory: Path, library_id: str, model: str) -> VectorIndex | None:
        """Map the index of a library into memory.

        Parameters
        ----------
        directory
            Folder of the files.
        library_id
            The library.
        model
            Digest of the embedding model.

        Returns
        -------
        VectorIndex or None
            None if there is no index, or it is damaged or of another library, model or format.
            Its `revision` may be older than the library; see `update`.
        """
        manifest = read_manifest(directory)
        if manifest is None or manifest.format != FORMAT:
            return None
        if (manifest.library_id, manifest.model) != (library_id, model):
            return None
        if not is_intact(directory, manifest):
            return None
        faiss = _faiss()
        try:
            base = faiss.read_index(
                str(directory / manifest.file_name("base")), faiss.IO_FLAG_MMAP_IFC
            )
            space = _read(directory / manifest.file_name("space"))
            delta = DeltaIndex.from_arrays(_read(directory / manifest.file_name("tail")))
        except (OSError, RuntimeError):  # removed by another writer, or of another FAISS version
            return None
        ids = space.pop("ids")
        return cls(VectorSpace.from_arrays(space), base, ids, delta, manifest)


def _empty_base(space: VectorSpace, vectors: Floats) -> Any:
    """Return a FAISS index without tracks, trained on raw vectors if they are many."""
    faiss, width = _faiss(), space.dim + 1
    if len(vectors) <= EXACT_TRACKS:
        return faiss.IndexIDMap(faiss.IndexFlatIP(width))
    lists = round(_LISTS_PER_ROOT * len(vectors) ** 0.5)
    product, code = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit
    base = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(width), width, lists, code, product)
    rows = np.linspace(0, len(vectors) - 1, min(len(vectors), _TRAINED_PER_LIST * lists))
    base.train(space.entries(space.standardise(vectors[rows.astype(np.int64)])))
    return base


def _faiss() -> Any:
    """Import FAISS and set it to one thread.

    The import takes 0.1 s, so that only searches pay for it. A search for one vector gains nothing
    from more threads, and waits 40 ms for them where cores are busy.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
