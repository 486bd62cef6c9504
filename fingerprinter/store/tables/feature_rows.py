"""What all tables with features of tracks have in common.

Each has one row for a track, or one for each model that described it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select

from fingerprinter.store.tables.schema import track


def put(connection: Connection, table: Table, track_id: int, **values: Any) -> None:
    """Store a track's row of a table; replace an earlier one, if need be of the same model."""
    row = {"track_id": track_id, **values}
    same = [column == row[column.name] for column in table.primary_key]
    connection.execute(delete(table).where(*same))
    connection.execute(insert(table), row)


def exist(connection: Connection, table: Table, version: str) -> bool:
    """Whether a track has a row of a version or model."""
    row = select(table.c.track_id).where(_version(table) == version).limit(1)
    return connection.scalar(row) is not None


def count(connection: Connection, table: Table, version: str) -> int:
    """Return how many tracks have a row of a version or model."""
    rows = select(func.count()).select_from(table).where(_version(table) == version)
    return int(connection.scalar(rows) or 0)


def missing(connection: Connection, table: Table, version: str) -> list[int]:
    """Return the ids of the tracks without a row of a version or model, sorted."""
    own = table.c.track_id == track.c.id
    without = ~select(1).where(own, _version(table) == version).exists()
    return list(connection.scalars(select(track.c.id).where(without).order_by(track.c.id)))


def size(connection: Connection, *columns: ColumnElement[bytes]) -> int:
    """Return the bytes of some columns of a table, of all rows together."""
    bytes_of_row = sum(map(func.length, columns), start=0)
    return int(connection.scalar(select(func.sum(bytes_of_row))) or 0)


def _version(table: Table) -> ColumnElement[str]:
    """Return the column that tells by which version or model a row was made."""
    return table.c.model if "model" in table.c else table.c.version
