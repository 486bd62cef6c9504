"""Timbre, rhythm and harmony of the tracks as rows of numbers, made by `embedding.facets`."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, select

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.checked import unpack_numbers
from fingerprinter.store.tables.schema import facet, require_checksum
from fingerprinter.store.tables.vectors import Matrix, Vector

_STORED = np.dtype("<f2")


def put(connection: Connection, track_id: int, version: str, values: Vector) -> None:
    """Store a track's facets, (d,) float32; replace earlier ones of any version."""
    data = values.astype(_STORED).tobytes()
    feature_rows.put(connection, facet, track_id, version=version, data=data)


def get(connection: Connection, track_id: int, version: str) -> Vector | None:
    """Return a track's facets, (d,) float32, or None if it has none of this version."""
    same = (facet.c.track_id == track_id) & (facet.c.version == version)
    row = connection.execute(select(facet).where(same)).first()
    if row is None:
        return None
    require_checksum(facet, row)
    values = unpack_numbers(row.data, _STORED, f"the facets of track {track_id}")
    return values.astype(np.float32)


def matrix(connection: Connection, version: str, width: int) -> Matrix:
    """Return the facets of all tracks that have some of a version, ``width`` numbers each.

    Raises
    ------
    CorruptionError
        If stored facets have another length.
    """
    wanted = select(facet).where(facet.c.version == version)
    rows = connection.execute(wanted.order_by(facet.c.track_id)).all()
    for row in rows:
        require_checksum(facet, row)
        if len(row.data) != width * _STORED.itemsize:
            raise CorruptionError(
                f"track {row.track_id}: its facets have {len(row.data)} bytes and not"
                f" {width * _STORED.itemsize}; remove the track and index it again"
            )
    values = unpack_numbers(
        b"".join(row.data for row in rows), _STORED, "the facets of some tracks"
    )
    ids = np.array([row.track_id for row in rows], np.int64)
    return Matrix(ids, values.reshape(len(rows), width).astype(np.float32))
