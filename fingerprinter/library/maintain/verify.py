"""Is the library whole? What is derived can be made anew; what is not is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Executable, Table, delete, insert

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding.manifest import is_intact, read_manifest
from fingerprinter.errors import CorruptionError
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import checks
from fingerprinter.store.maintain.checks import SegmentCheck
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import constellations, library_metadata, schema, tracks

_TRACKS = 64  # whose landmarks are made anew in one transaction

Repair = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    kind: of what; thing: which one; found: what is wrong with it
    next_step: what to do about it; None where nothing is left to do
    damage: whether answers suffer, or may; repaired: whether it is mended now
    """

    kind: str
    thing: str
    found: str
    next_step: str | None
    damage: bool = True
    repaired: bool = False

    def __str__(self) -> str:
        end = "; repaired" if self.repaired else f"; {self.next_step}" if self.next_step else ""
        return f"{self.thing}: {self.found}{end}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, and what is wrong."""

    tracks: int
    segments: int
    blocks: int
    findings: tuple[Finding, ...]
    elapsed_s: float

    @property
    def is_whole(self) -> bool:
        """Whether nothing that is damaged is left."""
        return all(each.repaired or not each.damage for each in self.findings)


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How many segments and tracks were looked at."""

    done: int
    total: int


OnVerifyProgress = Callable[[VerifyProgress], None]

_REPAIR = "run `fingerprinter verify --repair`"


class Verifier:
    """One look at all that a library holds; ``repair``: makes anew what is derived."""

    def __init__(
        self, database: Database, params: LandmarkParams, cache: Path, *, repair: bool
    ) -> None:
        self._database, self._params, self._cache, self._repair = database, params, cache, repair
        self._findings: list[Finding] = []
        self._lost: set[int] = set()  # tracks whose landmarks are to be made anew
        self._unreadable: set[int] = set()  # tracks whose peaks are damaged or missing
        self._repairs: list[Repair] = []
        self._segments = self._blocks = 0
        self.vector_index_is_old = False

    def run(self, on_progress: OnVerifyProgress = lambda _: None) -> VerifyReport:
        """All checks, and the repairs if they are wanted."""
        started = time.monotonic()
        with self._database.connect() as connection:
            self._whole_database(connection)
            dangling = [t for t in checks.OF_A_TRACK if checks.dangling(connection, t)]
            stray = checks.stray_ranges(connection)
            known = checks.track_ids(connection)
            held = self._check_segments(connection, len(known), on_progress)
            self._check_peaks(connection, on_progress, known)
            odd = list(checks.odd_lengths(connection))
            self._check_membership(connection, known, held)
            for track_id, found in odd:
                self._track("analysis", connection, track_id, found)
            self._check_vector_index(connection)
        self._forget(dangling, stray)
        if self._repair:
            self._mend()
        elapsed_s = time.monotonic() - started
        return VerifyReport(
            len(known), self._segments, self._blocks, tuple(self._findings), elapsed_s
        )

    def _whole_database(self, connection: Connection) -> None:
        problem = checks.database_problem(connection)
        if problem:
            step = "restore a copy, or `fingerprinter export` what can be read and import it anew"
            self._findings.append(Finding("database", "database", problem, step))

    def _check_segments(
        self, connection: Connection, n_tracks: int, on_progress: OnVerifyProgress
    ) -> list[SegmentCheck]:
        ids, found = checks.segment_ids(connection), []
        for number, segment_id in enumerate(ids, 1):
            found.append(checks.check_segment(connection, segment_id))
            on_progress(VerifyProgress(number, len(ids) + n_tracks))
        self._segments, self._blocks = len(ids), sum(each.blocks for each in found)
        return found

    def _check_peaks(
        self, connection: Connection, on_progress: OnVerifyProgress, known: checks.Longs
    ) -> None:
        there = set(known.tolist())
        for track_id in checks.without_peaks(connection):
            self._unreadable.add(track_id)
            self._track("peaks", connection, track_id, "its peaks are missing")
        owned = (row for row in constellations.iterate(connection) if row[0] in there)
        for number, (track_id, data) in enumerate(owned, 1):
            try:
                track_landmarks(track_id, data, self._params)
            except CorruptionError:
                self._unreadable.add(track_id)
                self._track("peaks", connection, track_id, "its peaks are damaged")
            on_progress(VerifyProgress(self._segments + number, self._segments + len(known)))

    def _track(self, kind: str, connection: Connection, track_id: int, found: str) -> None:
        """What only the music itself can mend."""
        known = tracks.get_many(connection, [track_id]).get(track_id)
        where = known.path if known and known.path else "FILE"
        step = f"run `fingerprinter remove {track_id}` and `fingerprinter index {where}`"
        self._findings.append(Finding(kind, f"track {track_id}", found, step))

    def _check_membership(
        self, connection: Connection, known: checks.Longs, segments: Sequence[SegmentCheck]
    ) -> None:
        """Every track in one segment, and every other that is in one under a tombstone."""
        dead = checks.tombstones(connection)
        broken = [each for each in segments if each.problem]
        sound = [each.track_ids for each in segments if not each.problem]
        held = np.concatenate([*sound, np.empty(0, np.int64)])
        lost = np.setdiff1d(np.setdiff1d(known, held), list(self._unreadable))
        ghosts = np.setdiff1d(np.setdiff1d(held, known), dead)
        risen = np.intersect1d(known, dead)
        twice = np.unique(held)[np.unique(held, return_counts=True)[1] > 1]
        for each in broken:
            self._mended("segment", f"segment {each.id}", str(each.problem), _drop_segment(each.id))
        self._lost |= set(lost.tolist())
        missing = [track_id for track_id in lost.tolist() if not _is_in(track_id, broken)]
        if missing:
            found = f"{_listed(missing)}: landmarks missing from every segment"
            self._mended("landmarks", "landmarks", found, None)
        if len(ghosts):
            found = f"{_listed(ghosts.tolist())} are no tracks, and have no tombstone"
            self._mended("tombstone", "segments", found, _bury(ghosts.tolist()))
        if len(risen):
            found = f"{_listed(risen.tolist())} are tracks all the same"
            self._mended("tombstone", "tombstones", found, _raise(risen.tolist()))
        for each in segments:
            if not each.problem and len(np.intersect1d(each.track_ids, twice)):
                found = "it holds tracks that another segment holds too"
                self._mended("segment", f"segment {each.id}", found, _drop_segment(each.id))
                self._lost |= set(np.intersect1d(each.track_ids, known).tolist()) - self._unreadable

    def _check_vector_index(self, connection: Connection) -> None:
        """What is stale or damaged is made anew by the next question: no damage."""
        folder = self._cache / (
            library_metadata.get(connection, library_metadata.LIBRARY_ID) or "unknown"
        )
        manifest = read_manifest(folder)
        if manifest is None:
            return
        intact = is_intact(folder, manifest)
        if intact and manifest.revision == library_metadata.revision(connection):
            return
        found = "older than the library" if intact else "its files are damaged"
        self.vector_index_is_old = True
        step = None if self._repair else "the next `fingerprinter similar` makes it anew"
        self._findings.append(
            Finding("vector index", "vector index", found, step, False, self._repair)
        )

    def _forget(self, dangling: Sequence[Table], stray: Sequence[tuple[int, int]]) -> None:
        for table in dangling:
            gone = delete(table).where(checks.without_track(table))
            self._mended("rows", table.name, "rows of tracks that are not there", _doing(gone))
        for first, end in stray:
            block = schema.posting_block
            gone = delete(block).where(block.c.id >= first, block.c.id < end)
            self._mended("blocks", "blocks", "of segments that are not there", _doing(gone))

    def _mend(self) -> None:
        """All repairs in one transaction: a kill leaves the library as it was found."""
        if self._repairs or self._lost:
            self._database.change(self._mended_rows)
            merge_segments(self._database, self._params)
            self._database.reclaim()

    def _mended_rows(self, connection: Connection) -> None:
        for repair in self._repairs:
            repair(connection)
        lost = sorted(self._lost)
        for start in range(0, len(lost), _TRACKS):
            stored = constellations.get_many(connection, lost[start : start + _TRACKS])
            made = [track_landmarks(id_, data, self._params) for id_, data in stored.items()]
            postings.add_segment(connection, self._params, made)
        library_metadata.bump_revision(connection)

    def _mended(self, kind: str, thing: str, found: str, repair: Repair | None) -> None:
        """Notes what can be mended, and mends it if that is wanted."""
        if self._repair and repair is not None:
            self._repairs.append(repair)
        step = None if self._repair else _REPAIR
        self._findings.append(Finding(kind, thing, found, step, repaired=self._repair))


def _doing(statement: Executable) -> Repair:
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


def _bury(track_ids: Sequence[int]) -> Repair:
    return _doing(insert(schema.tombstone).values([{"track_id": id_} for id_ in track_ids]))


def _raise(track_ids: Sequence[int]) -> Repair:
    return _doing(delete(schema.tombstone).where(schema.tombstone.c.track_id.in_(track_ids)))


def _is_in(track_id: int, segments: Sequence[SegmentCheck]) -> bool:
    return any(track_id in each.track_ids for each in segments)


def _listed(track_ids: Sequence[int]) -> str:
    """The first few.

    >>> _listed([1, 2, 3, 4])
    'tracks 1, 2, 3 and 1 more'
    """
    few = ", ".join(map(str, track_ids[:3]))
    return f"tracks {few}" + (f" and {len(track_ids) - 3} more" if len(track_ids) > 3 else "")
