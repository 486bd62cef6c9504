"""Which tracks may be answers: one predicate over what is known of a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.store.tables import analyses, tracks
from fingerprinter.store.tables.analyses import AnalysisFilter, Range
from fingerprinter.types import Track

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """What a track must be; what is None is not asked.

    artist, genre: words that the tag has, in any case
    year, duration_s: lowest and highest
    tempo_bpm, key: of what `analyze` found; a track without an analysis is not admitted. Keys
    are named as `fingerprinter.core.mir.keys.parse_key` does
    """

    artist: str | None = None
    genre: str | None = None
    year: Range | None = None
    duration_s: Range | None = None
    tempo_bpm: Range | None = None
    key: str | None = None

    @property
    def heard(self) -> AnalysisFilter | None:
        """What its analysis must say; None: nothing."""
        if self.tempo_bpm is None and self.key is None:
            return None
        return AnalysisFilter(
            tempo_bpm=self.tempo_bpm, keys=None if self.key is None else (self.key,)
        )

    def admits(self, track: Track) -> bool:
        """Whether a track's tags are all that is asked for; what they do not say is not so."""
        return (
            _has(track.artist, self.artist)
            and _has(track.genre, self.genre)
            and _within(track.year, self.year)
            and _within(track.duration_s, self.duration_s)
        )


NO_FILTER = TrackFilter()


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


def admitted_ids(connection: Connection, only: TrackFilter) -> Ids | None:
    """The ids of the tracks that a filter admits, sorted, (n,) int64; None: all."""
    if only == NO_FILTER:
        return None
    fitting = [track.id for track in tracks.iterate(connection) if only.admits(track)]
    if only.heard:
        from fingerprinter.library.music.analyze import analysis_id  # reads the beat model

        heard = analyses.matching_ids(connection, analysis_id(), only.heard)
        fitting = [track_id for track_id in fitting if track_id in heard]
    return np.array(fitting, np.int64)
