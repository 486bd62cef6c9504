"""Filters of a similarity search: which tracks may be results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.arrays import Ids
from fingerprinter.store.tables import analyses, tracks
from fingerprinter.store.tables.analyses import AnalysisFilter, Range


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """Conditions on a track. A condition that is None is not applied.

    A track that lacks a value never meets a condition on that value.

    Attributes
    ----------
    artist, genre
        Text that the tag must contain, ignoring case.
    year, duration_s
        Lowest and highest value, both included; the duration in seconds.
    tempo_bpm
        Lowest and highest tempo that `analyze` found, in beats per minute.
    keys
        Keys, one of which `analyze` found; named as by `fingerprinter.core.mir.keys.parse_key`.
    """

    artist: str | None = None
    genre: str | None = None
    year: Range | None = None
    duration_s: Range | None = None
    tempo_bpm: Range | None = None
    keys: tuple[str, ...] | None = None

    @property
    def analysis_filter(self) -> AnalysisFilter | None:
        """The conditions on the music analysis; None if there are none."""
        if self.tempo_bpm is None and self.keys is None:
            return None
        return AnalysisFilter(tempo_bpm=self.tempo_bpm, keys=self.keys)


NO_FILTER = TrackFilter()


def admitted_ids(connection: Connection, only: TrackFilter) -> Ids | None:
    """Find the tracks that meet the conditions of a filter.

    Parameters
    ----------
    connection
        Connection to the library.
    only
        The conditions.

    Returns
    -------
    (n,) int64 or None
        Sorted ids of the tracks; None if the filter has no condition.
    """
    if only == NO_FILTER:
        return None
    ids = tracks.ids_matching(
        connection,
        artist=only.artist,
        genre=only.genre,
        year=only.year,
        duration_s=only.duration_s,
    )
    if only.analysis_filter:
        from fingerprinter.library.music.analyze import analysis_id  # reads the beat model

        analyzed = analyses.matching_ids(connection, analysis_id(), only.analysis_filter)
        ids = [track_id for track_id in ids if track_id in analyzed]
    return np.array(ids, np.int64)
