"""What is stored of a track, as arrays again."""

from __future__ import annotations

from sqlalchemy import Connection

from fingerprinter.core.constellation import DamagedBlockError, unpack_peaks
from fingerprinter.core.landmarks import landmarks_of
from fingerprinter.core.params import LandmarkParams
from fingerprinter.errors import CorruptionError
from fingerprinter.store import constellations
from fingerprinter.types import Landmarks, Peaks


def stored_peaks(track_id: int, constellation: bytes) -> Peaks:
    """A track's peaks; raises `CorruptionError` where they are damaged."""
    try:
        return unpack_peaks(constellation)
    except DamagedBlockError as error:
        raise CorruptionError(
            f"peaks of track {track_id}: {error}; remove the track and index it again"
        ) from None


def peaks_of(connection: Connection, track_id: int) -> Peaks:
    """The same of a track in the database; none where it has none."""
    return stored_peaks(track_id, constellations.get(connection, track_id) or b"")


def readable_peaks(connection: Connection, track_id: int) -> Peaks:
    """The same; none where they are damaged, too."""
    try:
        return peaks_of(connection, track_id)
    except CorruptionError:
        return stored_peaks(track_id, b"")


def track_landmarks(
    track_id: int, constellation: bytes, params: LandmarkParams
) -> tuple[int, int, Landmarks]:
    """(track id, length in frames, landmarks) of a track; raises `CorruptionError`."""
    peaks = stored_peaks(track_id, constellation)
    length = int(peaks.frames[-1]) + 2 if len(peaks) else 1
    return track_id, length, landmarks_of(peaks, params, params.fan_out)
