"""In what recordings are alike, measured by how alike the rest of the library is in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.vectors.tagging import describes_sound
from fingerprinter.embedding import FACETS_ID, EmbeddingModel
from fingerprinter.embedding.facets import ROW_WIDTH, of_rows
from fingerprinter.library.similar.queries import Query
from fingerprinter.store.tables import facets, vectors
from fingerprinter.types import Reasons

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_MARKED = 0.8  # deviations above the library's mean, from which on a tag is worth its name
_TAGS = 3


class Explainer:
    """Knows the library's facets and tags in one state of it."""

    def __init__(self, connection: Connection, model: EmbeddingModel) -> None:
        self._facets = facets.matrix(connection, FACETS_ID, ROW_WIDTH)
        self._tags = vectors.tag_matrix(connection, model.digest)
        self._names = model.tags

    def why(self, questions: Sequence[Query], track_ids: Sequence[int]) -> list[Reasons]:
        """In what each track is like the mean of the questions."""
        heard = [each.facets for each in questions if each.facets is not None]
        farther = _shares(self._distances(np.mean(heard, axis=0))) if heard else {}
        asked = self._marked(np.mean([each.tags for each in questions], axis=0))
        tagged = _shares({"tags": np.square(self._marked(self._tags.rows) - asked).sum(axis=1)})
        return [self._reasons(track_id, farther, tagged, asked) for track_id in track_ids]

    def _distances(self, row: Floats) -> dict[str, Doubles]:
        """How far every track is from a row of facets, in each of them."""
        mine, theirs = of_rows(row), of_rows(self._facets.rows)
        return {
            "timbre": _standardised_distance(mine.timbre, theirs.timbre),
            "rhythm": _disagreement(mine.rhythm, theirs.rhythm),
            "harmony": _disagreement(mine.harmony, theirs.harmony),
        }

    def _marked(self, tags: Floats) -> Floats:
        """Tag logits in deviations from the library's mean."""
        if not self._tags.rows.size:
            return np.zeros_like(tags)
        mean, deviation = self._tags.rows.mean(axis=0), self._tags.rows.std(axis=0)
        marked: Floats = (tags - mean) / np.maximum(deviation, 1e-6)
        return marked

    def _reasons(
        self,
        track_id: int,
        farther: dict[str, Doubles],
        tagged: dict[str, Doubles],
        asked: Floats,
    ) -> Reasons:
        facet, tag = _place(self._facets.ids, track_id), _place(self._tags.ids, track_id)
        timbre, rhythm, harmony = (
            float(farther[name][facet]) if farther and facet is not None else None
            for name in ("timbre", "rhythm", "harmony")
        )
        if tag is None or not self._names:
            return Reasons(timbre, rhythm, harmony, None)
        shared = self._shared(np.minimum(asked, self._marked(self._tags.rows[tag])))
        return Reasons(timbre, rhythm, harmony, float(tagged["tags"][tag]), shared)

    def _shared(self, marked: Floats) -> tuple[str, ...]:
        best = [self._names[tag] for tag in np.argsort(-marked) if marked[tag] >= _MARKED]
        return tuple(filter(describes_sound, best))[:_TAGS]


def _standardised_distance(mine: Floats, theirs: Floats) -> Doubles:
    deviation = np.maximum(theirs.std(axis=0, dtype=np.float64), 1e-6)
    distance: Doubles = np.square((theirs - mine) / deviation).sum(axis=1)
    return distance


def _disagreement(mine: Floats, theirs: Floats) -> Doubles:
    """1 - correlation of a profile with each of others."""
    a = mine - mine.mean(dtype=np.float64)
    b = theirs - theirs.mean(axis=1, keepdims=True, dtype=np.float64)
    lengths = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
    correlation: Doubles = b @ a / np.maximum(lengths, 1e-9)
    return 1 - correlation


def _shares(distances: dict[str, Doubles]) -> dict[str, Doubles]:
    """For each track the share of all that are farther."""
    return {name: _share_farther(each) for name, each in distances.items()}


def _share_farther(distances: Doubles) -> Doubles:
    nearer = np.searchsorted(np.sort(distances), distances, side="right")
    share: Doubles = 1 - nearer / max(len(distances), 1)
    return share


def _place(ids: npt.NDArray[np.int64], track_id: int) -> int | None:
    """The row of a track; None where it has none."""
    place = int(np.searchsorted(ids, track_id))
    return place if place < len(ids) and ids[place] == track_id else None
