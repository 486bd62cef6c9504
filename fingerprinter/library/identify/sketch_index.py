"""The sketches of a whole library in memory, by which short clips are compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.sketch import Codes, Doubles, Place, Sketches, clip_sketch
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.store.tables import sketches

# Every question reads all. Beyond some 16,000 tracks short clips are named by landmarks alone.
_MOST_BYTES = 1 << 27


@dataclass(frozen=True, slots=True)
class Likely:
    """A place where a clip may lie; offset: the recording's frame at the clip's frame 0."""

    track_id: int
    offset: float
    warp: Warp = UNCHANGED


class SketchIndex:
    """The sketches of many tracks; those of removed ones do no harm."""

    def __init__(self, of_tracks: Mapping[int, Codes], words: int) -> None:
        self._ids, self._words = list(of_tracks), words
        self._numbers = {track_id: number for number, track_id in enumerate(self._ids)}
        self._sketches = Sketches(list(of_tracks.values()))

    @classmethod
    def empty(cls) -> SketchIndex:
        """That of a library without sketches."""
        return cls({}, 0)

    @classmethod
    def read(cls, connection: Connection, words: int) -> SketchIndex:
        """All of a library, none where there are too many; raises `CorruptionError`.

        words: of a sketch, see `LandmarkParams`
        """
        if sketches.size(connection) > _MOST_BYTES:
            return cls.empty()
        return cls(sketches.get_all(connection, projections(words).digest, words), words)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, above: Floats, most: int) -> list[Likely]:
        """The places most like an unchanged clip, best first; above: (frames, bands)."""
        if not self._ids:
            return []
        clip = clip_sketch(above, projections(self._words))
        return [
            Likely(self._ids[near.number], float(near.offset))
            for near in self._sketches.nearest(clip, most)
        ]

    def likeness(
        self, above: Floats, places: Sequence[Likely], beside: Sequence[float] = (0.0,)
    ) -> Doubles:
        """(n,) how like a clip places are, see `Sketches.likeness`; 0 of a track without sketches.

        above: (frames, bands), the clip's contrast
        beside: frames from each place to those of which the likeliest counts
        """
        found = np.zeros(len(places))
        known = [i for i, place in enumerate(places) if place.track_id in self._numbers]
        laid = [
            Place(self._numbers[places[i].track_id], places[i].offset + frames, places[i].warp)
            for i in known
            for frames in beside
        ]
        if laid:
            likeness = self._sketches.likeness(above, laid, projections(self._words))
            found[known] = likeness.reshape(-1, len(beside)).max(axis=1)
        return found
