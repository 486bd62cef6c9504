"""Packed peaks of the tracks, which this module does not unpack."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, select

from fingerprinter.store.tables.schema import constellation

ROWS_PER_READ = 256  # about 10 MB


def get(connection: Connection, track_id: int) -> bytes | None:
    """Return a track's packed peaks, or None if it has none."""
    return connection.scalar(
        select(constellation.c.data).where(constellation.c.track_id == track_id)
    )


def get_many(connection: Connection, track_ids: Collection[int]) -> dict[int, bytes]:
    """Return the packed peaks by track id. Tracks without peaks are left out."""
    wanted = constellation.c.track_id.in_(track_ids)
    rows = connection.execute(select(constellation.c.track_id, constellation.c.data).where(wanted))
    return {row.track_id: row.data for row in rows}


def iterate(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """Yield (track id, packed peaks) of all tracks, in the order of ids.

    It reads `ROWS_PER_READ` rows at a time.
    """
    columns = constellation.c
    last = 0
    while rows := connection.execute(
        select(columns.track_id, columns.data)
        .where(columns.track_id > last)
        .order_by(columns.track_id)
        .limit(ROWS_PER_READ)
    ).all():
        yield from ((row.track_id, row.data) for row in rows)
        last = rows[-1].track_id
