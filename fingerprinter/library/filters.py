"""Which tracks may be answers: one predicate over what is known of a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.store import tracks
from fingerprinter.store.analyses import Range
from fingerprinter.types import Track

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """What a track must be; what is None is not asked.

    artist, genre: words that the tag has, in any case
    year, duration_s: lowest and highest
    """

    artist: str | None = None
    genre: str | None = None
    year: Range | None = None
    duration_s: Range | None = None

    def admits(self, track: Track) -> bool:
        """Whether a track is all that is asked for; what is not known of it is not so."""
        return (
            _has(track.artist, self.artist)
            and _has(track.genre, self.genre)
            and _within(track.year, self.year)
            and _within(track.duration_s, self.duration_s)
        )


EVERYTHING = TrackFilter()


def _has(tag: str | None, words: str | None) -> bool:
    return words is None or (tag is not None and words.casefold() in tag.casefold())


def _within(value: float | None, limits: Range | None) -> bool:
    if limits is None:
        return True
    lowest, highest = limits
    return (
        value is not None
        and (lowest is None or value >= lowest)
        and (highest is None or value <= highest)
    )


def admitted(connection: Connection, only: TrackFilter) -> Ids | None:
    """The ids of the tracks that a filter admits, sorted, (n,) int64; None: all."""
    if only == EVERYTHING:
        return None
    fitting = [track.id for track in tracks.iterate(connection) if only.admits(track)]
    return np.array(fitting, np.int64)
