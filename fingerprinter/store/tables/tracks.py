"""Tracks: one row per recording, identified by its content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)

from fingerprinter.errors import UnknownTrackError
from fingerprinter.store.tables import names
from fingerprinter.store.tables.checked import or_missing
from fingerprinter.store.tables.files import AnyPath
from fingerprinter.store.tables.schema import file, require_checksum, row_checksum, tombstone, track
from fingerprinter.types import Tags, Track

ROWS_PER_READ = 1000  # few enough parameters for SQLite, and little memory

_first_file = (
    select(func.min(file.c.id)).where(file.c.track_id == track.c.id).correlate(track)
).scalar_subquery()
_OF_FILE = ("codec", "bit_rate", "sample_rate_hz", "channels", "end_s")
_OF_TRACK = tuple(column.name for column in track.c if column.name != "checksum")
_columns = (*track.c, *(or_missing(column).label(f"file_{column.name}") for column in file.c))
# Each track with its first file, if it has one
_tracks: Select[Any] = select(*_columns).select_from(
    track.outerjoin(file, file.c.id == _first_file)
)
_each_file: Select[Any] = select(*_columns).select_from(track.join(file))


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes of a library."""

    tracks: int
    files: int
    audio_s: float
    problems: int  # tracks that could be decoded only in part


def _track(row: Row[Any]) -> Track:
    require_checksum(track, row)
    values = {name: getattr(row, name) for name in _OF_TRACK}
    if row.file_id is None:
        return Track(path=None, **values)
    require_checksum(file, row, "file_")
    values |= {name: getattr(row, f"file_{name}") for name in _OF_FILE}
    return Track(path=os.fsdecode(row.file_path), start_s=row.file_start_s, **values)


def add_track(
    connection: Connection,
    content_id: str,
    tags: Tags,
    duration_s: float,
    *,
    added_at: datetime,
    problem: str | None = None,
) -> int:
    """Add a track that has no file yet.

    Parameters
    ----------
    content_id
        Digest of the recording.
    added_at
        Time with a time zone. It is stored in UTC.
    problem
        Why the track could be decoded only in part, if so.

    Returns
    -------
    int
        The id of the track, which no track had before.
    """
    values = {
        "content_id": content_id,
        "duration_s": duration_s,
        "problem": problem,
        "added_at": added_at,
        **asdict(tags),
    }
    track_id: int = connection.scalars(insert(track).returning(track.c.id), values).one()
    return track_id


def get(connection: Connection, track_id: int) -> Track:
    """Return the track of an id.

    Raises
    ------
    UnknownTrackError
        If there is none.
    """
    found = get_many(connection, [track_id])
    if track_id not in found:
        raise _unknown(track_id)
    return found[track_id]


def get_many(connection: Connection, track_ids: Iterable[int]) -> dict[int, Track]:
    """Return the tracks by id. Ids of no track are left out."""
    wanted = sorted({int(track_id) for track_id in track_ids if _can_be_id(track_id)})
    found: dict[int, Track] = {}
    for start in range(0, len(wanted), ROWS_PER_READ):
        some = _tracks.where(track.c.id.in_(wanted[start : start + ROWS_PER_READ]))
        for row in connection.execute(some):
            found[row.id] = _track(row)
    return found


def by_content(connection: Connection, content_id: str) -> Track | None:
    """Return the track of a content id, or None if there is none."""
    row = connection.execute(_tracks.where(track.c.content_id == content_id)).first()
    return None if row is None else _track(row)


def by_path(connection: Connection, path: AnyPath, start_s: float | None = None) -> Track | None:
    """Return the track of the file at an absolute path, or None if the file is not known.

    Parameters
    ----------
    start_s
        Where a track of a cue sheet begins in the file, to a millisecond. Default: the first one.
    """
    here = select(file.c.track_id).where(file.c.path == os.fsencode(path))
    if start_s is not None:
        here = here.where(file.c.start_s.between(start_s - 0.001, start_s + 0.001))
    owner = here.order_by(file.c.start_s).limit(1).scalar_subquery()
    row = connection.execute(_tracks.where(track.c.id == owner)).first()
    return None if row is None else _track(row)


def exact_copies(connection: Connection) -> Iterator[list[Track]]:
    """Yield each track that several files hold, once for each of them, in the order of ids.

    The files of a track are in the order in which they were added.
    """
    held = file.c.track_id
    several = select(held).group_by(held).having(func.count(file.c.path.distinct()) > 1)
    ids = list(connection.scalars(several.order_by(held)))
    for start in range(0, len(ids), ROWS_PER_READ):
        some = _each_file.where(track.c.id.in_(ids[start : start + ROWS_PER_READ]))
        rows = map(_track, connection.execute(some.order_by(track.c.id, file.c.id)))
        for _, copies in groupby(rows, lambda each: each.id):
            yield list({each.path: each for each in copies}.values())


def iterate(connection: Connection) -> Iterator[Track]:
    """Yield all tracks in the order of ids. It reads `ROWS_PER_READ` rows at a time."""
    last = 0
    while rows := connection.execute(
        _tracks.where(track.c.id > last).order_by(track.c.id).limit(ROWS_PER_READ)
    ).all():
        yield from map(_track, rows)
        last = rows[-1].id


def content_ids(connection: Connection) -> dict[str, int]:
    """Return the ids of all tracks by content id."""
    rows = connection.execute(select(track.c.content_id, track.c.id))
    return {row.content_id: row.id for row in rows}


def update_tags(connection: Connection, track_id: int, tags: Tags) -> None:
    """Replace the tags of a track.

    Raises
    ------
    UnknownTrackError
        If there is no such track.
    """
    statement = update(track).where(track.c.id == track_id).values(**asdict(tags))
    if not _can_be_id(track_id) or connection.execute(statement).rowcount == 0:
        raise _unknown(track_id)
    seal(connection, track_id)


def seal(connection: Connection, track_id: int) -> None:
    """Compute the checksum of a track's row, after other columns were updated."""
    here = track.c.id == track_id
    row = dict(connection.execute(select(track).where(here)).mappings().one())
    connection.execute(update(track).where(here).values(checksum=row_checksum(track, row)))


def remove(connection: Connection, track_id: int) -> None:
    """Delete a track, and with it its files, peaks, vectors and analyses.

    Its landmarks stay in their segments, with a tombstone, until the segments are merged.

    Raises
    ------
    UnknownTrackError
        If there is no such track.
    """
    if not _can_be_id(track_id):
        raise _unknown(track_id)
    names.forget(connection, track_id)
    if connection.execute(delete(track).where(track.c.id == track_id)).rowcount == 0:
        raise _unknown(track_id)
    connection.execute(insert(tombstone).values(track_id=track_id))


def removed(connection: Connection) -> frozenset[int]:
    """Return the ids of removed tracks whose landmarks may still be in a segment.

    Raises
    ------
    CorruptionError
        If one of the ids is damaged: it could hide a track that is there.
    """
    rows = connection.execute(select(tombstone)).all()
    for row in rows:
        require_checksum(tombstone, row)
    return frozenset(row.track_id for row in rows)


def orphans(connection: Connection) -> list[int]:
    """Return the ids of the tracks without a file, sorted."""
    held = select(file.c.id).where(file.c.track_id == track.c.id).exists()
    return list(connection.scalars(select(track.c.id).where(~held).order_by(track.c.id)))


def counts(connection: Connection) -> Counts:
    """Count tracks, files, seconds of audio and problems."""
    total = select(
        func.count(), func.coalesce(func.sum(track.c.duration_s), 0.0), func.count(track.c.problem)
    ).select_from(track)
    tracks, audio_s, problems = connection.execute(total).one()
    files = connection.scalar(select(func.count()).select_from(file))
    return Counts(tracks=tracks, files=files or 0, audio_s=audio_s, problems=problems)


def _can_be_id(number: int) -> bool:
    """Whether a number fits the column of ids. Drivers fail on others."""
    return 0 < number < 1 << 63


def _unknown(track_id: int) -> UnknownTrackError:
    return UnknownTrackError(
        f"no track {track_id} in this library; `fingerprinter list` shows those there are"
    )
