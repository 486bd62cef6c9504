"""A library's tracks into one file, and into another library: analysis and all, without audio."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from fingerprinter.core.fingerprint.params import DEFAULT, PROFILES, LandmarkParams
from fingerprinter.errors import VersionError
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import archive
from fingerprinter.store.maintain.archive import Record
from fingerprinter.store.maintain.checks import OF_A_TRACK
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import files, library_metadata, schema
from fingerprinter.types import Landmarks, Problem

_BATCH = 256  # tracks to a transaction: a segment of about 15 million landmarks at most

_OWN = (schema.file.name,)  # tables that are merged row by row; of the others a track has its own
_TAGS = ("title", "artist", "album", "track_number", "year", "genre", "mbid")


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How many tracks are written, or taken in."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the tracks of a file.

    added: new here; merged: known here, and something was learned; unchanged: known as they are
    files: paths that were noted; files_kept: paths that are known here as another track's
    """

    added: int = 0
    merged: int = 0
    unchanged: int = 0
    failed: int = 0
    files: int = 0
    files_kept: int = 0
    elapsed_s: float = 0.0
    problems: tuple[Problem, ...] = field(default=())


OnTransferProgress = Callable[[TransferProgress], None]
PathMap = Sequence[tuple[str, str]]


def export_tracks(
    connection: Connection,
    path: Path,
    track_ids: Sequence[int] | None,
    on_progress: OnTransferProgress,
) -> int:
    """Writes tracks, default all, into one file; how many. Raises `UsageError`."""
    total = len(track_ids) if track_ids is not None else _count(connection)
    params_id = library_metadata.get(connection, library_metadata.PARAMS_ID) or DEFAULT.id
    with archive.write_archive(path, params_id) as writer:
        for record in archive.records(connection, track_ids):
            writer.add(record)
            on_progress(TransferProgress(writer.count, total))
    return writer.count


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(schema.track)) or 0


def import_tracks(
    database: Database, path: Path, moves: PathMap, on_progress: OnTransferProgress
) -> ImportReport:
    """Merges a file's tracks into a library, a portion to a transaction.

    What was taken in stays; a second run recognises it and goes on behind it.
    Raises `UsageError`, `VersionError` and `CorruptionError`.
    """
    started = time.monotonic()
    with archive.open_archive(path) as source:
        source.require_whole()
        params = _params(path, source.params_id)
        database.change(
            partial(
                library_metadata.claim, name=library_metadata.PARAMS_ID, value=params.id
            )  # refuses another
        )
        report, done = ImportReport(), 0
        for portion in _portions(source.records()):
            damaged = [
                Problem(_name(record), _damage(path, record)) for record, ok in portion if not ok
            ]
            whole = [_at_home(record, moves) for record, ok in portion if ok]
            found = database.change(partial(_take_in, params=params, records=whole))
            merge_segments(database, params)
            report = _sum(report, found, damaged)
            done += len(portion)
            on_progress(TransferProgress(done, source.count))
    database.reclaim()
    return _sum(report, ImportReport(elapsed_s=time.monotonic() - started), [])


def _params(path: Path, params_id: str) -> LandmarkParams:
    for params in PROFILES.values():
        if params.id == params_id:
            return params
    raise VersionError(
        f"{path}: its peaks were found under parameters {params_id}, which this program does not"
        " have; import it with the version that made it, or index the music anew"
    )


def _portions(
    records: Iterable[tuple[Record, bool]],
) -> Iterator[list[tuple[Record, bool]]]:
    rest = iter(records)
    while portion := list(islice(rest, _BATCH)):
        yield portion


def _sum(report: ImportReport, more: ImportReport, damaged: Sequence[Problem]) -> ImportReport:
    return ImportReport(
        report.added + more.added,
        report.merged + more.merged,
        report.unchanged + more.unchanged,
        report.failed + len(damaged),
        report.files + more.files,
        report.files_kept + more.files_kept,
        report.elapsed_s + more.elapsed_s,
        (*report.problems, *damaged),
    )


def _name(record: Record) -> str:
    return str(record.track.get("title") or record.track["content_id"])


def _damage(path: Path, record: Record) -> str:
    return f"{path}: {_name(record)}: not what was written; left out: index its file again"


def _at_home(record: Record, moves: PathMap) -> Record:
    """The record with its files where they lie on this machine."""
    rows = [row | {"path": map_path(row["path"], moves)} for row in record.rows.get("file", [])]
    return Record(record.track, {**record.rows, "file": rows})


def map_path(path: bytes, moves: PathMap) -> bytes:
    """A path with the first beginning replaced that it has, at the border of a folder.

    >>> map_path(b"/music/a/b.ogg", [("/mus", "/x"), ("/music", "/mnt/music")])
    b'/mnt/music/a/b.ogg'
    """
    for old, new in moves:
        stem = os.fsencode(old).rstrip(b"/\\\\")
        if path.startswith(stem) and path[len(stem) :][:1] in (b"/", b"\\\\"):
            return os.fsencode(new).rstrip(b"/\\\\") + path[len(stem) :]
    return path


def _take_in(
    connection: Connection, params: LandmarkParams, records: Sequence[Record]
) -> ImportReport:
    """One transaction's worth of tracks, and a segment with the landmarks of the new ones."""
    intake = _Importer(connection, params)
    for record in records:
        intake.track(record)
    postings.add_segment(connection, params, intake.new)
    if intake.added or intake.merged:
        library_metadata.bump_revision(connection)
    unchanged = len(records) - intake.added - intake.merged
    return ImportReport(
        intake.added, intake.merged, unchanged, files=intake.files, files_kept=intake.files_kept
    )


class _Importer:
    """Rows into a library; ``new``: tracks whose landmarks are to be added."""

    def __init__(self, connection: Connection, params: LandmarkParams) -> None:
        self._connection, self._params = connection, params
        self.new: list[tuple[int, int, Landmarks]] = []
        self.added = self.merged = self.files = self.files_kept = 0

    def track(self, record: Record) -> None:
        here = schema.track
        same = here.c.content_id == record.track["content_id"]
        known = self._connection.execute(select(here).where(same)).mappings().first()
        if known is None:
            values = insert(here).values(record.track).returning(here.c.id)
            track_id = self._connection.scalars(values).one()
        else:
            track_id = known["id"]
        learned = known is not None and self._learn_tags(dict(known), record.track)
        learned |= self._learn_rows(track_id, record)
        self.added += known is None
        self.merged += known is not None and learned

    def _learn_tags(self, known: dict[str, Any], told: dict[str, Any]) -> bool:
        """What is known here stays; what is not is taken over."""
        absent = [name for name in _TAGS if known[name] is None and told.get(name) is not None]
        if absent:
            values = {name: told[name] for name in absent}
            which = schema.track.c.id == known["id"]
            self._connection.execute(update(schema.track).where(which).values(values))
        return bool(absent)

    def _learn_rows(self, track_id: int, record: Record) -> bool:
        learned = [self._file(track_id, row) for row in record.rows.get("file", [])]
        for table in OF_A_TRACK:
            if table.name not in _OWN:
                rows = record.rows.get(table.name, [])
                learned += [self._row(table, track_id, row) for row in rows]
        return any(learned)

    def _file(self, track_id: int, row: dict[str, Any]) -> bool:
        """Notes where a track lies, unless something else is known to lie there."""
        path = schema.file.c.path == row["path"]
        held = self._connection.scalar(select(schema.file.c.track_id).where(path))
        if held is None:
            stamp = {"size": row["size"], "mtime_ns": row["mtime_ns"]}
            files.set_file(self._connection, row["path"], track_id, **stamp)
            self.files += 1
        elif held != track_id:
            self.files_kept += 1
        return held is None

    def _row(self, table: Table, track_id: int, row: dict[str, Any]) -> bool:
        """Adds a row that the track lacks: of each kind it has one, or one for each model."""
        row = row | {"track_id": track_id}
        same = [column == row[column.name] for column in table.primary_key]
        if self._connection.execute(select(table.c.track_id).where(*same)).first():
            return False
        self._connection.execute(insert(table).values(row))
        if table is schema.constellation:
            self.new.append(track_landmarks(track_id, row["data"], self._params))
        return True
