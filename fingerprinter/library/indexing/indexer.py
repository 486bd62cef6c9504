"""One run of `index`: which files, by whom, and in what portions.

Files are analysed by worker processes and committed in the order in which they
were found, a batch to a transaction. A kill loses at most the batch in flight, and
the next run goes on behind the last commit.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fingerprinter.audio import find_audio
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import FACETS_ID, FolderTextAudioModel
from fingerprinter.errors import AudioError
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing.dask_workers import run_on_dask
from fingerprinter.library.indexing.extract import ExtractedTrack
from fingerprinter.library.indexing.ingest import FoundFile, Item, Outcome, ingest
from fingerprinter.library.indexing.workers import ExtractJob, run_in_order
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.tables import (
    constellations,
    facets,
    files,
    library_metadata,
    sections,
    sketches,
    tracks,
    vectors,
)
from fingerprinter.types import IndexReport, Problem

_BATCH_S = 15_000.0  # seconds of audio in a batch: 3.6 million landmarks, a segment of level 0
_COMMIT_EVERY_S = 20.0  # seconds of work that a kill may cost, about
_REINDEX_TRACKS = 64  # tracks whose landmarks make one segment when they are made anew


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run of `index` is; files that are unchanged do not count."""

    done: int
    total: int
    audio_s: float
    elapsed_s: float


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class _Batch:
    """What waits to be committed together."""

    items: list[Item] = field(default_factory=list)
    audio_s: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def add(self, file: FoundFile, analysis: ExtractedTrack) -> None:
        self.items.append((file, analysis))
        self.audio_s += analysis.sound.duration_s if analysis.sound else 0.0

    @property
    def is_full(self) -> bool:
        return self.audio_s >= _BATCH_S or time.monotonic() - self.started >= _COMMIT_EVERY_S


def merge_segments(database: Database, params: LandmarkParams) -> None:
    """Merges segments until no group is due, each group in a transaction of its own.

    The pages of the old ones are for later ones; `Database.reclaim` cuts them off at the end.
    """
    while database.change(partial(postings.merge_due, params=params)):
        pass


def reindex(database: Database, params: LandmarkParams) -> int:
    """Makes all landmarks anew from the stored peaks, in one transaction; returns the tracks.

    Raises `CorruptionError` where a track's peaks are damaged; nothing has changed then.
    """
    with database.begin() as connection:
        postings.drop_all(connection)
        done, batch = 0, []
        for track_id, data in constellations.iterate(connection):
            batch.append(track_landmarks(track_id, data, params))
            done += 1
            if len(batch) == _REINDEX_TRACKS:
                postings.add_segment(connection, params, batch)
                batch = []
        postings.add_segment(connection, params, batch)
        library_metadata.bump_revision(connection)
    merge_segments(database, params)
    database.reclaim()
    return done


class Indexer:
    """One run over some files and folders."""

    def __init__(
        self,
        database: Database,
        params: LandmarkParams,
        model: str | None,
        text_model: FolderTextAudioModel | None,
        jobs: int,
        scheduler: str | None = None,
    ) -> None:
        """model: digest of the embedding model, None to leave embeddings out; scheduler: of Dask"""
        self._database, self._params = database, params
        self._model, self._text_model = model, text_model
        self._jobs, self._scheduler = jobs, scheduler
        self._outcomes: Counter[Outcome] = Counter()
        self._failed = self._removed = 0
        self._audio_s = 0.0
        self._problems: list[Problem] = []

    def run(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        prune: bool = False,
        on_progress: OnProgress = lambda _: None,
    ) -> IndexReport:
        """Adds, updates and, if asked to, forgets; what was analysed is kept on Ctrl-C."""
        started = time.monotonic()
        roots = [Path(os.path.abspath(Path(path).expanduser())) for path in paths]
        with self._database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, self._params.id)
        wanting = self._wanting()
        todo = list(self._changed(roots, wanting))
        for done in self._work(todo, wanting):
            elapsed_s = time.monotonic() - started
            on_progress(Progress(done, len(todo), self._audio_s, elapsed_s))
        if prune:
            self._prune([root for root in roots if root.exists()])
        if todo:
            self._database.reclaim()
        return self._report(time.monotonic() - started)

    def _report(self, elapsed_s: float) -> IndexReport:
        return IndexReport(
            indexed=self._outcomes[Outcome.INDEXED],
            updated=self._outcomes[Outcome.UPDATED],
            skipped=self._outcomes[Outcome.SKIPPED],
            failed=self._failed,
            removed=self._removed,
            audio_s=self._audio_s,
            elapsed_s=elapsed_s,
            problems=tuple(self._problems),
        )

    def _wanting(self) -> frozenset[int]:
        """Tracks that lack sketches, or an embedding and its company where they shall have one."""
        with self._database.connect() as connection:
            lacking = {*sketches.missing(connection, projections(self._params.sketch_words).digest)}
            if self._model:
                lacking.update(vectors.missing(connection, self._model))
                lacking.update(sections.missing(connection, self._model))
                lacking.update(facets.missing(connection, FACETS_ID))
            if self._text_model:
                lacking.update(vectors.missing(connection, self._text_model.digest))
        return frozenset(lacking)

    def _changed(self, roots: Sequence[Path], wanting: frozenset[int]) -> Iterator[FoundFile]:
        """The files that are new, changed, or of a track that wants something."""
        with self._database.connect() as connection:
            stamps = files.file_stamps(connection, roots)
        for file in self._found(roots):
            stamp = stamps.get(os.fsencode(file.path))
            same = stamp is not None and (stamp.size, stamp.mtime_ns) == (file.size, file.mtime_ns)
            if same and stamp is not None and stamp.track_id not in wanting:
                self._outcomes[Outcome.SKIPPED] += 1
            else:
                yield file

    def _found(self, roots: Sequence[Path]) -> Iterator[FoundFile]:
        """Every file below the roots, once, as it is now."""
        seen: set[Path] = set()
        for path in find_audio(roots, self._fail):
            if path in seen:
                continue
            seen.add(path)
            try:
                status = path.stat()
            except OSError as error:
                self._fail(Problem(str(path), f"{path}: {error.strerror}"))
            else:
                yield FoundFile(path, status.st_size, status.st_mtime_ns)

    def _fail(self, problem: Problem) -> None:
        self._failed += 1
        self._problems.append(problem)

    def _work(self, todo: Sequence[FoundFile], wanting: frozenset[int]) -> Iterator[int]:
        """Analyses and commits, batch by batch; yields how many files are done."""
        batch = _Batch()
        try:
            for number, (file, outcome) in enumerate(self._analysed(todo, wanting), 1):
                if isinstance(outcome, AudioError):
                    self._fail(Problem(str(file.path), str(outcome)))
                else:
                    batch.add(file, outcome)
                    self._audio_s += outcome.sound.duration_s if outcome.sound else 0.0
                if batch.is_full:
                    full, batch = batch, _Batch()
                    self._commit(full)
                yield number
        finally:
            self._commit(batch)

    def _analysed(
        self, todo: Sequence[FoundFile], wanting: frozenset[int]
    ) -> Iterator[tuple[FoundFile, ExtractedTrack | AudioError]]:
        with self._database.connect() as connection:
            known = tracks.content_ids(connection)
        heard = frozenset(content for content, track_id in known.items() if track_id not in wanting)
        folder = self._text_model.folder if self._text_model else None
        task = ExtractJob(self._params, self._model is not None, heard, folder)
        if self._scheduler is not None:
            return run_on_dask(todo, task, self._scheduler)
        return run_in_order(todo, task, self._jobs)

    def _commit(self, batch: _Batch) -> None:
        if not batch.items:
            return
        outcomes = self._database.change(
            partial(ingest, params=self._params, model=self._model, items=batch.items)
        )
        self._outcomes.update(outcomes)
        for (file, analysis), outcome in zip(batch.items, outcomes, strict=True):
            self._report_item(file, analysis, outcome)
        merge_segments(self._database, self._params)

    def _report_item(self, file: FoundFile, analysis: ExtractedTrack, outcome: Outcome) -> None:
        if outcome is Outcome.LOST:
            message = f"{file.path}: its track was removed meanwhile; run `index` again"
            self._fail(Problem(str(file.path), message))
        elif analysis.sound and analysis.sound.problem:
            message = f"{file.path}: indexed in part: {analysis.sound.problem}"
            self._problems.append(Problem(str(file.path), message))

    def _prune(self, roots: Sequence[Path]) -> None:
        """Forgets the files that are gone from below the roots, and tracks without any file."""
        with self._database.begin() as connection:
            gone = [p for p in files.file_stamps(connection, roots) if not os.path.lexists(p)]
            for path in gone:
                files.forget_file(connection, path)
            orphans = tracks.orphans(connection) if gone else []
            for track_id in orphans:
                tracks.remove(connection, track_id)
            if gone:
                library_metadata.bump_revision(connection)
        self._removed += len(orphans)
