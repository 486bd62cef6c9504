"""What is stored of a track, as arrays again."""

from __future__ import annotations

from sqlalchemy import Connection

from fingerprinter.core.fingerprint.constellation import DamagedBlockError, unpack_peaks
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import constellations
from fingerprinter.types import Landmarks, Peaks


def decode_peaks(track_id: int, constellation: bytes) -> Peaks:
    """A track's peaks; raises `CorruptionError` where they are damaged."""
    try:
        return unpack_peaks(constellation)
    except DamagedBlockError as error:
        raise CorruptionError(
            f"peaks of track {track_id}: {error}; remove the track and index it again"
        ) from None


def load_peaks(connection: Connection, track_id: int) -> Peaks:
    """The same of a track in the database; none where it has none."""
    return decode_peaks(track_id, constellations.get(connection, track_id) or b"")


def load_peaks_if_intact(connection: Connection, track_id: int) -> Peaks:
    """The same; none where they are damaged, too."""
    try:
        return load_peaks(connection, track_id)
    except CorruptionError:
        return decode_peaks(track_id, b"")


def track_landmarks(
    track_id: int, constellation: bytes, params: LandmarkParams
) -> tuple[int, int, Landmarks]:
    """(track id, length in frames, landmarks) of a track; raises `CorruptionError`."""
    peaks = decode_peaks(track_id, constellation)
    length = int(peaks.frames[-1]) + 2 if len(peaks) else 1
    return track_id, length, make_landmarks(peaks, params, params.fan_out)
