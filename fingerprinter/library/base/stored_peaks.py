"""Stored peaks of a track, decoded to arrays."""

from __future__ import annotations

from sqlalchemy import Connection

from fingerprinter.core.fingerprint.constellation import DamagedBlockError, unpack_peaks
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import constellations
from fingerprinter.types import Landmarks, Peaks


def decode_peaks(track_id: int, constellation: bytes) -> Peaks:
    """Decode the peaks of a track.

    Parameters
    ----------
    track_id : int
        The track, for the error message.
    constellation : bytes
        The packed peaks. Empty bytes are no peaks.

    Returns
    -------
    Peaks
        Sorted by frame and bin.

    Raises
    ------
    CorruptionError
        If the packed peaks are damaged.
    """
    try:
        return unpack_peaks(constellation)
    except DamagedBlockError as error:
        raise CorruptionError(
            f"peaks of track {track_id}: {error}; remove the track and index it again"
        ) from None


def load_peaks(connection: Connection, track_id: int) -> Peaks:
    """Read and decode the peaks of a track.

    Returns
    -------
    Peaks
        No peaks if none are stored.

    Raises
    ------
    CorruptionError
        If the stored peaks are damaged.
    """
    return decode_peaks(track_id, constellations.get(connection, track_id) or b"")


def load_peaks_if_intact(connection: Connection, track_id: int) -> Peaks:
    """Read and decode the peaks of a track. Return no peaks if they are damaged or missing."""
    try:
        return load_peaks(connection, track_id)
    except CorruptionError:
        return decode_peaks(track_id, b"")


def track_landmarks(
    track_id: int, constellation: bytes, params: LandmarkParams
) -> tuple[int, int, Landmarks]:
    """Make the landmarks of a track from its packed peaks.

    Parameters
    ----------
    track_id : int
        The track.
    constellation : bytes
        Its packed peaks.
    params : LandmarkParams
        The parameters of the library.

    Returns
    -------
    track_id : int
        The track.
    length : int
        Its length in frames.
    landmarks : Landmarks
        Its landmarks.

    Raises
    ------
    CorruptionError
        If the packed peaks are damaged.
    """
    peaks = decode_peaks(track_id, constellation)
    length = int(peaks.frames[-1]) + 2 if len(peaks) else 1
    return track_id, length, make_landmarks(peaks, params, params.fan_out)
