"""Comparison of two tracks: do their fingerprints show the same recording?

Embeddings cannot decide this, because cover versions and neighbours on an album are as close to
each other as copies.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.arrays import Longs
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.match.duplicate_queries import (
    SPEEDS,
    DuplicateCandidate,
    DuplicateQuery,
    probe_landmarks,
)
from fingerprinter.core.match.overlap import Reference, overlap
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.library.base.stored_peaks import load_peaks_if_intact
from fingerprinter.types import Landmarks, Peaks


class CopyDetector:
    """Compares tracks of one snapshot by their stored peaks. Each track is read once.

    Parameters
    ----------
    connection : Connection
        The snapshot.
    params : LandmarkParams
        The parameters of the library.
    policy : SearchPolicy
        The values that decide which tracks are copies.
    """

    def __init__(
        self,
        connection: Connection,
        params: LandmarkParams,
        policy: SearchPolicy = DEFAULT_POLICY,
    ) -> None:
        self._connection, self._params, self._policy = connection, params, policy
        self._peaks: dict[int, Peaks] = {}

    def are_copies(self, a: int, b: int) -> bool:
        """Return whether the shorter of two tracks has most of its peaks in the other.

        Parameters
        ----------
        a, b : int
            Ids of the tracks. A track with damaged peaks is no copy of anything.

        Returns
        -------
        bool
        """
        query, reference = sorted((self._load(a), self._load(b)), key=len)
        candidates = self._candidates(query, reference)
        best = max(candidates, key=lambda each: each.votes, default=None)
        if best is None:
            return False
        policy, speed = self._policy.overlap, SPEEDS[best.probe]
        found = overlap(query, Reference(reference, policy), speed, best.offsets, policy)
        return found.query_share >= policy.min_share and found.confidence >= policy.min_confidence

    def _load(self, track_id: int) -> Peaks:
        if track_id not in self._peaks:
            self._peaks[track_id] = load_peaks_if_intact(self._connection, track_id)
        return self._peaks[track_id]

    def _candidates(self, query: Peaks, reference: Peaks) -> list[DuplicateCandidate]:
        """Find the offsets at which the query may lie in the reference, at each of `SPEEDS`."""
        if not (len(query) and len(reference)):
            return []
        policy = self._policy.duplicates
        lookup = DuplicateQuery(probe_landmarks(query, self._params, policy), policy)
        landmarks = make_landmarks(reference, self._params, self._params.fan_out)
        numbers, frames = _postings(lookup.hashes, landmarks)
        return list(lookup.proposals(numbers, np.zeros(len(numbers), np.int64), frames))


def _postings(hashes: npt.NDArray[np.uint32], landmarks: Landmarks) -> tuple[Longs, Longs]:
    """Return (index into the sorted hashes, frame) of the landmarks that have one of the hashes."""
    if len(hashes) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    numbers = np.minimum(np.searchsorted(hashes, landmarks.hashes), len(hashes) - 1)
    equal = hashes[numbers] == landmarks.hashes
    return numbers[equal], landmarks.frames[equal].astype(np.int64)
