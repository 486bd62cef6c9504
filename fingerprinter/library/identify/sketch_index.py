"""The sketches of a library, which short clips are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, select

from fingerprinter.core.arrays import Doubles, Floats
from fingerprinter.core.fingerprint.params import SketchSearchParams
from fingerprinter.core.fingerprint.sketch import HOP, WORD, Codes, Place, Sketches, clip_sketch
from fingerprinter.core.match.candidates import Candidate
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.store.tables import feature_rows, schema, sketches


class SketchIndex:
    """The sketches of many tracks in memory. Those of deleted tracks do no harm.

    Parameters
    ----------
    of_tracks
        (windows, words) uint64 for each track id.
    words
        Words of 64 bits in a sketch; see `LandmarkParams.sketch_words`.
    """

    def __init__(self, of_tracks: Mapping[int, Codes], words: int) -> None:
        self._ids, self._words = list(of_tracks), words
        self._numbers = {track_id: number for number, track_id in enumerate(self._ids)}
        self._sketches = Sketches(list(of_tracks.values()))

    @classmethod
    def empty(cls) -> SketchIndex:
        """Return the index of a library without sketches."""
        return cls({}, 0)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(
        self,
        contrast: Floats,
        limit: int,
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> list[Candidate]:
        """Return the places most like an unchanged clip, the best first.

        Parameters
        ----------
        contrast
            (frames, bands) float32 of the clip.
        limit
            Number of places at most.
        """
        if not self._ids:
            return []
        clip = clip_sketch(contrast, projections(self._words), policy)
        return [
            Candidate(self._ids[place.number], float(place.offset))
            for place in self._sketches.nearest(clip, limit, policy)
        ]

    def likeness(
        self,
        contrast: Floats,
        candidates: Sequence[Candidate],
        lags: Sequence[float] = (0.0,),
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> Doubles:
        """Return (n,) how like a clip is to candidate places; see `Sketches.likeness`.

        Parameters
        ----------
        contrast
            (frames, bands) float32 of the clip.
        candidates
            A track without sketches has likeness 0.
        lags
            Frames from each candidate to the places that are compared; the likeliest counts.
        """
        found = np.zeros(len(candidates))
        known = [i for i, each in enumerate(candidates) if each.track_id in self._numbers]
        places = [
            Place(self._numbers[each.track_id], each.offset + lag, each.warp)
            for each in (candidates[i] for i in known)
            for lag in lags
        ]
        if places:
            likeness = self._sketches.likeness(contrast, places, projections(self._words), policy)
            found[known] = likeness.reshape(-1, len(lags)).max(axis=1)
        return found


class StoredSketches:
    """The sketches of a library that are too many for the memory. Those of candidates are read.

    Parameters
    ----------
    connection
        The snapshot of the library.
    words
        Words of 64 bits in a sketch; see `LandmarkParams.sketch_words`.
    """

    def __init__(self, connection: Connection, words: int) -> None:
        self._connection, self._words = connection, words

    def likeness(
        self,
        contrast: Floats,
        candidates: Sequence[Candidate],
        lags: Sequence[float] = (0.0,),
        policy: SketchSearchParams = DEFAULT_POLICY.sketch,
    ) -> Doubles:
        """Return (n,) how like a clip is to candidate places, as `SketchIndex.likeness` does."""
        track_ids, version = {each.track_id for each in candidates}, projections(self._words).digest
        of_tracks = sketches.get_many(self._connection, track_ids, version, self._words)
        return SketchIndex(of_tracks, self._words).likeness(contrast, candidates, lags, policy)


def read_sketches(
    connection: Connection, words: int, max_bytes: int = DEFAULT_POLICY.sketch.max_bytes
) -> SketchIndex | None:
    """Read all sketches of a library, or none where they take more than ``max_bytes``.

    Raises
    ------
    CorruptionError
        If they are damaged.
    """
    # Lengths of tracks tell the bytes. To ask for the length of all sketches would read them.
    frames = sum(connection.scalars(select(schema.segment.c.frame_count)))
    version = projections(words).digest
    fit = frames // HOP * words * WORD // 8 <= max_bytes
    if fit or not feature_rows.exist(connection, schema.sketch, version):
        return SketchIndex(sketches.get_all(connection, version, words), words)
    return None
