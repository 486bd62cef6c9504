"""The recordings most like what is asked for: down the ranking, past what shall not be listed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import EmbeddingModel, VectorIndex
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.explain import Explainer
from fingerprinter.library.similar.filters import admitted_ids
from fingerprinter.library.similar.queries import Query
from fingerprinter.library.similar.result_list import (
    Deduplicator,
    ListOptions,
    NoDeduplication,
    ResultList,
)
from fingerprinter.store.tables import tracks, vectors
from fingerprinter.types import Neighbour

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# Of several questions the nearest counts most, but all count: log(mean(exp(5 s))) / 5. Share of
# the first ten that are of the artist of three tracks, and of one of two artists of two tracks
# each: 40 and 47 %; with 2 instead of 5: 41 and 47, with 10: 38 and 45; by the centroid 40 and 43,
# by the nearest alone 31 and 42, by the mean 41 and 44.
_SHARPNESS = 5.0
_MORE = 4  # times as many candidates, where those that there were did not suffice


class NeighbourSearch:
    """Searches in one state of a library."""

    def __init__(
        self,
        connection: Connection,
        index: VectorIndex,
        model: EmbeddingModel,
        params: LandmarkParams,
    ) -> None:
        self._connection, self._index, self._model = connection, index, model
        self._copies = CopyDetector(connection, params)

    def run(self, questions: Sequence[Query], wish: ListOptions) -> list[Neighbour]:
        """The neighbours of one question or several, most similar first."""
        own = {each.track.id for each in questions if each.track}
        units = self._index.space.standardise(np.stack([each.vector for each in questions]))
        among = admitted_ids(self._connection, wish.only)
        reach = len(self._index) if among is None else len(among)
        candidates = min(reach, _MORE * (wish.n + len(own)))
        found = self._listed(units, own, among, candidates, wish)
        while len(found) < wish.n and candidates < reach:
            candidates = min(reach, _MORE * candidates)
            found = self._listed(units, own, among, candidates, wish)
        return self._with_reasons(questions, found) if wish.why else found

    def _listed(
        self,
        units: Floats,
        own: Collection[int],
        among: Ids | None,
        candidates: int,
        wish: ListOptions,
    ) -> list[Neighbour]:
        """What is listed of so many candidates."""
        ranking = self._ranked(units, own, among, candidates)
        known = tracks.get_many(self._connection, ranking.ids.tolist())
        same = NoDeduplication() if wish.copies else self._sameness(ranking, own)
        listing = ResultList(wish, same)
        for track_id, similarity in zip(
            ranking.ids.tolist(), ranking.similarities.tolist(), strict=True
        ):
            if track_id in known and not listing.is_full:
                listing.offer(Neighbour(known[track_id], similarity))
        return listing.neighbours

    def _ranked(
        self, units: Floats, own: Collection[int], among: Ids | None, candidates: int
    ) -> _Ranking:
        found = [self._index.nearest(unit, candidates, own, among) for unit in units]
        if len(units) == 1:
            return _Ranking(*found[0])
        ids = np.unique(np.concatenate([each for each, _ in found]))
        space = self._index.space
        entries = space.entries(self._units(ids))
        each = [space.similarities(unit, entries @ space.question(unit)) for unit in units]
        fused = _fused(np.stack(each))
        best = np.argsort(-fused, kind="stable")
        return _Ranking(ids[best], fused[best])

    def _units(self, ids: Ids) -> Floats:
        """Standardised vectors of tracks that have one, in the order of sorted ids."""
        rows = vectors.get_many(self._connection, self._model.digest, ids.tolist()).rows
        return self._index.space.standardise(rows)

    def _sameness(self, ranking: _Ranking, own: Collection[int]) -> Deduplicator:
        ids = np.union1d(ranking.ids, np.array(sorted(own), np.int64))
        matrix = vectors.get_many(self._connection, self._model.digest, ids.tolist())
        units = self._index.space.standardise(matrix.rows)
        return Deduplicator(dict(zip(matrix.ids.tolist(), units, strict=True)), own, self._copies)

    def _with_reasons(
        self, questions: Sequence[Query], found: Sequence[Neighbour]
    ) -> list[Neighbour]:
        explainer = Explainer(self._connection, self._model)
        reasons = explainer.why(questions, [each.track.id for each in found])
        return [replace(each, why=why) for each, why in zip(found, reasons, strict=True)]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Ids (c,) int64 and similarities (c,) float32, best first."""

    ids: Ids
    similarities: Floats


def _fused(similarities: Floats) -> Floats:
    """Likeness to several questions out of that to each, (questions, n) -> (n,)."""
    powers = np.exp(_SHARPNESS * similarities)
    fused: Floats = np.log(powers.mean(axis=0)) / _SHARPNESS
    return fused
