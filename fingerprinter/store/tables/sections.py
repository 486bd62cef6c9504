"""Embeddings of the windows of each track, each with the model that made them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import feature_rows
from fingerprinter.store.tables.checked import unpack_numbers
from fingerprinter.store.tables.schema import require_checksum, section

_TIMES = np.dtype("<f4")
_VECTORS = np.dtype("<f2")  # half the bytes of float32; a cosine changes by less than 0.0003


@dataclass(frozen=True, slots=True)
class Sections:
    """The windows of a track that a model embedded, in the order of time.

    Attributes
    ----------
    starts_s
        (k,) float32. Where each window begins.
    vectors
        (k, d) float32.
    """

    starts_s: npt.NDArray[np.float32]
    vectors: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts_s)


def put(connection: Connection, track_id: int, model: str, sections: Sections) -> None:
    """Store a track's sections of a model; replace earlier ones of that model."""
    starts = sections.starts_s.astype(_TIMES).tobytes()
    vectors = sections.vectors.astype(_VECTORS).tobytes()
    feature_rows.put(connection, section, track_id, model=model, starts=starts, vectors=vectors)


def get(connection: Connection, track_id: int, model: str) -> Sections | None:
    """Return a track's sections of a model, or None if it has none.

    Raises
    ------
    CorruptionError
        If the stored bytes have a wrong length.
    """
    return get_many(connection, [track_id], model).get(track_id)


def get_many(connection: Connection, track_ids: Collection[int], model: str) -> dict[int, Sections]:
    """Return the sections by track id. Tracks without sections of the model are left out.

    Raises
    ------
    CorruptionError
        If the stored bytes have a wrong length.
    """
    wanted = section.c.track_id.in_(track_ids) & (section.c.model == model)
    rows = connection.execute(select(section).where(wanted))
    found = {}
    for row in rows:
        require_checksum(section, row)
        found[row.track_id] = _sections(row.track_id, row.starts, row.vectors)
    return found


def _sections(track_id: int, starts: bytes, vectors: bytes) -> Sections:
    count = len(starts) // _TIMES.itemsize
    if count == 0 or len(starts) % _TIMES.itemsize or len(vectors) % (count * _VECTORS.itemsize):
        raise CorruptionError(
            f"track {track_id}: {len(starts)} bytes of times and {len(vectors)} of vectors are no"
            " sections; remove the track and index it again"
        )
    thing = f"the sections of track {track_id}"
    times = unpack_numbers(starts, _TIMES, thing).astype(np.float32)
    rows = unpack_numbers(vectors, _VECTORS, thing).reshape(count, -1)
    return Sections(times, rows.astype(np.float32))
