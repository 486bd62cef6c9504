"""The files of the tracks: their paths, sizes and times, by which a change is noticed.

Paths are absolute. They are stored as the bytes of `os.fsencode`, so that both databases keep names
that are not UTF-8.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from fingerprinter.store.tables.schema import file, row_checksum
from fingerprinter.types import AudioFormat

AnyPath = str | bytes | os.PathLike[str]

_IDS_PER_STATEMENT = 1000
_PATHS_PER_STATEMENT = 100  # SQLite allows expressions 1000 deep


class FileStamp(NamedTuple):
    """Size and time of a file when it was indexed, and the ids of its tracks.

    Those of a cue sheet are in them, see `set_file`.
    """

    size: int
    mtime_ns: int
    track_ids: tuple[int, ...]


def file_stamps(
    connection: Connection, places: Iterable[AnyPath] | None = None
) -> dict[bytes, FileStamp]:
    """Return the stamps of the known files by path.

    Parameters
    ----------
    places
        Files, and folders whose files are meant. Default: all files of the library.
    """
    statement = select(file.c.path, file.c.size, file.c.mtime_ns, file.c.track_id)
    statements = [statement] if places is None else map(statement.where, _path_conditions(places))
    stamps: dict[bytes, FileStamp] = {}
    for each in statements:
        parts: dict[bytes, FileStamp] = {}  # of this statement: a path may meet several
        for path, size, mtime_ns, track_id in connection.execute(each.order_by(file.c.start_s)):
            before = parts[path].track_ids if path in parts else ()
            parts[path] = FileStamp(size, mtime_ns, (*before, track_id))
        stamps |= parts
    return stamps


def _path_conditions(places: Iterable[AnyPath]) -> Iterator[ColumnElement[bool]]:
    """Conditions that a path is one of some places or below one, a limited number in each.

    What is below a place is a range of the index over paths.
    """
    separator = os.fsencode(os.sep)
    after, path = bytes([separator[0] + 1]), file.c.path
    conditions = []
    for place in sorted({os.fsencode(place) for place in places}):
        stem = place.rstrip(separator)
        conditions += [or_(path == place, and_(path > stem + separator, path < stem + after))]
    for start in range(0, len(conditions), _PATHS_PER_STATEMENT):
        yield or_(*conditions[start : start + _PATHS_PER_STATEMENT])


def without_format(connection: Connection) -> set[bytes]:
    """Return the paths of the files of which `index` has not stored how their sound is stored."""
    return set(connection.scalars(select(file.c.path).where(file.c.codec.is_(None))))


def set_file(
    connection: Connection,
    path: AnyPath,
    track_id: int,
    *,
    size: int,
    mtime_ns: int,
    audio: AudioFormat | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> int | None:
    """Store that a file, or a part of it, holds a track.

    Parameters
    ----------
    audio
        How the sound is stored. Default: what is known stays.
    size, mtime_ns
        Size and time of the file. With a cue sheet in its folder, the sum of both sizes and the
        later time.
    start_s, end_s
        The part of the file. Default: all of it.

    Returns
    -------
    int or None
        The id of another track that the file held at this start until now, or None.
    """
    here = (file.c.path == os.fsencode(path)) & (file.c.start_s == start_s)
    held = connection.scalar(select(file.c.track_id).where(here))
    values: dict[str, Any] = {"track_id": track_id, "size": size, "mtime_ns": mtime_ns}
    values["end_s"] = end_s
    values |= asdict(audio) if audio else {}
    if held is None:
        place = {"path": os.fsencode(path), "start_s": start_s}
        connection.execute(insert(file), {**place, **values})
    else:
        row = connection.execute(select(file).where(here)).mappings().one()
        values["checksum"] = row_checksum(file, {**row, **values})
        connection.execute(update(file).where(here).values(**values))
    return None if held == track_id else held


def holds(connection: Connection, path: AnyPath, track_id: int) -> bool:
    """Return whether the library knows that a file, or a part of it, holds this track."""
    here = (file.c.path == os.fsencode(path)) & (file.c.track_id == track_id)
    return connection.scalar(select(file.c.id).where(here).limit(1)) is not None


def paths_of(connection: Connection, track_id: int) -> list[bytes]:
    """Return the paths of a track in the order in which they were added."""
    statement = select(file.c.path).where(file.c.track_id == track_id).order_by(file.c.id)
    return list(connection.scalars(statement))


def forget_other_parts(
    connection: Connection, path: AnyPath, starts_s: Iterable[float]
) -> list[int]:
    """Delete the parts of a file but those with some starts; return the ids of their tracks."""
    kept = frozenset(starts_s)
    rows = connection.execute(
        select(file.c.id, file.c.track_id, file.c.start_s).where(file.c.path == os.fsencode(path))
    )
    lost = {row.id: row.track_id for row in rows if row.start_s not in kept}
    for id_ in lost:
        connection.execute(delete(file).where(file.c.id == id_))
    return list(lost.values())


def sizes(connection: Connection, track_ids: Iterable[int]) -> dict[int, int]:
    """Return the size in bytes of the first file of each track that has a file."""
    wanted, found = sorted(set(track_ids)), dict[int, int]()
    for start in range(0, len(wanted), _IDS_PER_STATEMENT):
        some = file.c.track_id.in_(wanted[start : start + _IDS_PER_STATEMENT])
        statement = select(file.c.track_id, file.c.size).where(some).order_by(file.c.id.desc())
        found.update(tuple(row) for row in connection.execute(statement))
    return found


def forget_file(connection: Connection, path: AnyPath) -> list[int]:
    """Delete a file; return the ids of its tracks, none if the file was not known."""
    statement = delete(file).where(file.c.path == os.fsencode(path)).returning(file.c.track_id)
    return list(connection.scalars(statement))
