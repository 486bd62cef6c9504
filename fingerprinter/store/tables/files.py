"""Files: where the tracks lie, and what tells that they have not changed since.

Paths are absolute. They are kept as the bytes of `os.fsencode`, so that names that
are not UTF-8 survive in both databases.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from fingerprinter.store.tables.schema import file

AnyPath = str | bytes | os.PathLike[str]

_PLACES = 100  # per statement: SQLite allows expressions 1000 deep


class FileStamp(NamedTuple):
    """What a file looked like when it was indexed, and the track it holds."""

    size: int
    mtime_ns: int
    track_id: int


def file_stamps(
    connection: Connection, places: Iterable[AnyPath] | None = None
) -> dict[bytes, FileStamp]:
    """Stamps of the known files by path.

    places: files, and folders with all below them; None: everywhere
    """
    statement = select(file.c.path, file.c.size, file.c.mtime_ns, file.c.track_id)
    if places is None:
        return {path: FileStamp(*stamp) for path, *stamp in connection.execute(statement)}
    return {
        path: FileStamp(*stamp)
        for condition in _conditions(places)
        for path, *stamp in connection.execute(statement.where(condition))
    }


def _conditions(places: Iterable[AnyPath]) -> Iterator[ColumnElement[bool]]:
    wanted = sorted({os.fsencode(place) for place in places})
    for start in range(0, len(wanted), _PLACES):
        yield or_(*map(_at_or_below, wanted[start : start + _PLACES]))


def _at_or_below(place: bytes) -> ColumnElement[bool]:
    """As a range of the index over paths: all that begin with the place and a separator."""
    separator = os.fsencode(os.sep)
    stem = place.rstrip(separator)
    after = bytes([separator[0] + 1])
    return or_(
        file.c.path == place, and_(file.c.path > stem + separator, file.c.path < stem + after)
    )


def set_file(
    connection: Connection, path: AnyPath, track_id: int, *, size: int, mtime_ns: int
) -> int | None:
    """Notes that a file holds a track; the id of another track that lost this path, or None."""
    place = os.fsencode(path)
    held = connection.scalar(select(file.c.track_id).where(file.c.path == place))
    values = {"track_id": track_id, "size": size, "mtime_ns": mtime_ns}
    if held is None:
        connection.execute(insert(file).values(path=place, **values))
    else:
        connection.execute(update(file).where(file.c.path == place).values(**values))
    return None if held == track_id else held


def holds(connection: Connection, path: AnyPath, track_id: int) -> bool:
    """Whether the file is known to hold this track."""
    held = connection.scalar(select(file.c.track_id).where(file.c.path == os.fsencode(path)))
    return held == track_id


def paths_of(connection: Connection, track_id: int) -> list[bytes]:
    """Where a track lies, in the order in which its files were found."""
    statement = select(file.c.path).where(file.c.track_id == track_id).order_by(file.c.id)
    return list(connection.scalars(statement))


def forget_file(connection: Connection, path: AnyPath) -> int | None:
    """Forgets a file; the id of the track it held, or None where it was not known."""
    place = os.fsencode(path)
    held = connection.scalar(select(file.c.track_id).where(file.c.path == place))
    connection.execute(delete(file).where(file.c.path == place))
    return held
