"""Progress of a run over many audio files or tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run. Files that are skipped do not count.

    Attributes
    ----------
    done : int
        Number of files that are processed or have failed.
    total : int
        Number of files to process.
    audio_s : float
        Seconds of audio that were processed.
    elapsed_s : float
        Seconds since the run began.
    """

    done: int
    total: int
    audio_s: float
    elapsed_s: float


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TrackCount:
    """Number of tracks that were written or read, and of all tracks."""

    done: int
    total: int


OnTrackCount = Callable[[TrackCount], None]
