"""Whether two tracks that sound alike hold the same recording: the fingerprints decide.

Vectors alone never do: versions and neighbours on an album are as near as copies.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.match.duplicate_queries import (
    SPEEDS,
    DuplicateCandidate,
    DuplicateQuery,
    probe_landmarks,
)
from fingerprinter.core.match.overlap import Reference, overlap
from fingerprinter.library.base.defaults import MIN_DUPLICATE_CONFIDENCE
from fingerprinter.library.base.stored_peaks import load_peaks_if_intact
from fingerprinter.library.duplicates.search import MOST
from fingerprinter.types import Landmarks, Peaks


class CopyDetector:
    """Compares tracks of one library by their stored peaks; each is read once."""

    def __init__(self, connection: Connection, params: LandmarkParams) -> None:
        self._connection, self._params = connection, params
        self._known: dict[int, Peaks] = {}

    def are_copies(self, a: int, b: int) -> bool:
        """Whether most of one of two tracks is the same recording as in the other."""
        upper, ground = sorted((self._peaks(a), self._peaks(b)), key=len)
        best = max(self._proposals(upper, ground), key=lambda each: each.votes, default=None)
        if best is None:
            return False
        laid = overlap(upper, Reference(ground), SPEEDS[best.probe], best.offsets)
        return laid.query_share >= MOST and laid.confidence >= MIN_DUPLICATE_CONFIDENCE

    def _proposals(self, upper: Peaks, ground: Peaks) -> list[DuplicateCandidate]:
        """Where the upper may lie over the ground, at each of `SPEEDS`."""
        if not (len(upper) and len(ground)):
            return []
        question = DuplicateQuery(probe_landmarks(upper, self._params))
        marks = make_landmarks(ground, self._params, self._params.fan_out)
        query, frames = _meetings(question, marks)
        return list(question.proposals(query, np.zeros(len(query), np.int64), frames))

    def _peaks(self, track_id: int) -> Peaks:
        """A track's peaks; none where they are damaged: then it is no copy of anything."""
        if track_id not in self._known:
            self._known[track_id] = load_peaks_if_intact(self._connection, track_id)
        return self._known[track_id]


def _meetings(
    question: DuplicateQuery, marks: Landmarks
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """(index of the question's hash, frame) of the landmarks that it asks for."""
    query = np.searchsorted(question.hashes, marks.hashes)
    query = np.minimum(query, max(len(question.hashes) - 1, 0))
    asked = question.hashes[query] == marks.hashes if len(question.hashes) else query < 0
    return query[asked], marks.frames[asked].astype(np.int64)
