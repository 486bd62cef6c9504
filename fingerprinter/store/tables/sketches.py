"""Sketches of the tracks, each with the version of the learned parameters that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select

from fingerprinter.core.fingerprint.sketch import Codes
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.schema import require_checksum, sketch

_STORED = np.dtype("<u8")
_ROWS_PER_READ = 1024  # about 8 MB


def put(connection: Connection, track_id: int, version: str, codes: Codes) -> bool:
    """Store a track's sketches; replace earlier ones of any version.

    Returns
    -------
    bool
        True if the track had no sketches of this version.
    """
    same = (sketch.c.track_id == track_id) & (sketch.c.version == version)
    known = connection.scalar(select(func.count()).where(same))
    data = codes.astype(_STORED).tobytes()
    feature_rows.put(connection, sketch, track_id, version=version, data=data)
    return not known


def get_all(connection: Connection, version: str, words: int) -> dict[int, Codes]:
    """Return the sketches of a version by track id, (n, words) uint64 each.

    Raises
    ------
    CorruptionError
        If the stored bytes have a wrong length.
    """
    return _read(connection, select(sketch).order_by(sketch.c.track_id), version, words)


def iterate(
    connection: Connection, version: str, words: int, after: int = 0
) -> Iterator[dict[int, Codes]]:
    """Yield the sketches of the tracks with a greater id, some tracks at a time, in id order."""
    while True:
        rows = select(sketch).where(sketch.c.track_id > after, sketch.c.version == version)
        rows = rows.order_by(sketch.c.track_id).limit(_ROWS_PER_READ)
        found = _read(connection, rows, version, words)
        if not found:
            return
        yield found
        after = max(found)


def byte_count(connection: Connection, version: str, after: int = 0) -> int:
    """Return the bytes of the sketches of the tracks with a greater id."""
    some = select(func.sum(func.length(sketch.c.data)))
    some = some.where(sketch.c.track_id > after, sketch.c.version == version)
    return int(connection.scalar(some) or 0)


def get_many(
    connection: Connection, track_ids: Collection[int], version: str, words: int
) -> dict[int, Codes]:
    """Return the sketches of some tracks as `get_all` does; those without any are left out."""
    return _read(connection, select(sketch).where(sketch.c.track_id.in_(track_ids)), version, words)


def _read(connection: Connection, rows: Select[Any], version: str, words: int) -> dict[int, Codes]:
    found = {}
    for row in connection.execute(rows.where(sketch.c.version == version)):
        require_checksum(sketch, row)
        track_id, data = row.track_id, row.data
        if len(data) % (words * _STORED.itemsize):
            raise CorruptionError(
                f"track {track_id}: {len(data)} bytes are no sketches;"
                " remove the track and index it again"
            )
        found[track_id] = np.frombuffer(data, _STORED).astype(np.uint64).reshape(-1, words)
    return found
