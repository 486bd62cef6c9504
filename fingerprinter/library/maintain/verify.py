"""Verification of a library. Derived data can be rebuilt; damage to other data is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Connection, Executable, Table, delete, insert
from sqlalchemy.exc import DBAPIError

from fingerprinter.core.arrays import Longs
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding.manifest import is_intact, read_manifest
from fingerprinter.errors import CorruptionError
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import checks
from fingerprinter.store.maintain.checks import SegmentCheck
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import constellations, library_metadata, names, schema, tracks

_TRACKS = 64  # tracks whose landmarks are put into one segment by a repair

_REPAIR = "run `fingerprinter verify --repair`"

# What `fingerprinter` makes again from the audio file, by table, and the command for it.
_REMADE: Final = {
    "file": "fingerprinter index {path}",
    "analysis": "fingerprinter analyze {id}",
    "embedding": "fingerprinter index {path}",
    "section": "fingerprinter index {path}",
    "facet": "fingerprinter index {path}",
    "sketch": "fingerprinter index {path}",
}

Repair = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a library.

    Attributes
    ----------
    kind : str
        What kind of data it is about.
    thing : str
        The track, segment or other thing.
    found : str
        What is wrong.
    next_step : str or None
        What to do about it; None if nothing is left to do.
    damage : bool
        Whether answers may be wrong or incomplete.
    repaired : bool
        Whether it was repaired.
    """

    kind: str
    thing: str
    found: str
    next_step: str | None
    damage: bool = True
    repaired: bool = False

    def __str__(self) -> str:
        parts = (self.found, "repaired" if self.repaired else None, self.next_step)
        return f"{self.thing}: {'; '.join(part for part in parts if part)}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked, and what is wrong.

    Attributes
    ----------
    tracks, segments, blocks : int
        Number of tracks, of landmark segments, and of the blocks in them.
    findings : tuple of Finding
        What is wrong.
    elapsed_s : float
        Seconds that the verification took.
    """

    tracks: int
    segments: int
    blocks: int
    findings: tuple[Finding, ...]
    elapsed_s: float

    @property
    def is_whole(self) -> bool:
        """Whether no damage is left."""
        return all(each.repaired or not each.damage for each in self.findings)


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """Number of segments and tracks that were checked, and of all."""

    done: int
    total: int


OnVerifyProgress = Callable[[VerifyProgress], None]


class Verifier:
    """One verification of a library.

    Parameters
    ----------
    database : Database
        The library.
    params : LandmarkParams
        Its parameters.
    cache : Path
        Folder of the vector index.
    repair : bool
        Whether to rebuild derived data that is damaged.
    rebuild_vector_index : callable
        Rebuilds the files of the vector index, if the folder can be written.
    """

    def __init__(
        self,
        database: Database,
        params: LandmarkParams,
        cache: Path,
        *,
        repair: bool,
        rebuild_vector_index: Callable[[], None],
    ) -> None:
        self._database, self._params, self._cache, self._repair = database, params, cache, repair
        self._rebuild_vector_index = rebuild_vector_index
        self._findings: list[Finding] = []
        self._lost: set[int] = set()  # tracks whose landmarks have to be rebuilt
        self._unreadable: set[int] = set()  # tracks whose peaks are damaged or missing
        self._repairs: list[Repair] = []
        self._segments = self._blocks = 0

    def run(self, on_progress: OnVerifyProgress = lambda _: None) -> VerifyReport:
        """Do all checks on one snapshot, and then the repairs if they are wanted.

        Parameters
        ----------
        on_progress : callable
            Is called with a `VerifyProgress` after each segment and each group of tracks.

        Returns
        -------
        VerifyReport
        """
        started = time.monotonic()
        with self._database.connect() as connection:
            self._check_database(connection)
            dangling = [t for t in checks.OF_A_TRACK if checks.dangling(connection, t)]
            stray = checks.stray_ranges(connection)
            known = checks.track_ids(connection)
            segments = self._check_segments(connection, len(known), on_progress)
            self._check_tracks(connection, on_progress, known)
            self._check_membership(connection, known, segments)
            self._check_settings(connection)
            index_problem = self._vector_index_problem(connection)
        self._report_leftovers(dangling, stray)
        if self._repair and (self._repairs or self._lost):
            self._database.change(self._apply_repairs)
            merge_segments(self._database, self._params)
            self._database.reclaim()
        if index_problem:
            self._report_vector_index(index_problem)
        elapsed_s = time.monotonic() - started
        return VerifyReport(
            len(known), self._segments, self._blocks, tuple(self._findings), elapsed_s
        )

    def _check_database(self, connection: Connection) -> None:
        problem = checks.database_problem(connection)
        if problem:
            step = (
                "restore a copy, or `fingerprinter export` what can be read"
                " and import it into a new library"
            )
            self._findings.append(Finding("database", "database", problem, step))

    def _check_segments(
        self, connection: Connection, n_tracks: int, on_progress: OnVerifyProgress
    ) -> list[SegmentCheck]:
        ids, checked = checks.segment_ids(connection), []
        for number, segment_id in enumerate(ids, 1):
            checked.append(checks.check_segment(connection, segment_id))
            on_progress(VerifyProgress(number, len(ids) + n_tracks))
        self._segments, self._blocks = len(ids), sum(each.blocks for each in checked)
        return checked

    def _check_tracks(
        self, connection: Connection, on_progress: OnVerifyProgress, known: Longs
    ) -> None:
        """Check everything that is stored about each track."""

        def on_tracks(done: int) -> None:
            on_progress(VerifyProgress(self._segments + done, self._segments + len(known)))

        for track_id in checks.without_peaks(connection):
            self._unreadable.add(track_id)
            self._report_track("peaks", connection, track_id, "its peaks are missing")
        unreadable = list(checks.unreadable_rows(connection, known.tolist(), on_tracks))
        if not unreadable:
            unreadable = list(checks.odd_lengths(connection))
            self._check_names(connection)
        for row in unreadable:
            if row.table == schema.constellation.name:
                self._unreadable.add(row.track_id)
                self._report_track("peaks", connection, row.track_id, row.found)
            elif row.table in _REMADE:
                self._report_remade(connection, row.table, row.track_id, row.found)
            else:
                self._report_track(row.table, connection, row.track_id, row.found)

    def _check_names(self, connection: Connection) -> None:
        """Check what searches for names read: it is derived from tags and file names."""
        wrong = checks.wrong_names(connection)
        if wrong:
            found = f"{_listed(wrong)}: the index of their names is not what tags and files say"
            self._report("names", "names", found, names.rebuild)

    def _check_membership(
        self, connection: Connection, known: Longs, segments: Sequence[SegmentCheck]
    ) -> None:
        """Check that each track is in one segment, and that all others there have a tombstone."""
        tombstones, damaged = checks.tombstones(connection)
        broken = [each for each in segments if each.problem]
        intact = [each.track_ids for each in segments if not each.problem]
        held = np.concatenate([*intact, np.empty(0, np.int64)])
        lost = np.setdiff1d(np.setdiff1d(known, held), list(self._unreadable))
        without_tombstone = np.setdiff1d(np.setdiff1d(held, known), tombstones).tolist()
        wrong_tombstones = np.intersect1d(known, tombstones).tolist()
        twice = np.unique(held)[np.unique(held, return_counts=True)[1] > 1]
        for each in broken:
            self._report("segment", f"segment {each.id}", str(each.problem), _drop_segment(each.id))
        self._lost |= set(lost.tolist())
        in_broken = {track_id for each in broken for track_id in each.track_ids}
        missing = [track_id for track_id in lost.tolist() if track_id not in in_broken]
        if missing:
            found = f"{_listed(missing)}: landmarks missing from every segment"
            self._report("landmarks", "landmarks", found, None)
        tombstone = schema.tombstone
        if damaged:
            found = f"the checksums of {_listed(damaged)} do not match"
            which = tombstone.c.track_id.in_(damaged)
            self._report("tombstone", "tombstones", found, _execute(delete(tombstone).where(which)))
        if without_tombstone:
            found = f"{_listed(without_tombstone)} are no tracks and have no tombstone"
            rows = [{"track_id": track_id} for track_id in without_tombstone]
            self._report("tombstone", "segments", found, _execute(insert(tombstone).values(rows)))
        if wrong_tombstones:
            found = f"{_listed(wrong_tombstones)} have a tombstone but are tracks"
            which = tombstone.c.track_id.in_(wrong_tombstones)
            self._report("tombstone", "tombstones", found, _execute(delete(tombstone).where(which)))
        for each in segments:
            if not each.problem and len(np.intersect1d(each.track_ids, twice)):
                found = "it holds tracks that another segment holds too"
                self._report("segment", f"segment {each.id}", found, _drop_segment(each.id))
                self._lost |= set(np.intersect1d(each.track_ids, known).tolist()) - self._unreadable

    def _check_settings(self, connection: Connection) -> None:
        """Check the settings of the library."""
        for found, step in library_metadata.damaged_settings(connection):
            self._findings.append(Finding("setting", "settings", found, step))
        try:
            library_metadata.revision(connection)
        except CorruptionError as error:
            self._report("setting", "settings", error.found, _renumber)
        try:
            library_metadata.library_id(connection)
        except CorruptionError as error:
            step = "`fingerprinter export` what can be read, and import it into a new library"
            self._findings.append(Finding("setting", "settings", error.found, step))

    def _vector_index_problem(self, connection: Connection) -> str | None:
        """Return what is wrong with the files of the vector index; None if nothing is."""
        try:
            revision = library_metadata.revision(connection)
            folder = self._cache / library_metadata.library_id(connection)
        except CorruptionError:  # reported as a setting
            return None
        manifest = read_manifest(folder)
        if manifest is None:
            return None
        if not is_intact(folder, manifest):
            return "its files are damaged"
        return None if manifest.revision == revision else "older than the library"

    def _report_vector_index(self, found: str) -> None:
        """Report the vector index. It is derived data, so this is no damage."""
        step: str | None = "the next `fingerprinter similar` rebuilds it"
        repaired = False
        if self._repair:
            self._rebuild_vector_index()
            with self._database.connect() as connection:
                repaired = self._vector_index_problem(connection) is None
            step = None if repaired else f"make the folder {self._cache} writable"
        finding = Finding("vector index", "vector index", found, step, False, repaired)
        self._findings.append(finding)

    def _report_leftovers(
        self, dangling: Sequence[Table], stray: Sequence[tuple[int, int]]
    ) -> None:
        """Report rows without a track, and blocks without a segment."""
        for table in dangling:
            repair = _execute(delete(table).where(checks.without_track(table)))
            self._report("rows", table.name, "rows of tracks that are not there", repair)
        block = schema.posting_block
        for first, end in stray:
            repair = _execute(delete(block).where(block.c.id >= first, block.c.id < end))
            self._report("blocks", "blocks", "of segments that are not there", repair)

    def _report_track(self, kind: str, connection: Connection, track_id: int, found: str) -> None:
        """Report damage that only the audio file can repair."""
        path = _path(connection, track_id)
        step = f"run `fingerprinter remove {track_id}` and `fingerprinter index {path}`"
        self._findings.append(Finding(kind, f"track {track_id}", found, step))

    def _report_remade(self, connection: Connection, table: str, track_id: int, found: str) -> None:
        """Report damage to what a command makes again from the audio file, once it is deleted."""
        command = _REMADE[table].format(id=track_id, path=_path(connection, track_id))
        if self._repair:
            rows = schema.metadata.tables[table]
            self._repairs.append(_execute(delete(rows).where(rows.c.track_id == track_id)))
        step = f"then run `{command}`" if self._repair else f"{_REPAIR}, then `{command}`"
        self._findings.append(
            Finding(table, f"track {track_id}", found, step, repaired=self._repair)
        )

    def _report(self, kind: str, thing: str, found: str, repair: Repair | None) -> None:
        """Report damage to derived data, and plan its repair if that is wanted."""
        if self._repair and repair is not None:
            self._repairs.append(repair)
        step = None if self._repair else _REPAIR
        self._findings.append(Finding(kind, thing, found, step, repaired=self._repair))

    def _apply_repairs(self, connection: Connection) -> None:
        """Do all repairs in one transaction, so that a kill leaves the library as it was."""
        for repair in self._repairs:
            repair(connection)
        lost = sorted(self._lost)
        for start in range(0, len(lost), _TRACKS):
            stored = constellations.get_many(connection, lost[start : start + _TRACKS])
            rebuilt = [track_landmarks(id_, data, self._params) for id_, data in stored.items()]
            postings.add_segment(connection, self._params, rebuilt)
        library_metadata.bump_revision(connection)


def _execute(statement: Executable) -> Repair:
    def repair(connection: Connection) -> None:
        connection.execute(statement)

    return repair


def _drop_segment(segment_id: int) -> Repair:
    first = segment_id << postings.PREFIX_SHIFT
    block, segment = schema.posting_block, schema.segment

    def repair(connection: Connection) -> None:
        mine = (block.c.id >= first) & (block.c.id < first + (1 << postings.PREFIX_SHIFT))
        connection.execute(delete(block).where(mine))
        connection.execute(delete(segment).where(segment.c.id == segment_id))

    return repair


def _renumber(connection: Connection) -> None:
    """Give the library a revision that no derived file has. Earlier ones are small counts."""
    library_metadata.put(connection, library_metadata.REVISION, str(int(time.time())))


def _path(connection: Connection, track_id: int) -> str:
    """The path of a track's file, or a word for it where that cannot be read."""
    try:
        track = tracks.get_many(connection, [track_id]).get(track_id)
    except (CorruptionError, DBAPIError):
        track = None
    return track.path if track and track.path else "FILE"


def _listed(track_ids: Sequence[int]) -> str:
    """Name the first three tracks and count the others.

    >>> _listed([1, 2, 3, 4])
    'tracks 1, 2, 3 and 1 more'
    """
    few = ", ".join(map(str, track_ids[:3]))
    return f"tracks {few}" + (f" and {len(track_ids) - 3} more" if len(track_ids) > 3 else "")
