"""Similarity search: rank the library, then list the best results that the options allow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats, Ids
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import EmbeddingModel, VectorIndex
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.explain import Explainer
from fingerprinter.library.similar.filters import admitted_ids
from fingerprinter.library.similar.queries import Query
from fingerprinter.library.similar.result_list import Deduplicator, ListOptions, ResultList
from fingerprinter.store.tables import tracks, vectors
from fingerprinter.types import Neighbour

# Similarities to several queries are combined as log(mean(exp(5 s))) / 5: the nearest query counts
# most, but all count. Measured as the share of the first ten results that are by the artist of
# three queries, or by one of the two artists of four queries: 40 and 47 %. With 2 in place of 5:
# 41 and 47 %, with 10: 38 and 45 %, by the centroid 40 and 43 %, by the maximum 31 and 42 %, by
# the mean 41 and 44 %.
_FUSION_SHARPNESS = 5.0

# Candidates for each result. If too few of them may be listed, this many times more are read.
_CANDIDATE_FACTOR = 4


class NeighbourSearch:
    """Finds the most similar recordings within one snapshot of a library.

    Parameters
    ----------
    connection
        Connection whose transaction is the snapshot.
    index
        Vector index of the same snapshot.
    model
        Embedding model of the vectors.
    params
        Fingerprint parameters of the library; they are needed to recognise copies.
    """

    def __init__(
        self,
        connection: Connection,
        index: VectorIndex,
        model: EmbeddingModel,
        params: LandmarkParams,
    ) -> None:
        self._connection, self._index, self._model = connection, index, model
        self._copies = CopyDetector(connection, params)

    def run(self, queries: Sequence[Query], options: ListOptions) -> list[Neighbour]:
        """Find the recordings most similar to one query or several.

        Parameters
        ----------
        queries
            The queries, at least one.
        options
            Length of the list, filters, limits and explanations.

        Returns
        -------
        list of Neighbour
            At most ``options.n`` results, most similar first.
        """
        query_ids = {query.track.id for query in queries if query.track}
        units = self._index.space.standardise(np.stack([query.vector for query in queries]))
        candidate_ids = admitted_ids(self._connection, options.only)
        available = len(self._index) if candidate_ids is None else len(candidate_ids)
        count = min(available, _CANDIDATE_FACTOR * (options.n + len(query_ids)))
        results = self._list(self._rank(units, query_ids, candidate_ids, count), query_ids, options)
        while len(results) < options.n and count < available:
            count = min(available, _CANDIDATE_FACTOR * count)
            ranking = self._rank(units, query_ids, candidate_ids, count)
            results = self._list(ranking, query_ids, options)
        if not options.why:
            return results
        explainer = Explainer(self._connection, self._model)
        reasons = explainer.explain(queries, [result.track.id for result in results])
        return [replace(result, why=why) for result, why in zip(results, reasons, strict=True)]

    def _rank(
        self, units: Floats, query_ids: Collection[int], candidate_ids: Ids | None, count: int
    ) -> _Ranking:
        """Rank the nearest tracks of each query by their combined similarity to all queries."""
        nearest = [self._index.nearest(unit, count, query_ids, candidate_ids) for unit in units]
        if len(units) == 1:
            return _Ranking(*nearest[0])
        ids = np.unique(np.concatenate([found for found, _ in nearest]))
        space = self._index.space
        entries = space.entries(self._units_by_id(ids)[1])
        similarities = np.stack(
            [space.similarities(unit, entries @ space.query_vector(unit)) for unit in units]
        )
        powers = np.exp(_FUSION_SHARPNESS * similarities)
        fused: Floats = np.log(powers.mean(axis=0)) / _FUSION_SHARPNESS
        best = np.argsort(-fused, kind="stable")
        return _Ranking(ids[best], fused[best])

    def _list(
        self, ranking: _Ranking, query_ids: Collection[int], options: ListOptions
    ) -> list[Neighbour]:
        """List the tracks of a ranking that the options allow."""
        known = tracks.get_many(self._connection, ranking.ids.tolist())
        deduplicator = None
        if not options.copies:
            ids = np.union1d(ranking.ids, np.array(sorted(query_ids), np.int64))
            present, units = self._units_by_id(ids)
            units_by_id = dict(zip(present.tolist(), units, strict=True))
            deduplicator = Deduplicator(units_by_id, query_ids, self._copies)
        queries = tracks.get_many(self._connection, query_ids).values()
        results = ResultList(options, deduplicator, queries)
        for track_id, similarity in zip(
            ranking.ids.tolist(), ranking.similarities.tolist(), strict=True
        ):
            if results.is_full:
                break
            if track_id in known:
                results.offer(Neighbour(known[track_id], similarity))
        return results.neighbours

    def _units_by_id(self, ids: Ids) -> tuple[Ids, Floats]:
        """Return those of the sorted ids that have a vector, and their standardised vectors."""
        matrix = vectors.get_many(self._connection, self._model.digest, ids.tolist())
        return matrix.ids, self._index.space.standardise(matrix.rows)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Ids (c,) int64 and similarities (c,) float32, most similar first."""

    ids: Ids
    similarities: Floats
