"""Nearest vectors: a FAISS index in immutable files with a manifest, and a small exact tail.

The index is derived data: made from the vectors in the database. What was added or removed
since lies in the tail, until that passes a share of the whole; then all is made anew, as it is
where a file does not fit the library or the model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding.manifest import FORMAT, IndexManifest, commit, is_intact, read_manifest
from fingerprinter.embedding.space import VectorSpace
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

EXACT_TRACKS = 50_000  # up to so many, all are compared: 4 ms
_LISTS_PER_ROOT = 4  # lists of the inverted file, times the square root of the tracks
_TRAINED_PER_LIST = 40
_PROBES = 48  # lists that a question reads
_PORTION = 16_384  # tracks that are added at a time
_TAIL_SHARE = 0.05  # of the tracks; a larger tail is not searched faster than all was
_LEAST_FOLLOWED = 2000  # tracks; an index of fewer is made anew in no time


@dataclass(frozen=True, slots=True)
class DeltaIndex:
    """What has changed since the index was made.

    ids, entries: (t,) and (t, dim + 1), of the tracks that came; gone: (g,) ids of those that went
    """

    ids: Ids
    entries: Floats
    gone: Ids

    @classmethod
    def none(cls, width: int) -> DeltaIndex:
        """Nothing has."""
        return cls(np.empty(0, np.int64), np.empty((0, width), np.float32), np.empty(0, np.int64))


class VectorIndex:
    """The tracks of one library by their likeness in its `Space`: up to 50,000 exactly.

    More are kept in an inverted file of rows of 8 bits a number, of which a search reads some
    lists. Immutable; made by `build`, `load` and `follow`.
    """

    def __init__(
        self,
        space: VectorSpace,
        base: Any,
        ids: Ids,
        tail: DeltaIndex,
        saved: IndexManifest | None = None,
    ) -> None:
        """base: a FAISS index of `Space.entries`, under the ids of the tracks, (n,) int64."""
        self.space = space
        self._base, self._ids, self._tail, self._saved = base, ids, tail, saved

    @property
    def revision(self) -> int | None:
        """Of the library, as it was loaded; None of what was just made."""
        return self._saved.revision if self._saved else None

    @classmethod
    def build(cls, ids: Ids, vectors: Floats, *, hubs: bool = False) -> VectorIndex:
        """An index of raw vectors, standardised by their own statistics.

        ids: (n,) int64; vectors: (n, dim) float32, n >= 0
        hubs: leave them, so that similarities are cosines
        """
        space = VectorSpace.fit(vectors, hubs=hubs)
        base = _empty_base(space, vectors)
        for start in range(0, len(ids), _PORTION):
            some = slice(start, start + _PORTION)
            base.add_with_ids(space.entries(space.standardise(vectors[some])), ids[some])
        return cls(space, base, ids, DeltaIndex.none(space.dim + 1))

    def __len__(self) -> int:
        return len(self._ids) - len(self._tail.gone) + len(self._tail.ids)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.space.dim

    @property
    def is_exact(self) -> bool:
        """Whether every track is compared."""
        return not hasattr(self._base, "nprobe")

    def search(
        self, vector: Floats, k: int, exclude: Collection[int] = (), among: Ids | None = None
    ) -> tuple[Ids, Floats]:
        """`nearest` to a raw vector (dim,) float32, as the model gives it."""
        if len(self) == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return self.nearest(self.space.standardise(vector[np.newaxis])[0], k, exclude, among)

    def nearest(
        self, unit: Floats, k: int, exclude: Collection[int] = (), among: Ids | None = None
    ) -> tuple[Ids, Floats]:
        """The most similar tracks, best first, without the excluded.

        unit: (dim,) float32, a direction in the `Space`
        among: ids (m,) int64 of the only tracks that count; None: all
        returns: ids (m,) int64 and similarities (m,) float32, m <= k
        """
        question = self.space.question(unit)
        without = np.array(sorted(exclude), np.int64)
        base_ids, base_products = self._in_base(question, k, without, among)
        tail_ids, tail_products = self._in_tail(question, without, among)
        ids = np.concatenate([base_ids, tail_ids])
        products = np.concatenate([base_products, tail_products])
        best = np.argsort(-products, kind="stable")[:k]
        return ids[best], self.space.similarities(unit, products[best])

    def _in_base(
        self, question: Floats, k: int, without: Ids, among: Ids | None
    ) -> tuple[Ids, Floats]:
        without = np.concatenate([without, self._tail.gone])
        among = None if among is None else np.setdiff1d(among, without)
        wanted = min(k, len(self._ids) if among is None else len(among))
        if wanted == 0 or len(self._ids) == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        params = self._params(wanted, without, among)
        products, ids = self._base.search(question[np.newaxis], wanted, params=params)
        found = ids[0] >= 0
        return ids[0][found], products[0][found]

    def _params(self, wanted: int, without: Ids, among: Ids | None) -> Any:
        faiss = _faiss()
        chosen: dict[str, Any] = {}
        if among is not None:
            chosen["sel"] = faiss.IDSelectorBatch(among)
        elif len(without):
            chosen["sel"] = faiss.IDSelectorNot(faiss.IDSelectorBatch(without))
        if self.is_exact:
            return faiss.SearchParameters(**chosen)
        share = len(self._ids) if among is None else len(among)
        return faiss.SearchParametersIVF(nprobe=self._probes(wanted, share), **chosen)

    def _probes(self, wanted: int, among: int) -> int:
        """More lists where many are wanted, and where few of each list count."""
        lists, n = int(self._base.nlist), len(self._ids)
        thin = n / max(among, 1)
        return min(lists, round(_PROBES * thin) + round(4 * wanted * thin * lists / n))

    def _in_tail(self, question: Floats, without: Ids, among: Ids | None) -> tuple[Ids, Floats]:
        counts = ~np.isin(self._tail.ids, without)
        if among is not None:
            counts &= np.isin(self._tail.ids, among)
        return self._tail.ids[counts], self._tail.entries[counts] @ question

    def follow(self, ids: Ids, read: Callable[[Ids], Floats]) -> VectorIndex | None:
        """This index brought up to the tracks of now; None where it is better made anew.

        ids: (n,) int64, of all tracks; read: ids (m,) -> raw vectors (m, dim)
        """
        come, gone = np.setdiff1d(ids, self._ids), np.setdiff1d(self._ids, ids)
        most = _TAIL_SHARE * len(self._ids) if len(self._ids) >= _LEAST_FOLLOWED else 0
        if len(come) + len(gone) > most:
            return None
        entries = self.space.entries(self.space.standardise(read(come)))
        tail = DeltaIndex(come, entries, gone)
        return VectorIndex(self.space, self._base, self._ids, tail, self._saved)

    def save(self, directory: Path, library_id: str, revision: int, model: str) -> IndexManifest:
        """Writes what is not there yet and commits it, next to readers and other writers.

        Raises `ModelError` when the folder cannot be written.
        """

        def manifest(files: Mapping[str, str]) -> IndexManifest:
            return IndexManifest(library_id, revision, model, len(self), self.dim, dict(files))

        try:
            return commit(directory, self._parts(), manifest)
        except (OSError, RuntimeError) as error:  # RuntimeError: FAISS, where it could not write
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{directory}: the vector index was not written ({reason}); "
                "free some space or make the folder writable"
            ) from error

    def _parts(self) -> dict[str, Callable[[Path], None] | str]:
        """What writes each part, or the digest of one that is there already."""
        tail = {"ids": self._tail.ids, "entries": self._tail.entries, "gone": self._tail.gone}
        there = self._saved.files if self._saved else {}
        return {
            "base": there.get("base") or self._write_base,
            "space": there.get("space")
            or (lambda path: _write(path, {**self.space.arrays(), "ids": self._ids})),
            "tail": lambda path: _write(path, tail),
        }

    def _write_base(self, path: Path) -> None:
        _faiss().write_index(self._base, str(path))

    @classmethod
    def load(cls, directory: Path, library_id: str, model: str) -> VectorIndex | None:
        """The index of a library, mapped into memory; None when none fits.

        None: there is none, or it is of another model or format, or damaged. It may be of
        another ``revision`` than the library has now: see `follow`.
        """
        found = read_manifest(directory)
        if found is None or found.format != FORMAT:
            return None
        if (found.library_id, found.model) != (library_id, model):
            return None
        return cls._mapped(directory, found) if is_intact(directory, found) else None

    @classmethod
    def _mapped(cls, directory: Path, found: IndexManifest) -> VectorIndex | None:
        faiss = _faiss()
        try:
            base = faiss.read_index(
                str(directory / found.file_name("base")), faiss.IO_FLAG_MMAP_IFC
            )
            space = _arrays(directory / found.file_name("space"))
            tail = DeltaIndex(**_arrays(directory / found.file_name("tail")))
        except (OSError, RuntimeError):  # another writer has just removed it, or another FAISS
            return None
        ids = space.pop("ids")
        return cls(VectorSpace.of_arrays(space), base, ids, tail, found)


def _empty_base(space: VectorSpace, vectors: Floats) -> Any:
    """An index without tracks, trained for these raw vectors where it needs to be."""
    faiss, width = _faiss(), space.dim + 1
    if len(vectors) <= EXACT_TRACKS:
        return faiss.IndexIDMap(faiss.IndexFlatIP(width))
    lists = round(_LISTS_PER_ROOT * len(vectors) ** 0.5)
    product, code = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit
    base = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(width), width, lists, code, product)
    some = np.linspace(0, len(vectors) - 1, min(len(vectors), _TRAINED_PER_LIST * lists))
    base.train(space.entries(space.standardise(vectors[some.astype(np.int64)])))
    return base


def _faiss() -> Any:
    """FAISS: imported only where neighbours are asked for (0.1 s), and on one thread.

    A search for one vector gains nothing by more, and waits 40 ms for them where cores are busy.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
