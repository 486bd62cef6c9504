"""The sketches of a whole library in memory, by which short clips are compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from fingerprinter.core.sketch import ClipSketch, Codes, Sketches
from fingerprinter.library.projections import projections
from fingerprinter.store import sketches

# Every question reads all. Beyond some 16,000 tracks short clips are named by landmarks alone.
_MOST_BYTES = 1 << 27


@dataclass(frozen=True, slots=True)
class Likely:
    """A place where a clip may lie; offset: the recording's frame at the clip's frame 0."""

    track_id: int
    offset: int


class Sketchbook:
    """The sketches of many tracks; those of removed ones do no harm."""

    def __init__(self, of_tracks: Mapping[int, Codes]) -> None:
        self._ids = list(of_tracks)
        self._numbers = {track_id: number for number, track_id in enumerate(self._ids)}
        self._sketches = Sketches(list(of_tracks.values()))

    @classmethod
    def empty(cls) -> Sketchbook:
        """That of a library without sketches."""
        return cls({})

    @classmethod
    def read(cls, connection: Connection, words: int) -> Sketchbook:
        """All of a library, none where there are too many; raises `CorruptionError`.

        words: of a sketch, see `LandmarkParams`
        """
        if sketches.size(connection) > _MOST_BYTES:
            return cls.empty()
        return cls(sketches.every(connection, projections(words).digest, words))

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, clip: ClipSketch, most: int) -> list[Likely]:
        """The places most like a clip, best first."""
        return [
            Likely(self._ids[near.number], near.offset)
            for near in self._sketches.nearest(clip, most)
        ]

    def score(self, clip: ClipSketch, track_id: int, offset: float) -> float:
        """How like a clip a place is, see `Sketches.score`; 0 of a track without sketches."""
        number = self._numbers.get(track_id)
        return 0.0 if number is None else self._sketches.score(clip, number, offset)
