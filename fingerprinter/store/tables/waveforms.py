"""The outlines of the tracks, for pictures of their waveforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from fingerprinter.store.tables.schema import require_checksum, waveform


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
