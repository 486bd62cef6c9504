"""The outlines of the tracks, for pictures of their waveforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, delete, insert, select

from fingerprinter.store.tables.schema import require_checksum, waveform


def put(connection: Connection, track_id: int, points: npt.NDArray[np.uint8]) -> None:
    """Store a track's outline, (1000,) uint8; replace an earlier one."""
    connection.execute(delete(waveform).where(waveform.c.track_id == track_id))
    connection.execute(insert(waveform).values(track_id=track_id, points=points.tobytes()))


def get(connection: Connection, track_id: int) -> npt.NDArray[np.uint8] | None:
    """Return a track's outline, (1000,) uint8, or None if it is not stored.

    Raises
    ------
    CorruptionError
        If the stored bytes are damaged.
    """
    row = connection.execute(select(waveform).where(waveform.c.track_id == track_id)).first()
    if row is None:
        return None
    require_checksum(waveform, row)
    return np.frombuffer(row.points, np.uint8)
