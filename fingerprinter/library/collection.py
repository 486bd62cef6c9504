"""A library as its owner sees it: what is in it, and how that comes, goes and stays whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection

from fingerprinter.config import Settings
from fingerprinter.core.fingerprint.params import PROFILES, LandmarkParams
from fingerprinter.errors import UsageError
from fingerprinter.library.base.refs import TrackRef, resolve_track
from fingerprinter.library.maintain import statistics
from fingerprinter.library.maintain.statistics import DiskUse, LibraryStats
from fingerprinter.store.engine.database import Database
from fingerprinter.store.servers import sharding
from fingerprinter.store.tables import files, library_metadata, shards, tracks
from fingerprinter.store.tables.shards import Shard
from fingerprinter.types import IndexReport, Track

if TYPE_CHECKING:
    from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel
    from fingerprinter.library.indexing.indexer import OnProgress
    from fingerprinter.library.maintain.transfer import ImportReport, OnTransferProgress
    from fingerprinter.library.maintain.verify import OnVerifyProgress, VerifyReport
    from fingerprinter.library.music.stored_analyses import AnalyzeReport


class Collection:
    """What a library holds: filled, looked after, carried elsewhere. A context manager."""

    def __init__(self, database: Database, config: Settings, profile: str | None = None) -> None:
        self._database, self._config = database, config
        with database.connect() as connection:
            self._params = _params_of(connection, profile)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()

    @cached_property
    def _model(self) -> EmbeddingModel:
        from fingerprinter.embedding import load_model

        return load_model()

    @cached_property
    def _text_model(self) -> FolderTextAudioModel | None:
        from fingerprinter.embedding import FolderTextAudioModel

        folder = self._config.text_model
        return FolderTextAudioModel(folder.absolute()) if folder else None

    def index(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        jobs: int | None = None,
        embeddings: bool = True,
        prune: bool = False,
        scheduler: str | None = None,
        on_progress: OnProgress = lambda _: None,
    ) -> IndexReport:
        """Adds files and folders; what is there and unchanged is skipped.

        jobs: worker processes, default one for each core
        scheduler: address of a Dask scheduler whose workers analyse instead
        embeddings: also what `similar` needs, and `search` by a text-audio model
        prune: forget the files that are gone from below the given paths
        Raises `UsageError` for less than one job, or for jobs or a text-audio model and a
        scheduler, `ClusterError` where the scheduler cannot be used, `ModelError`.
        """
        from fingerprinter.library.indexing.indexer import Indexer

        if jobs is not None and scheduler is not None:
            raise UsageError("jobs counts processes here; those of a scheduler are its workers")
        digest = self._model.digest if embeddings else None
        text_model = self._text_model if embeddings else None
        if text_model and scheduler is not None:
            raise UsageError(
                f"{text_model.folder}: the workers of a scheduler do not have it;"
                " index without it there, then with it here"
            )
        if text_model:
            text_model.check()
        workers = self._workers(jobs)
        indexer = Indexer(self._database, self._params, digest, text_model, workers, scheduler)
        return indexer.run(paths, prune=prune, on_progress=on_progress)

    def tracks(self) -> Iterator[Track]:
        """All tracks, in the order in which they came."""
        with self._database.connect() as connection:
            yield from tracks.iterate(connection)

    def track(self, ref: TrackRef) -> Track:
        """The track of an id or of a file in the library; raises `UnknownTrackError`."""
        with self._database.connect() as connection:
            return resolve_track(connection, ref)

    def remove(self, refs: Sequence[TrackRef]) -> list[Track]:
        """Forgets tracks, all or none; the files stay. Raises `UnknownTrackError`."""
        with self._database.begin() as connection:
            gone = list(dict.fromkeys(resolve_track(connection, ref) for ref in refs))
            for track in gone:
                tracks.remove(connection, track.id)
            library_metadata.bump_revision(connection)
        return gone

    def files(self, ref: TrackRef) -> list[str]:
        """Every file that holds a track; raises `UnknownTrackError`."""
        with self._database.connect() as connection:
            track = resolve_track(connection, ref)
            return [os.fsdecode(path) for path in files.paths_of(connection, track.id)]

    def stats(self) -> LibraryStats:
        """Counts and sizes."""
        return statistics.stats(self._database, self._params)

    def disk_use(self) -> DiskUse:
        """What it takes on the disk, by part; reads all pages of an SQLite file."""
        return statistics.disk_use(self._database)

    def reindex(self) -> int:
        """Makes all landmarks anew from the stored peaks, in one transaction; returns the tracks.

        The vector index follows at the next question for neighbours.
        Raises `CorruptionError` where a track's peaks are damaged; nothing has changed then.
        """
        from fingerprinter.library.indexing.indexer import reindex

        return reindex(self._database, self._params)

    def spread(self, urls: Sequence[str]) -> list[str]:
        """Moves the landmarks to the PostgreSQL servers at some URLs, or back where there are none.

        Returns what could not be tidied up, a line each. Raises `LibraryError`, or `UsageError`
        for a library in SQLite; nothing has changed then.
        """
        return sharding.shard_postings(self._database, urls)

    def shares(self) -> list[Shard]:
        """What each server has of the landmarks; nothing where the library has all."""
        with self._database.connect() as connection:
            return shards.list_shards(connection) if shards.is_sharded(connection) else []

    def verify(
        self, *, repair: bool = False, on_progress: OnVerifyProgress = lambda _: None
    ) -> VerifyReport:
        """Whether everything in the library is as it was written, and fits together.

        repair: make anew what is derived: landmarks, tombstones, the vector index
        """
        from fingerprinter.library.maintain.verify import Verifier
        from fingerprinter.library.similar.vectors import vector_index

        verifier = Verifier(self._database, self._params, self._config.cache, repair=repair)
        report = verifier.run(on_progress)
        if repair and verifier.vector_index_is_old:
            with self._database.connect() as connection:
                vector_index(connection, self._config.cache, self._model.digest)
        return report

    def export_to(
        self,
        path: str | os.PathLike[str],
        refs: Sequence[TrackRef] = (),
        *,
        on_progress: OnTransferProgress = lambda _: None,
    ) -> int:
        """Writes tracks, default all, with all that is known of them into one file; how many.

        A file of this kind that is there is replaced at the end.
        Raises `UnknownTrackError`, and `UsageError` where the file cannot be written.
        """
        from fingerprinter.library.maintain.transfer import export_tracks

        with self._database.connect() as connection:
            chosen = [resolve_track(connection, ref).id for ref in refs] or None
            return export_tracks(connection, Path(path), chosen, on_progress)

    def import_from(
        self,
        path: str | os.PathLike[str],
        *,
        moved: Sequence[tuple[str, str]] = (),
        on_progress: OnTransferProgress = lambda _: None,
    ) -> ImportReport:
        """Takes in what `export_to` wrote; what is there already is recognised by its content.

        moved: (old, new) beginnings of the paths of files
        Raises `UsageError` for what is no such file, `VersionError` for one of another version
        or other parameters, `CorruptionError` where it is damaged as a whole.
        """
        from fingerprinter.library.maintain.transfer import import_tracks

        report = import_tracks(self._database, Path(path), moved, on_progress)
        with self._database.connect() as connection:
            self._params = _params_of(connection, None)
        return report

    def analyze_all(
        self, *, jobs: int | None = None, on_progress: OnProgress = lambda _: None
    ) -> AnalyzeReport:
        """Analyses every track that has no analysis of this version; Ctrl-C keeps what is done.

        jobs: worker processes, default one for each core
        Raises `UsageError` for less than one job.
        """
        from fingerprinter.library.music.stored_analyses import LibraryAnalyzer

        return LibraryAnalyzer(self._database, self._workers(jobs)).run(on_progress)

    def _workers(self, jobs: int | None) -> int:
        if jobs is not None and jobs < 1:
            raise UsageError(f"jobs is {jobs}; it counts worker processes, 1 or more")
        return jobs or self._config.jobs


def _params_of(connection: Connection, profile: str | None) -> LandmarkParams:
    """What a library was filled under, or is to be; raises `VersionError` and `UsageError`."""
    stored = library_metadata.get(connection, library_metadata.PARAMS_ID)
    filled = {params.id: name for name, params in PROFILES.items()}.get(stored or "")
    if profile and filled and profile != filled:
        raise UsageError(
            f"the library has the profile {filled}; index into a new one (--db) for {profile}"
        )
    params = PROFILES[filled or profile or "default"]
    library_metadata.require(connection, library_metadata.PARAMS_ID, params.id)
    return params
