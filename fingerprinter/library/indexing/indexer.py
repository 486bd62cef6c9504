"""A run of `index`: find files, analyse them in worker processes, commit the results in batches.

Files are committed in the order in which they were found, one batch per transaction. A run that is
killed loses at most the batch in flight, and the next run continues after the last commit.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path

from fingerprinter.audio import find_audio
from fingerprinter.audio.cue_sheet import SHEET_SUFFIX, CuedFile, sheets_beside
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import FACETS_ID, FolderTextAudioModel
from fingerprinter.errors import AudioError
from fingerprinter.library.base.progress import OnProgress
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing.batches import BatchLimits, BatchRun
from fingerprinter.library.indexing.dask_workers import run_on_dask
from fingerprinter.library.indexing.extract import ExtractedFile
from fingerprinter.library.indexing.ingest import FoundFile, Item, Outcome, ingest
from fingerprinter.library.indexing.prune import Confirm
from fingerprinter.library.indexing.prune import prune as forget_gone
from fingerprinter.library.indexing.workers import ExtractJob, run_in_order
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import (
    constellations,
    feature_rows,
    files,
    library_metadata,
    schema,
    tracks,
)
from fingerprinter.types import CHANGING, IndexReport, Problem

_REINDEX_TRACKS = 64  # tracks whose landmarks are put into one segment by `reindex`


def reindex(database: Database, params: LandmarkParams) -> int:
    """Rebuild all landmarks from the stored peaks, in one transaction.

    Parameters
    ----------
    database : Database
        The library.
    params : LandmarkParams
        Its parameters.

    Returns
    -------
    int
        The number of tracks.

    Raises
    ------
    CorruptionError
        If the peaks of a track are damaged. The library is unchanged then.
    """
    with database.begin() as connection:
        postings.drop_all(connection)
        count, batch = 0, []
        for track_id, data in constellations.iterate(connection):
            batch.append(track_landmarks(track_id, data, params))
            count += 1
            if len(batch) == _REINDEX_TRACKS:
                postings.add_segment(connection, params, batch)
                batch = []
        postings.add_segment(connection, params, batch)
        library_metadata.bump_revision(connection)
    merge_segments(database, params)
    database.reclaim()
    return count


class Indexer:
    """One run of `index`.

    Parameters
    ----------
    database : Database
        The library.
    params : LandmarkParams
        Its parameters.
    model : str, optional
        Digest of the embedding model. Without it, no embeddings are computed.
    text_model : FolderTextAudioModel, optional
        A text-audio model whose embeddings are computed, too.
    jobs : int
        Number of worker processes.
    scheduler : str, optional
        Address of a Dask scheduler whose workers are used instead.
    limits : BatchLimits
        When a batch is committed.
    """

    def __init__(
        self,
        database: Database,
        params: LandmarkParams,
        model: str | None,
        text_model: FolderTextAudioModel | None,
        jobs: int,
        scheduler: str | None = None,
        limits: BatchLimits | None = None,
    ) -> None:
        self._database, self._params = database, params
        self._model, self._text_model = model, text_model
        self._jobs, self._scheduler = jobs, scheduler
        self._run = BatchRun(limits or BatchLimits())
        self._outcomes: Counter[Outcome] = Counter()
        self._left_out: Counter[str] = Counter()
        self._seen: set[Path] = set()

    def run(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        prune: bool = False,
        prune_empty_root: bool = False,
        confirm: Confirm | None = None,
        exclude: Sequence[str] = (),
        changed_before: float | None = None,
        on_progress: OnProgress = lambda _: None,
        on_left_out: Callable[[str, str], None] = lambda *_: None,
    ) -> IndexReport:
        """Add and update files; see `Library.index` for the parameters."""

        def on_problem(problem: Problem) -> None:
            self._run.fail(problem.path, problem.message)

        def leave_out(path: str, kind: str) -> None:
            if kind != SHEET_SUFFIX:  # it is read with the audio of its folder
                self._left_out[kind] += 1
                on_left_out(path, kind)

        roots = [Path(os.path.abspath(os.path.expanduser(path))) for path in paths]
        with self._database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, self._params.id)
        incomplete = self._incomplete_tracks()
        found = find_audio(roots, on_problem, exclude, leave_out)
        still = self._still_files(found, changed_before, leave_out)
        todo = list(self._files_to_analyze(roots, still, incomplete))
        replies = self._analyze(todo, incomplete)
        self._run.process(replies, len(todo), attrgetter("audio_s"), self._commit, on_progress)
        removed = 0
        if prune:
            existing = [root for root in roots if os.path.lexists(root)]
            removed, refused = forget_gone(
                self._database,
                existing,
                self._seen,
                empty_roots=prune_empty_root,
                confirm=confirm,
            )
            for problem in refused:
                self._run.fail(problem.path, problem.message)
        if todo:
            self._database.reclaim()
        return IndexReport(
            indexed=self._outcomes[Outcome.INDEXED],
            updated=sum(
                self._outcomes[each] for each in (Outcome.UPDATED, Outcome.COPIED, Outcome.REPLACED)
            ),
            replaced=self._outcomes[Outcome.REPLACED],
            copies=self._outcomes[Outcome.COPIED],
            skipped=self._outcomes[Outcome.SKIPPED],
            failed=self._run.failed,
            removed=removed,
            audio_s=self._run.audio_s,
            elapsed_s=self._run.elapsed_s,
            problems=tuple(self._run.problems),
            left_out=dict(sorted(self._left_out.items(), key=lambda kind: (-kind[1], kind[0]))),
        )

    def _incomplete_tracks(self) -> frozenset[int]:
        """Return the tracks that lack sketches, or the embeddings that this run computes."""
        wanted = [(schema.sketch, projections(self._params.sketch_words).digest)]
        if self._model:
            of_model = ((table, self._model) for table in (schema.embedding, schema.section))
            wanted += [*of_model, (schema.facet, FACETS_ID)]
        if self._text_model:
            wanted.append((schema.embedding, self._text_model.digest))
        with self._database.connect() as connection:
            lacking = [feature_rows.missing(connection, *each) for each in wanted]
        return frozenset().union(*lacking)

    def _files_to_analyze(
        self, roots: Sequence[Path], still: Iterable[FoundFile], incomplete: frozenset[int]
    ) -> Iterator[FoundFile]:
        """Yield the files that are new, changed, or of an incomplete track; count the others.

        A file without a stored audio format counts as new.
        """
        with self._database.connect() as connection:
            stamps = files.file_stamps(connection, roots)
            unread = files.without_format(connection)
        for file in still:
            place = os.fsencode(file.path)
            stamp = None if place in unread else stamps.get(place)
            same = stamp is not None and (stamp.size, stamp.mtime_ns) == (file.size, file.mtime_ns)
            if same and stamp is not None and incomplete.isdisjoint(stamp.track_ids):
                self._outcomes[Outcome.SKIPPED] += len(stamp.track_ids)
            else:
                yield file

    def _still_files(
        self,
        found: Iterable[Path],
        changed_before: float | None,
        leave_out: Callable[[str, str], None],
    ) -> Iterator[FoundFile]:
        """Yield every file that was found once, with its size, time and cue sheet.

        Files that are changing are left out.
        """
        folder, cued = None, dict[str, CuedFile]()
        for path in found:
            if path in self._seen:
                continue
            self._seen.add(path)
            try:
                status = path.stat()
            except OSError as error:
                self._run.fail(str(path), f"{path}: {error.strerror}")
            else:
                # A program that copies a file may set its modification time to any value. The
                # system sets the time of the change, except on Windows, which has none.
                changed_at = status.st_mtime if os.name == "nt" else status.st_ctime
                if changed_before is not None and changed_at >= changed_before:
                    leave_out(str(path), CHANGING)
                    continue
                if path.parent != folder:
                    folder, cued = path.parent, self._sheets(path.parent)
                sheet = cued.get(path.name)
                size = status.st_size + (sheet.size if sheet else 0)
                mtime_ns = max(status.st_mtime_ns, sheet.mtime_ns if sheet else 0)
                yield FoundFile(path, size, mtime_ns, sheet)

    def _sheets(self, folder: Path) -> dict[str, CuedFile]:
        """Return the files of a folder with a cue sheet; note each problem of a sheet once."""
        problems: list[Problem] = []
        cued = sheets_beside(folder, problems.append)
        self._run.problems += [each for each in problems if each not in self._run.problems]
        return cued

    def _analyze(
        self, todo: Sequence[FoundFile], incomplete: frozenset[int]
    ) -> Generator[tuple[FoundFile, ExtractedFile | AudioError], None, None]:
        """Hand the files to the workers; the audio of complete tracks is not analysed again."""
        with self._database.connect() as connection:
            track_ids = tracks.content_ids(connection)
        complete = frozenset(content for content, id_ in track_ids.items() if id_ not in incomplete)
        folder = self._text_model.folder if self._text_model else None
        job = ExtractJob(self._params, self._model is not None, complete, folder)
        if self._scheduler is not None:
            return run_on_dask(todo, job, self._scheduler)
        return run_in_order(todo, job, self._jobs)

    def _commit(self, batch: list[Item]) -> None:
        outcomes = self._database.change(
            partial(ingest, params=self._params, model=self._model, items=batch)
        )
        for (file, extracted), of_tracks in zip(batch, outcomes, strict=True):
            name = str(file.path)
            self._outcomes.update(of_tracks)
            if extracted.note:
                self._run.problems.append(Problem(name, extracted.note))
            for track, outcome in zip(extracted.tracks, of_tracks, strict=True):
                if outcome is Outcome.LOST:
                    reason = "its track was removed meanwhile; run `index` again"
                    self._run.fail(name, f"{name}: {reason}")
                elif track.features and track.features.problem:
                    message = f"{name}: indexed in part: {track.features.problem}"
                    self._run.problems.append(Problem(name, message))
        merge_segments(self._database, self._params)
