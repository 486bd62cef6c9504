"""Explains a similarity per facet (timbre, rhythm, harmony, tags) as a percentile in the library.

A raw distance means little to a listener. The percentile says it in terms of the library: 0.97 in
rhythm means that 97 % of the library's tracks are less similar to the query in rhythm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.arrays import Doubles, Floats
from fingerprinter.core.vectors.tagging import describes_sound
from fingerprinter.embedding import FACETS_ID, EmbeddingModel
from fingerprinter.embedding.facets import ROW_WIDTH, facets_from_rows
from fingerprinter.library.similar.queries import Query
from fingerprinter.store.tables import facets, vectors
from fingerprinter.types import Reasons

# A shared tag is named when both sides exceed the library's mean by this many standard deviations.
MIN_TAG_DEVIATIONS = 0.8
MAX_SHARED_TAGS = 3


class Explainer:
    """Explains similarities within one snapshot of a library.

    Parameters
    ----------
    connection
        Connection whose transaction is the snapshot. All facets and tags are read at once.
    model
        Embedding model whose tags are compared.
    """

    def __init__(self, connection: Connection, model: EmbeddingModel) -> None:
        self._facets = facets.matrix(connection, FACETS_ID, ROW_WIDTH)
        self._tags = vectors.tag_matrix(connection, model.digest)
        self._tag_names = model.tags

    def explain(self, queries: Sequence[Query], track_ids: Sequence[int]) -> list[Reasons]:
        """Compare tracks with the mean of one query or several, facet by facet.

        Parameters
        ----------
        queries
            The queries, at least one.
        track_ids
            Tracks of the library to explain.

        Returns
        -------
        list of Reasons
            One for each track: the percentile in each facet, 0 to 1 (1 is most similar), and the
            tags that query and track share. A facet that is not stored is None.
        """
        query_facets = [query.facets for query in queries if query.facets is not None]
        facet_percentiles = (
            self._facet_percentiles(np.mean(query_facets, axis=0)) if query_facets else None
        )
        query_tags = self._standardise_tags(np.mean([query.tags for query in queries], axis=0))
        track_tags = self._standardise_tags(self._tags.rows)
        tag_percentiles = _percentiles(np.square(track_tags - query_tags).sum(axis=1))

        reasons: list[Reasons] = []
        for track_id in track_ids:
            timbre = rhythm = harmony = tags = None
            shared: tuple[str, ...] = ()
            facet_row = _row_of(self._facets.ids, track_id)
            if facet_percentiles is not None and facet_row is not None:
                timbre, rhythm, harmony = facet_percentiles[:, facet_row].tolist()
            tag_row = _row_of(self._tags.ids, track_id)
            if tag_row is not None and self._tag_names:
                tags = float(tag_percentiles[tag_row])
                both = np.minimum(query_tags, track_tags[tag_row])
                shared = shared_tags(both, self._tag_names)
            reasons.append(Reasons(timbre, rhythm, harmony, tags, shared))
        return reasons

    def _facet_percentiles(self, query_row: Floats) -> Doubles:
        """Percentile of every track in timbre, rhythm and harmony, (3, n) float64."""
        query, tracks = facets_from_rows(query_row), facets_from_rows(self._facets.rows)
        deviation = np.maximum(tracks.timbre.std(axis=0, dtype=np.float64), 1e-6)
        distances = (
            np.square((tracks.timbre - query.timbre) / deviation).sum(axis=1),
            _correlation_distance(query.rhythm, tracks.rhythm),
            _correlation_distance(query.harmony, tracks.harmony),
        )
        return np.stack([_percentiles(each) for each in distances])

    def _standardise_tags(self, logits: Floats) -> Floats:
        """Tag logits as deviations from the library's mean."""
        if not self._tags.rows.size:
            return np.zeros_like(logits)
        mean, deviation = self._tags.rows.mean(axis=0), self._tags.rows.std(axis=0)
        standardised: Floats = (logits - mean) / np.maximum(deviation, 1e-6)
        return standardised


def shared_tags(deviations: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """Name the tags that are strong in both of two tracks, strongest first.

    Parameters
    ----------
    deviations
        (t,) float32, the smaller deviation of the two from the library's mean, for each tag.
    names
        The t tags. Those that do not describe sound (decades, for example) are left out.

    Returns
    -------
    tuple of str
        At most `MAX_SHARED_TAGS` tags of at least `MIN_TAG_DEVIATIONS`.

    Examples
    --------
    >>> shared_tags(np.array([1.0, 2.0, 0.5, 3.0], np.float32), ["rock", "guitar", "jazz", "60s"])
    ('guitar', 'rock')
    """
    strongest = np.argsort(-deviations)
    strong = [names[tag] for tag in strongest if deviations[tag] >= MIN_TAG_DEVIATIONS]
    return tuple(filter(describes_sound, strong))[:MAX_SHARED_TAGS]


def _correlation_distance(query: Floats, tracks: Floats) -> Doubles:
    """Return 1 minus the correlation of one profile (d,) with each of others (n, d)."""
    a = query - query.mean(dtype=np.float64)
    b = tracks - tracks.mean(axis=1, keepdims=True, dtype=np.float64)
    lengths = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
    correlation: Doubles = b @ a / np.maximum(lengths, 1e-9)
    return 1 - correlation


def _percentiles(distances: Doubles | Floats) -> Doubles:
    """Return for each track the share of all tracks that are farther away."""
    not_farther = np.searchsorted(np.sort(distances), distances, side="right")
    share: Doubles = 1 - not_farther / max(len(distances), 1)
    return share


def _row_of(ids: npt.NDArray[np.int64], track_id: int) -> int | None:
    """Return the row of a track in sorted ids; None if it has none."""
    row = int(np.searchsorted(ids, track_id))
    return row if row < len(ids) and ids[row] == track_id else None
