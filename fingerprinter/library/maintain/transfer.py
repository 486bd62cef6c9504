"""Export of tracks to one file and import into another library, with all features but no audio."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from fingerprinter.core.fingerprint.params import DEFAULT, PROFILES, LandmarkParams
from fingerprinter.errors import VersionError
from fingerprinter.library.base.progress import OnTrackCount, TrackCount
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import archive
from fingerprinter.store.maintain.archive import Record
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import files, library_metadata, names, schema, tracks
from fingerprinter.types import AudioFormat, Landmarks, Problem, Tags

BATCH_TRACKS = 256  # tracks per transaction: a segment of about 15 million landmarks at most

_TAGS = tuple(field.name for field in fields(Tags))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import changed.

    Attributes
    ----------
    added : int
        Tracks that are new to the library.
    merged : int
        Tracks that the library had and about which something was added.
    unchanged : int
        Tracks that the library had with everything in the file.
    failed : int
        Tracks that are damaged in the file.
    files : int
        Paths that were added.
    files_kept : int
        Paths that were not added because they belong to another track of the library.
    elapsed_s : float
        Seconds that the import took.
    problems : tuple of Problem
        The reason for each failure.
    unused_maps : tuple of str
        Folders to be mapped below which no file was.
    """

    added: int = 0
    merged: int = 0
    unchanged: int = 0
    failed: int = 0
    files: int = 0
    files_kept: int = 0
    elapsed_s: float = 0.0
    problems: tuple[Problem, ...] = field(default=())
    unused_maps: tuple[str, ...] = ()


PathMap = Sequence[tuple[str, str]]


def export_tracks(
    connection: Connection,
    path: Path,
    track_ids: Sequence[int] | None,
    on_progress: OnTrackCount,
) -> int:
    """Write tracks to one file.

    Parameters
    ----------
    connection : Connection
        A snapshot of the library.
    path : Path
        The file to write.
    track_ids : sequence of int, optional
        The tracks. The default is all.
    on_progress : callable
        Is called with a `TrackCount` after each track.

    Returns
    -------
    int
        The number of tracks.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    if track_ids is None:
        total = connection.scalar(select(func.count()).select_from(schema.track)) or 0
    else:
        total = len(track_ids)
    params_id = library_metadata.get(connection, library_metadata.PARAMS_ID) or DEFAULT.id
    with archive.write_archive(path, params_id) as writer:
        for record in archive.records(connection, track_ids):
            writer.add(record)
            on_progress(TrackCount(writer.count, total))
    return writer.count


def import_tracks(
    database: Database, path: Path, moved: PathMap, on_progress: OnTrackCount
) -> ImportReport:
    """Merge the tracks of a file into a library, a batch per transaction.

    What was committed stays when an import ends early. A second run recognises it and continues.

    Parameters
    ----------
    database : Database
        The library.
    path : Path
        A file that `export_tracks` wrote.
    moved : sequence of (old, new)
        Prefixes of the files' paths to replace, see `map_path`.
    on_progress : callable
        Is called with a `TrackCount` after each batch.

    Returns
    -------
    ImportReport

    Raises
    ------
    UsageError
        If the file is no export.
    VersionError
        If the file is of another version, or its peaks were found under other parameters.
    CorruptionError
        If the list of tracks in the file is damaged.
    """
    started = time.monotonic()
    with archive.open_archive(path) as source:
        source.require_whole()
        params = _params(path, source.params_id)
        database.change(partial(_claim_params, path=path, params=params))
        report, done = ImportReport(), 0
        unused = [old for old, _ in moved]
        stored = iter(source.records())
        while batch := list(islice(stored, BATCH_TRACKS)):
            damaged = [_damage(path, record) for record, is_intact in batch if not is_intact]
            paths = [row["path"] for record, _ in batch for row in record.rows.get("file", [])]
            unused = [old for old in unused if not any(_contains(old, each) for each in paths)]
            intact = [_with_mapped_paths(record, moved) for record, is_intact in batch if is_intact]
            added = database.change(partial(_add_records, params=params, records=intact))
            merge_segments(database, params)
            report = _sum(report, added, damaged)
            done += len(batch)
            on_progress(TrackCount(done, source.count))
    database.reclaim()
    elapsed_s = time.monotonic() - started
    return replace(report, elapsed_s=elapsed_s, unused_maps=tuple(unused))


def _params(path: Path, params_id: str) -> LandmarkParams:
    for params in PROFILES.values():
        if params.id == params_id:
            return params
    raise VersionError(
        f"{path}: its peaks were found under parameters {params_id}, which this program does not"
        " have; import it with the version that made it, or index the music again"
    )


def _claim_params(connection: Connection, path: Path, params: LandmarkParams) -> None:
    """Give an empty library the parameters of an export; refuse one that has others."""
    names = {each.id: name for name, each in PROFILES.items()}
    stored = library_metadata.get(connection, library_metadata.PARAMS_ID)
    if stored in names and stored != params.id:
        raise VersionError(
            f"{path}: an export of the profile {names[params.id]}, and the library has the profile"
            f" {names[stored]}; import it into a new library (--db)"
        )
    library_metadata.claim(connection, library_metadata.PARAMS_ID, params.id)


def _sum(report: ImportReport, added: ImportReport, damaged: Sequence[Problem]) -> ImportReport:
    """Add the counts and problems of one batch to a report."""
    return ImportReport(
        report.added + added.added,
        report.merged + added.merged,
        report.unchanged + added.unchanged,
        report.failed + len(damaged),
        report.files + added.files,
        report.files_kept + added.files_kept,
        problems=(*report.problems, *damaged),
    )


def _damage(path: Path, record: Record) -> Problem:
    name = str(record.track.get("title") or record.track["content_id"])
    return Problem(name, f"{path}: {name}: not what was written; left out: index its file again")


def _with_mapped_paths(record: Record, moved: PathMap) -> Record:
    """Replace the prefixes of the paths of a record's files."""
    rows = [row | {"path": map_path(row["path"], moved)} for row in record.rows.get("file", [])]
    return Record(record.track, {**record.rows, "file": rows})


def _contains(folder: str, path: bytes) -> bool:
    stem = os.fsencode(folder).rstrip(b"/\\")
    return path.startswith(stem) and path[len(stem) :][:1] in (b"/", b"\\")


def map_path(path: bytes, moved: PathMap) -> bytes:
    r"""Replace the prefix of a path.

    Parameters
    ----------
    path : bytes
        An absolute path.
    moved : sequence of (old, new)
        Folders. The first ``old`` that contains the path is replaced by its ``new``.

    Returns
    -------
    bytes
        The path, unchanged if no ``old`` contains it.

    Examples
    --------
    >>> map_path(b"/music/a/b.ogg", [("/mus", "/x"), ("/music", "/mnt/music")])
    b'/mnt/music/a/b.ogg'
    >>> print(map_path(rb"C:\music\b.ogg", [(r"C:\music", "D:")]).decode())
    D:\b.ogg
    """
    for old, new in moved:
        if _contains(old, path):
            stem = os.fsencode(old).rstrip(b"/\\")
            return os.fsencode(new).rstrip(b"/\\") + path[len(stem) :]
    return path


def _add_records(
    connection: Connection, params: LandmarkParams, records: Sequence[Record]
) -> ImportReport:
    """Add or merge records, and add one segment with the landmarks of the new tracks."""
    batch = _Import(connection, params)
    names.refresh(connection, [batch.add(record) for record in records])
    postings.add_segment(connection, params, batch.new_landmarks)
    if batch.added or batch.merged:
        library_metadata.bump_revision(connection)
    unchanged = len(records) - batch.added - batch.merged
    return ImportReport(
        batch.added, batch.merged, unchanged, files=batch.files, files_kept=batch.files_kept
    )


class _Import:
    """One transaction; ``new_landmarks`` has (track id, frames, landmarks) of each new track."""

    def __init__(self, connection: Connection, params: LandmarkParams) -> None:
        self._connection, self._params = connection, params
        self.new_landmarks: list[tuple[int, int, Landmarks]] = []
        self.added = self.merged = self.files = self.files_kept = 0

    def add(self, record: Record) -> int:
        """Add the track of a record, or what the library lacks about it; return its id."""
        same = schema.track.c.content_id == record.track["content_id"]
        known = self._connection.execute(select(schema.track).where(same)).mappings().first()
        if known is None:
            values = insert(schema.track).values(record.track).returning(schema.track.c.id)
            track_id = self._connection.scalars(values).one()
        else:
            track_id = known["id"]
        changed = known is not None and self._fill_in_tags(dict(known), record.track)
        changed |= self._add_rows(track_id, record)
        self.added += known is None
        self.merged += known is not None and changed
        return int(track_id)

    def _fill_in_tags(self, known: dict[str, Any], imported: dict[str, Any]) -> bool:
        """Set the tags that the library lacks; return whether there are any."""
        absent = [name for name in _TAGS if known[name] is None and imported.get(name) is not None]
        if absent:
            values = {name: imported[name] for name in absent}
            which = schema.track.c.id == known["id"]
            self._connection.execute(update(schema.track).where(which).values(values))
            tracks.seal(self._connection, known["id"])
        return bool(absent)

    def _add_rows(self, track_id: int, record: Record) -> bool:
        """Add the rows of all tables that the track lacks; return whether there are any."""
        added = [self._add_file(track_id, row) for row in record.rows.get("file", [])]
        for table in archive.TABLES:
            if table.name != schema.file.name:
                rows = record.rows.get(table.name, [])
                added += [self._add_row(table, track_id, row) for row in rows]
        return any(added)

    def _add_file(self, track_id: int, row: dict[str, Any]) -> bool:
        """Add a path unless the library has it, for this track or another."""
        start_s = row.get("start_s", 0.0)
        here = (schema.file.c.path == row["path"]) & (schema.file.c.start_s == start_s)
        holder = self._connection.scalar(select(schema.file.c.track_id).where(here))
        if holder is None:
            audio = {field.name: row.get(field.name) for field in fields(AudioFormat)}
            files.set_file(
                self._connection,
                row["path"],
                track_id,
                size=row["size"],
                mtime_ns=row["mtime_ns"],
                audio=AudioFormat(**audio),
                start_s=start_s,
                end_s=row.get("end_s"),
            )
            self.files += 1
        elif holder != track_id:
            self.files_kept += 1
        return holder is None

    def _add_row(self, table: Table, track_id: int, row: dict[str, Any]) -> bool:
        """Add a row unless the track has one with this key, for example of this model."""
        row = row | {"track_id": track_id}
        same = [column == row[column.name] for column in table.primary_key]
        if self._connection.execute(select(table.c.track_id).where(*same)).first():
            return False
        self._connection.execute(insert(table).values(row))
        if table is schema.constellation:
            self.new_landmarks.append(track_landmarks(track_id, row["data"], self._params))
        return True
