"""The class `Library`: the operations that the command line and Python programs call.

Each method opens a snapshot of the database and hands the work to one of the sub-packages. These
are imported inside the methods, so that `identify` loads neither FAISS nor onnxruntime.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.source import may_be_file, rereadable, source_name
from fingerprinter.config import Settings
from fingerprinter.core.fingerprint.params import PROFILES, LandmarkParams
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.core.numeric import compiled
from fingerprinter.errors import ModelError, UnknownTrackError, UsageError
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE
from fingerprinter.library.base.progress import OnProgress, OnTrackCount
from fingerprinter.library.base.refs import TrackRef, resolve_track
from fingerprinter.library.base.snapshots import SnapshotCache
from fingerprinter.library.base.sources import track_source
from fingerprinter.library.base.stored_peaks import load_peaks
from fingerprinter.library.identify.recognizer import OnMatch, Recognition, Recognizer
from fingerprinter.library.identify.sketch_file import file_state
from fingerprinter.library.identify.sketch_index import (
    ListedSketches,
    SketchIndex,
    StoredSketches,
    read_sketches,
    update_sketch_file,
)
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.tables import (
    feature_rows,
    files,
    library_metadata,
    schema,
    shards,
    tracks,
    waveforms,
)
from fingerprinter.store.tables.checked import damaged
from fingerprinter.store.tables.lists import NO_FILTER, TrackFilter
from fingerprinter.store.tables.shards import Shard
from fingerprinter.types import (
    DuplicateGroup,
    DuplicateReport,
    IndexReport,
    Match,
    Neighbour,
    Peaks,
    Problem,
    Tags,
    Track,
    Version,
)

if TYPE_CHECKING:
    from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel, VectorIndex
    from fingerprinter.library.discover.clusters import Cluster
    from fingerprinter.library.discover.recommend import Recommendations
    from fingerprinter.library.discover.sound_map import Places, SoundMap
    from fingerprinter.library.discover.tag_matching import TagMatch
    from fingerprinter.library.discover.text_search import SoundIndex, TextSearchResult
    from fingerprinter.library.duplicates.search import OnSearchProgress
    from fingerprinter.library.identify.explanation import Explanation
    from fingerprinter.library.listening.monitors import Monitors
    from fingerprinter.library.listening.station import OnEvent
    from fingerprinter.library.maintain.lists import LibraryLists
    from fingerprinter.library.maintain.service import ServiceValues
    from fingerprinter.library.maintain.statistics import DiskUse, LibraryStats
    from fingerprinter.library.maintain.transfer import ImportReport
    from fingerprinter.library.maintain.verify import OnVerifyProgress, VerifyReport
    from fingerprinter.library.music.stored_analyses import AnalyzeReport, TrackAnalysis
    from fingerprinter.library.music.tag_writing import TagReport
    from fingerprinter.library.similar.queries import QuerySource
    from fingerprinter.library.similar.vectors import LibraryVectors

_log = logging.getLogger(__name__)


class Library:
    """A music collection that can be filled, searched and maintained.

    `open_library` makes one. A library is a context manager and closes its database at the end.
    Several threads may search one library at the same time.

    Parameters
    ----------
    database : Database
        The open database that holds the library.
    config : Settings
        Cache folder, number of worker processes and text-audio model.
    profile : str, optional
        Name of the fingerprint parameters for a library that is still empty, one of
        `fingerprinter.core.fingerprint.params.PROFILES`. A filled library keeps its own.
    policy : SearchPolicy
        The values that decide the answers of `identify`.

    Raises
    ------
    VersionError
        If the library was filled with parameters that this version does not have.
    UsageError
        If the library was filled under another profile than ``profile``.

    Attributes
    ----------
    policy : SearchPolicy
        The policy of this library object. It is not stored.
    batch_limits : BatchLimits
        When `index` and `analyze_all` commit their results.

    Notes
    -----
    In the examples ``library`` holds four short pieces of music from the folder ``music``.
    """

    batch_limits = BatchLimits()

    def __init__(
        self,
        database: Database,
        config: Settings,
        profile: str | None = None,
        policy: SearchPolicy = DEFAULT_POLICY,
    ) -> None:
        self._database, self._config, self.policy = database, config, policy
        with database.connect() as connection:
            self._params = _stored_params(connection, profile)
        self._posting_cache = SnapshotCache[PostingIndex]()
        self._sketch_cache = SnapshotCache[SketchIndex | ListedSketches]()
        self._sound_cache = SnapshotCache["SoundIndex"]()
        self._vector_cache = SnapshotCache["VectorIndex"]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections to the database."""
        self._database.close()

    # --- content ------------------------------------------------------------------------

    def index(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        jobs: int | None = None,
        embeddings: bool = True,
        prune: bool = False,
        prune_empty_root: bool = False,
        confirm: Callable[[str], bool] | None = None,
        exclude: Sequence[str] = (),
        changed_before: float | None = None,
        scheduler: str | None = None,
        on_progress: OnProgress = lambda _: None,
        on_left_out: Callable[[str, str], None] = lambda *_: None,
    ) -> IndexReport:
        """Add audio files and folders to the library.

        Files that are in the library and unchanged are skipped. A file that was moved or retagged
        is recognised by its content and not analysed again. Results are committed every 20 seconds
        or so, and an interrupt (Ctrl-C) keeps what is done.

        Parameters
        ----------
        paths : sequence of path
            Files and folders. Folders are searched recursively.
        jobs : int, optional
            Number of worker processes. The default is one per core.
        embeddings : bool
            Whether to compute the embeddings that `similar`, `recommend` and `search` need.
        prune : bool
            Whether to forget the files below ``paths`` that are gone. What cannot be looked at is
            not gone.
        prune_empty_root : bool
            Whether a folder without one audio file may lose all its files. By default it is
            refused, because the disk may not be mounted.
        confirm : callable, optional
            Is asked, with a question, before more than half of the files of a folder are forgotten.
            Without it, they are kept, with a problem in the report.
        exclude : sequence of str
            Globs of what is left out of the folders, in the syntax of .gitignore. Files
            `.fingerprinterignore` in the folders leave out more. Tracks that are in the library
            stay there.
        changed_before : float, optional
            Seconds since 1970. Files that were changed at that time or later are left out, because
            they may still be written.
        scheduler : str, optional
            Address of a Dask scheduler. Its workers read the files instead of local processes.
        on_progress : callable
            Is called with a `Progress` after each file.
        on_left_out : callable
            Is called with the path and the kind of each entry that is left out. The kinds are those
            of `IndexReport.left_out`.

        Returns
        -------
        IndexReport
            Counts of files, and a problem for each file that could not be read or only in part.

        Raises
        ------
        UsageError
            If ``jobs`` is below 1, or ``scheduler`` is combined with ``jobs`` or with a
            text-audio model.
        ClusterError
            If the scheduler cannot be used.
        ModelError
            If a model cannot be loaded.

        Examples
        --------
        >>> report = library.index([music], embeddings=False)
        >>> report.indexed, report.skipped
        (0, 4)
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
        workers = self._worker_count(jobs)
        indexer = Indexer(
            self._database,
            self._params,
            digest,
            text_model,
            workers,
            scheduler,
            self.batch_limits,
        )
        report = indexer.run(
            paths,
            prune=prune,
            prune_empty_root=prune_empty_root,
            confirm=confirm,
            exclude=exclude,
            changed_before=changed_before,
            on_progress=on_progress,
            on_left_out=on_left_out,
        )
        self._update_sketch_file()
        return report

    def tracks(self) -> Iterator[Track]:
        """Iterate over all tracks, in the order in which they were added.

        Yields
        ------
        Track

        Examples
        --------
        >>> [track.title for track in library.tracks()]
        ['Piece 0', 'Piece 1', 'Piece 2', 'Piece 3']
        """
        with self._database.connect() as connection:
            yield from tracks.iterate(connection)

    def cover(self, ref: TrackRef) -> bytes | None:
        """Read the picture that is embedded in a file of a track.

        Parameters
        ----------
        ref : Track, int, str or path
            See `track`.

        Returns
        -------
        bytes or None
            Usually JPEG or PNG; ``None`` if no file of the track that can be read has one.

        Raises
        ------
        UnknownTrackError
            If the library has no such track.
        """
        from fingerprinter.audio import read_cover

        pictures = (read_cover(path) for path in self.files(ref))
        return next((picture for picture in pictures if picture), None)

    def waveform(self, ref: TrackRef) -> npt.NDArray[np.uint8]:
        """Return the outline of a track for a picture of its waveform.

        `index` stores it. Tracks that an older version indexed are decoded here, and the outline
        is stored if the library may be written to.

        Parameters
        ----------
        ref : Track, int, str or path
            See `track`.

        Returns
        -------
        (1000,) uint8
            The loudest sample of each thousandth of the track; 255 is full scale.

        Raises
        ------
        UnknownTrackError
            If the library has no such track.
        UsageError, AudioError
            If there is no outline yet, and no file of the track that can be read.

        Examples
        --------
        >>> library.waveform(1).shape
        (1000,)
        """
        from fingerprinter.library.indexing.extract import waveform_of

        with self._database.connect() as connection:
            track = resolve_track(connection, ref)
            points = waveforms.get(connection, track.id)
        if points is None:
            if track.path is None:
                raise UsageError(f"track {track.id}: it has no file; index its file first")
            points = waveform_of(track_source(track))
            if not self._database.read_only:
                row = partial(feature_rows.put, table=schema.waveform, track_id=track.id)
                self._database.change(partial(row, points=points.tobytes()))
        return points

    def match_tags(self, tags: Tags, duration_s: float | None = None) -> TagMatch:
        """Find the track that fits tags which another program knows.

        Parameters
        ----------
        tags : Tags
            ISRC, MBID, title, artist and album are used.
        duration_s : float, optional
            The length of the recording in seconds.

        Examples
        --------
        >>> library.match_tags(Tags(title="piece 1")).track.id
        2
        """
        from fingerprinter.library.discover.tag_matching import match_tags

        with self._database.connect() as connection:
            return match_tags(connection, tags, duration_s)

    def track(self, ref: TrackRef) -> Track:
        """Look up one track.

        Parameters
        ----------
        ref : Track, int, str or path
            The track, its id, or the path of one of its files.

        Returns
        -------
        Track

        Raises
        ------
        UnknownTrackError
            If the library has no such track.

        Examples
        --------
        >>> library.track(1).title, library.track(music / "0.flac").title
        ('Piece 0', 'Piece 0')
        """
        with self._database.connect() as connection:
            return resolve_track(connection, ref)

    def files(self, ref: TrackRef) -> list[str]:
        """List the files that hold a track.

        Parameters
        ----------
        ref : Track, int, str or path
            See `track`.

        Returns
        -------
        list of str
            Absolute paths. Files with the same audio are one track.

        Raises
        ------
        UnknownTrackError
            If the library has no such track.

        Examples
        --------
        >>> [Path(file).name for file in library.files(1)]
        ['0.flac']
        """
        with self._database.connect() as connection:
            track = resolve_track(connection, ref)
            return [os.fsdecode(path) for path in files.paths_of(connection, track.id)]

    def remove(self, refs: Sequence[TrackRef]) -> list[Track]:
        """Remove tracks from the library. Their audio files are not touched.

        Parameters
        ----------
        refs : sequence of Track, int, str or path
            See `track`. Either all of them are removed or none.

        Returns
        -------
        list of Track
            The removed tracks, each once.

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.

        Examples
        --------
        >>> library.remove([1, "/music/intro.flac"])  # doctest: +SKIP
        """
        with self._database.begin() as connection:
            removed = list(dict.fromkeys(resolve_track(connection, ref) for ref in refs))
            for track in removed:
                tracks.remove(connection, track.id)
            library_metadata.bump_revision(connection)
        return removed

    # --- identification -----------------------------------------------------------------

    def identify(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        all_matches: bool = False,
    ) -> list[Match]:
        """Name the recording in a clip, or all recordings in a long clip.

        Parameters
        ----------
        source : path, bytes, binary file or tuple of (samples, sr)
            The clip. ``samples`` is a float or integer array of shape (n,) or (channels, n).
        min_confidence : float, optional
            Matches with a lower confidence are left out. With the default, that of the policy, at
            most 1 in 1,000 clips of music outside the library gets an answer.
        all_matches : bool
            Whether to report every recording in the clip, in the order of time, instead of only
            the best match.

        Returns
        -------
        list of Match
            Empty if the clip is not recognised.

        Raises
        ------
        AudioError
            If the clip cannot be read.

        See Also
        --------
        recognize : Also returns the length of the clip.

        Examples
        --------
        >>> [match] = library.identify(music / "2.flac")
        >>> match.track.title, round(abs(match.offset_s), 1)
        ('Piece 2', 0.0)
        """
        answer = self.recognize(source, min_confidence=min_confidence, all_matches=all_matches)
        return answer.matches

    def recognize(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        all_matches: bool = False,
        alternatives: int = 0,
        versions: bool = False,
        name: str | None = None,
        on_match: OnMatch = lambda _: None,
    ) -> Recognition:
        """Name the recordings in a clip as `identify` does, and measure the clip.

        Parameters
        ----------
        source, min_confidence, all_matches
            See `identify`.
        alternatives : int
            How many other candidates to report, such as other tracks that hold the same passage.
        versions : bool
            Whether to look for other performances of the piece if there is no match. Only tracks
            that `analyze` has analysed are found, and a clip needs 15 seconds.
        name : str, optional
            Name of the clip in messages. The default is its path.
        on_match : callable
            Is called with each `Match` of all matches as soon as its recording has ended, for
            clips that are long or have no end. Ctrl-C ends such a clip early.

        Returns
        -------
        Recognition
            The matches, the length of the clip in seconds, and what of it could not be decoded.

        Raises
        ------
        AudioError
            If the clip cannot be read.
        UsageError
            If alternatives or versions are wanted for all matches, or if no track has been
            analysed for versions.

        Examples
        --------
        >>> answer = library.recognize(music / "2.flac")
        >>> answer.duration_s, len(answer.matches), answer.problem
        (6.0, 1, None)
        """
        if all_matches and (alternatives or versions):
            what = "alternatives belong to one match"
            if versions:
                what = "versions belong to one piece"
            raise UsageError(f"{what}; leave out one of the two options")
        name = name or source_name(source)
        with ExitStack() as resources:
            if versions:
                source = resources.enter_context(rereadable(source, name))
            audio = resources.enter_context(open_audio(source, self._params.sr, name=name))
            connection, recognizer = resources.enter_context(self.snapshot())
            found = recognizer.answer(
                audio,
                min_confidence,
                all_matches=all_matches,
                alternatives=alternatives,
                on_match=on_match,
            )
            if versions and not found.matches:
                from fingerprinter.library.similar.versions import versions_of_clip

                others = versions_of_clip(connection, recognizer, source, name)
                found = replace(found, versions=others)
            return found

    def monitors(
        self,
        on_event: OnEvent = lambda _: None,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> Monitors:
        """Make a group of stations to listen to, for as long as they send.

        Each window of their sound is searched in a new snapshot, so that tracks that are added
        meanwhile are found.

        Parameters
        ----------
        on_event, on_problem : callable
            Receive each `StationEvent`, and a line about each problem.

        Returns
        -------
        Monitors
            A context manager without stations yet; ``add`` starts one.

        Examples
        --------
        >>> from fingerprinter.audio.streams.sources import open_source
        >>> with library.monitors(on_event=print) as monitors:  # doctest: +SKIP
        ...     monitors.add(open_source("https://radio.example/live"))
        """
        from fingerprinter.library.listening.monitors import Monitors

        return Monitors(self.snapshot, self._params, self.policy, on_event, on_problem)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Connection, Recognizer]]:
        """Open a snapshot and its recognizer."""
        with self._database.connect() as connection:
            yield (
                connection,
                Recognizer(
                    connection,
                    self._posting_index(connection),
                    self._params,
                    partial(self._sketches, connection),
                    self.policy,
                ),
            )

    def explain(
        self,
        source: AudioSource | Track,
        start_s: float | None = None,
        end_s: float | None = None,
        *,
        match: bool = True,
        min_confidence: float | None = None,
    ) -> Explanation:
        """Show the peaks of a clip and the landmarks by which it is recognised.

        `fingerprinter.plotting.draw` draws the result.

        Parameters
        ----------
        source : path, bytes, tuple of (samples, sr) or Track
            The clip, as for `identify`, or a track whose file is read. The clip is read twice, so a
            stream is refused.
        start_s, end_s : float, optional
            The part to show, at most 120 s. The default is 30 s from the start of the clip or of
            the match.
        match : bool
            Whether to search the library for the clip.
        min_confidence : float, optional
            See `identify`.

        Returns
        -------
        Explanation

        Raises
        ------
        AudioError
            If the clip cannot be read.
        UsageError
            If ``start_s`` and ``end_s`` are not within the clip, or too far apart.

        Examples
        --------
        >>> explanation = library.explain(music / "1.flac")
        >>> explanation.searched, explanation.agreement is not None
        (True, True)
        """
        from fingerprinter.library.identify.explanation import explain_alone, explain_match

        if not match:
            return explain_alone(source, start_s, end_s, self._params)
        identify = partial(self.identify, min_confidence=min_confidence)
        return explain_match(source, start_s, end_s, self._params, identify, self._stored_peaks)

    def duplicates(
        self,
        *,
        min_confidence: float | None = None,
        on_progress: OnSearchProgress = lambda _: None,
    ) -> DuplicateReport:
        """Find tracks that hold the same recording, or a part of another track.

        Exact copies of a file are one track, and come first. Nothing is deleted. A track with
        damaged peaks is reported as a problem and left out.

        Parameters
        ----------
        min_confidence : float, optional
            The least confidence of a pair of tracks. The default is that of the policy.
        on_progress : callable
            Is called with a `SearchProgress` after each group of tracks.

        Returns
        -------
        DuplicateReport
            Groups of tracks with the aligned passages as evidence.

        Raises
        ------
        CorruptionError
            If the landmarks are damaged.

        Examples
        --------
        >>> library.duplicates().groups
        ()
        """
        from fingerprinter.library.duplicates.search import DuplicateSearch, exact_copies

        with self._database.connect() as connection:
            index = self._posting_index(connection)
            search = DuplicateSearch(connection, index, self._params, min_confidence, self.policy)
            found = search.run(on_progress)
            return replace(found, groups=(*exact_copies(connection), *found.groups))

    def exact_copies(self) -> list[DuplicateGroup]:
        """List the tracks that several files hold. Nothing is compared for it.

        Returns
        -------
        list of DuplicateGroup
            Of the kind "exact", in the order of track ids.

        Examples
        --------
        >>> library.exact_copies()
        []
        """
        from fingerprinter.library.duplicates.search import exact_copies

        with self._database.connect() as connection:
            return list(exact_copies(connection))

    # --- similarity and discovery -------------------------------------------------------

    def similar(
        self,
        query: QuerySource | Sequence[QuerySource],
        n: int = 10,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        only: TrackFilter = NO_FILTER,
        per_artist: int | None = None,
        per_album: int | None = None,
        not_same_album: bool = False,
        copies: bool = False,
        why: bool = False,
        on_problem: Callable[[Problem], None] | None = None,
        on_part_read: Callable[[Problem], None] = lambda _: None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a query.

        Parameters
        ----------
        query : Track, int, path, bytes, tuple of (samples, sr), or a sequence of these
            A track of the library, its id or path, or any other audio. Several are combined.
        n : int
            The number of tracks to return.
        start_s, end_s : float, optional
            The part of each query to compare. The default is the whole.
        only : TrackFilter
            Which tracks may be returned.
        per_artist : int, optional
            The number of tracks of one artist to return at most.
        per_album : int, optional
            The number of tracks of one album to return at most.
        not_same_album : bool
            Whether to leave out the albums of the queries.
        copies : bool
            Whether to list every track of a recording. By default one track is listed, and its
            `Neighbour.copies` names the others.
        why : bool
            Whether to explain each result by facet (timbre, rhythm, harmony) and shared tags.
        on_problem : callable, optional
            Receives a `Problem` for each query that cannot be read. The others are answered. By
            default, and if there is no other, it is an error.
        on_part_read : callable
            Receives a `Problem` for each query of whose audio only a part can be decoded, which is
            compared.

        Returns
        -------
        list of Neighbour
            The most similar track first.

        Raises
        ------
        UnknownTrackError
            If the library has no such track.
        AudioError
            If the audio of the query cannot be read.
        UsageError
            If the query is empty, or ``start_s`` and ``end_s`` are no part of it.
        ModelError
            If no track of the library has an embedding.

        Examples
        --------
        >>> neighbours = library.similar(1, n=3)
        >>> sorted(neighbour.track.title for neighbour in neighbours)
        ['Piece 1', 'Piece 2', 'Piece 3']
        """
        from fingerprinter.library.similar.queries import Part, QueryBuilder, as_list
        from fingerprinter.library.similar.result_list import ListOptions
        from fingerprinter.library.similar.search import NeighbourSearch

        options = ListOptions(n, only, per_artist, per_album, not_same_album, copies, why)
        part = Part.checked(start_s, end_s)
        with self._database.connect() as connection:
            builder = QueryBuilder(connection, self._model, on_part_read)
            queries = builder.build(as_list(query), part, on_problem)
            index = self._vector_index(connection)
            if not len(index):
                raise ModelError(
                    f"{self._database.address}: no track has an embedding;"
                    " run `fingerprinter index` without --no-embeddings"
                )
            search = NeighbourSearch(connection, index, self._model, self._params)
            return search.run(queries, options)

    def versions(
        self,
        query: QuerySource,
        n: int = 10,
        *,
        only: TrackFilter = NO_FILTER,
        min_confidence: float = MIN_VERSION_CONFIDENCE,
        copies: bool = False,
        on_problem: Callable[[Problem], None] = lambda _: None,
    ) -> list[Version]:
        """Find other performances of the piece that a query plays.

        A version may have other instruments, another key and another tempo. Only tracks that
        `analyze` has analysed are found.

        Parameters
        ----------
        query : Track, int, path, bytes, or tuple of (samples, sr)
            A track of the library, its id or path, or any other audio.
        n : int
            The number of tracks to return at most.
        only : TrackFilter
            Which tracks may be returned.
        min_confidence : float
            The least confidence of a version, 0..1.
        copies : bool
            Whether to return tracks with the recording of the query itself, too.
        on_problem : callable
            Receives a `Problem` if the query is read from its audio, and some of it cannot be
            decoded.

        Returns
        -------
        list of Version
            The surest first; empty if there is none.

        Raises
        ------
        UnknownTrackError
            If the library has no such track.
        AudioError
            If the audio of the query cannot be read.
        UsageError
            If the query is shorter than 15 seconds, or if no track has been analysed.

        Examples
        --------
        >>> for version in library.versions("live.flac"):  # doctest: +SKIP
        ...     print(version.track.title, version.semitones, version.tempo)
        """
        from fingerprinter.library.similar import versions

        with self.snapshot() as (connection, recognizer):
            options = versions.VersionOptions(n, only, min_confidence, copies)
            return versions.find_versions(connection, recognizer, query, options, on_problem)

    def recommend(
        self,
        likes: Sequence[TrackRef],
        dislikes: Sequence[TrackRef] = (),
        n: int = 10,
        *,
        only: TrackFilter = NO_FILTER,
        per_artist: int | None = None,
        per_album: int | None = None,
        not_same_album: bool = False,
    ) -> list[Neighbour]:
        """Recommend tracks from a few likes and dislikes.

        Parameters
        ----------
        likes, dislikes : sequence of Track, int, str or path
            Tracks of the library, see `track`. None of them is recommended.
        n : int
            The number of tracks to return.
        only, per_artist, per_album
            See `similar`.
        not_same_album : bool
            Whether to leave out the albums of the liked tracks.

        Returns
        -------
        list of Neighbour
            The best recommendation first.

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.
        UsageError
            If ``likes`` is empty.
        ModelError
            If no track of the library has an embedding.

        Examples
        --------
        >>> recommended = library.recommend(likes=[1], dislikes=[2])
        >>> sorted(neighbour.track.title for neighbour in recommended)
        ['Piece 2', 'Piece 3']
        """
        from fingerprinter.library.discover.recommend import recommend_by_likes
        from fingerprinter.library.duplicates.same_recording import CopyDetector
        from fingerprinter.library.similar.result_list import ListOptions

        options = ListOptions(n, only, per_artist, per_album, not_same_album)
        with self._database.connect() as connection:
            liked, disliked = (
                [resolve_track(connection, ref) for ref in refs] for refs in (likes, dislikes)
            )
            space = self._library_vectors(connection)
            copies = CopyDetector(connection, self._params, self.policy)
            return recommend_by_likes(connection, space, liked, disliked, copies, options)

    def recommend_from(
        self,
        plays: str | os.PathLike[str],
        user: str | None = None,
        n: int = 10,
        *,
        only: TrackFilter = NO_FILTER,
        per_artist: int | None = None,
        per_album: int | None = None,
        not_same_album: bool = False,
    ) -> Recommendations:
        """Recommend tracks from a play history.

        Parameters
        ----------
        plays : path
            The history, in a format of `fingerprinter.library.discover.play_history.read_history`.
        user : str, optional
            The user to recommend for, if the history has several.
        n : int
            The number of tracks to return.
        only, per_artist, per_album
            See `similar`.
        not_same_album : bool
            Whether to leave out the albums of the tracks that the user has played.

        Returns
        -------
        Recommendations
            Tracks that the user has not played, and the plays that match no track.

        Raises
        ------
        UsageError
            If the history cannot be read, or none of its plays matches a track of the library.

        Examples
        --------
        >>> library.recommend_from("plays.csv", n=5)  # doctest: +SKIP
        """
        from fingerprinter.library.discover.play_history import read_history, select_user
        from fingerprinter.library.discover.recommend import recommend_by_history
        from fingerprinter.library.duplicates.same_recording import CopyDetector
        from fingerprinter.library.similar.result_list import ListOptions

        options = ListOptions(n, only, per_artist, per_album, not_same_album)
        history = read_history(Path(plays))
        with self._database.connect() as connection:
            space = self._library_vectors(connection)
            who = select_user(history, user)
            copies = CopyDetector(connection, self._params, self.policy)
            return recommend_by_history(connection, space, history, who, copies, options)

    def path(
        self,
        start: TrackRef,
        end: TrackRef,
        n: int = 10,
        *,
        via: Sequence[TrackRef] = (),
        per_artist: bool = False,
    ) -> list[Neighbour]:
        """Make a playlist that leads from one track to another in small steps.

        Parameters
        ----------
        start, end : Track, int, str or path
            The first and the last track, see `track`.
        n : int
            The number of tracks, all named ones included. A small library may have fewer.
        via : sequence of Track, int, str or path
            Tracks that the playlist visits between the ends, in this order.
        per_artist : bool
            Whether to take at most one track of each artist.

        Returns
        -------
        list of Neighbour
            The tracks in order, each with its similarity to the one before. The first has 1.

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.
        UsageError
            If a track is named twice, or ``n`` is below the number of named tracks.
        ModelError
            If the tracks have no embedding.

        Examples
        --------
        >>> playlist = library.path(1, 3, n=3)
        >>> playlist[0].track.title, playlist[-1].track.title
        ('Piece 0', 'Piece 2')
        """
        from fingerprinter.library.discover.playlist import path_through

        with self._database.connect() as connection:
            stops = [resolve_track(connection, ref) for ref in (start, *via, end)]
            space = self._library_vectors(connection)
            return path_through(connection, space, stops, n, per_artist=per_artist)

    def search(self, words: str, n: int = 10) -> TextSearchResult:
        """Find tracks by a description of their sound, or by title, artist or album.

        A text-audio model compares the words with the sound, if one is set. Otherwise tags do.

        Parameters
        ----------
        words : str
            Terms as `Vocabulary.parse` takes them. ``no metal`` or ``-metal`` excludes a term.
        n : int
            The number of tracks to return.

        Returns
        -------
        TextSearchResult
            The tracks, best first, and notes on words that were corrected or not understood.

        Raises
        ------
        UsageError
            If ``words`` holds no word.
        ModelError
            If the text-audio model cannot be used.

        Examples
        --------
        >>> found = library.search("piece 3", n=1)
        >>> found.results[0].track.title
        'Piece 3'
        """
        from fingerprinter.library.discover.text_search import TextSearch

        with self._database.connect() as connection:
            return TextSearch(connection, self._sound_index(connection)).search(words, n)

    def correct_names(self, words: str) -> str:
        """Return words in the spelling by which names are searched, with misspelt ones corrected.

        A word that begins no word of any name becomes the word of a name that is spelt most like
        it, if there is one.

        Examples
        --------
        >>> library.correct_names("Peice 3")
        'piece 3'
        """
        from fingerprinter.library.discover.text_search import Names

        with self._database.connect() as connection:
            return Names(connection).corrected(words)

    def clusters(self, count: int | None = None) -> list[Cluster]:
        """Group the tracks that sound alike.

        Parameters
        ----------
        count : int, optional
            The number of groups. By default it is the number that fits the library best.

        Returns
        -------
        list of Cluster
            The largest first, each named by its tags.

        Raises
        ------
        UsageError
            If ``count`` is larger than the number of tracks.
        ModelError
            If no track of the library has an embedding.

        Examples
        --------
        >>> sum(cluster.size for cluster in library.clusters(2))
        4
        """
        from fingerprinter.library.discover.clusters import group_tracks

        with self._database.connect() as connection:
            space = self._library_vectors(connection)
            return list(group_tracks(connection, space, self._model.tags, count).clusters)

    def map(self, count: int | None = None, *, earlier: Places | None = None) -> SoundMap:
        """Place every track on a plane, close to the tracks that it sounds like.

        Parameters
        ----------
        count : int, optional
            The number of clusters, see `clusters`.
        earlier : Places, optional
            An earlier map of this library. If most tracks are on it, they keep their places.

        Returns
        -------
        SoundMap

        Raises
        ------
        UsageError, ModelError
            See `clusters`.

        Examples
        --------
        >>> library.map(2).places.shape
        (4, 2)
        """
        from fingerprinter.library.discover.clusters import group_tracks
        from fingerprinter.library.discover.sound_map import compute_map

        with self._database.connect() as connection:
            space = self._library_vectors(connection)
            grouping = group_tracks(connection, space, self._model.tags, count)
            return compute_map(space, grouping, earlier)

    def library_vectors(self) -> LibraryVectors:
        """Return the embeddings and tags of all tracks that have an embedding, as arrays.

        Returns
        -------
        LibraryVectors

        Examples
        --------
        >>> len(library.library_vectors())
        4
        """
        with self._database.connect() as connection:
            return self._library_vectors(connection)

    # --- music analysis -----------------------------------------------------------------

    def analyze(self, ref: TrackRef, *, again: bool = False) -> TrackAnalysis:
        """Find the tempo, beats, key, sections, loudness and tags of a track or audio file.

        Parameters
        ----------
        ref : Track, int, str or path
            A track, see `track`, or the path of any other audio file. The analysis of a track is
            stored.
        again : bool
            Whether to analyse a track that has a stored analysis.

        Returns
        -------
        TrackAnalysis

        Raises
        ------
        UnknownTrackError
            If ``ref`` is neither a track nor a file.
        AudioError
            If the audio cannot be read.
        ModelError
            If the embedding model cannot be loaded.

        Examples
        --------
        >>> analysis = library.analyze(1)
        >>> analysis.name.endswith("0.flac"), analysis.duration_s
        (True, 6.0)
        """
        from fingerprinter.library.music.stored_analyses import analyze_file, analyze_track

        try:
            track = self.track(ref)
        except UnknownTrackError:
            if not isinstance(ref, str | os.PathLike) or not may_be_file(ref):
                raise
            return analyze_file(ref, self._model)
        return analyze_track(self._database, track, self._model, again=again)

    def analyze_all(
        self, *, jobs: int | None = None, on_progress: OnProgress = lambda _: None
    ) -> AnalyzeReport:
        """Analyse every track that has no analysis of this version.

        An interrupt (Ctrl-C) keeps what is done.

        Parameters
        ----------
        jobs : int, optional
            Number of worker processes. The default is one per core.
        on_progress : callable
            Is called with a `Progress` after each track.

        Returns
        -------
        AnalyzeReport

        Raises
        ------
        UsageError
            If ``jobs`` is below 1.

        Examples
        --------
        >>> library.analyze_all(jobs=2)  # doctest: +SKIP
        """
        from fingerprinter.library.music.stored_analyses import LibraryAnalyzer

        workers = self._worker_count(jobs)
        return LibraryAnalyzer(self._database, workers, self.batch_limits).run(on_progress)

    def write_tags(
        self,
        refs: Sequence[TrackRef] = (),
        fields: Sequence[str] = ("bpm", "key", "gain"),
        *,
        dry_run: bool = False,
        on_progress: OnTrackCount = lambda _: None,
    ) -> TagReport:
        """Write stored analyses into the tags of the files. Their sound never changes.

        Parameters
        ----------
        refs : sequence of Track, int, str or path
            The tracks, see `track`. The default is all.
        fields : sequence of {"bpm", "key", "gain"}
            What to write: the tempo as a whole number, the key ("Am"), and the gain and peak of
            ReplayGain 2.0.
        dry_run : bool
            Whether to change nothing and only report what would change.
        on_progress : callable
            Is called with a `TrackCount` after each track.

        Returns
        -------
        TagReport

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.
        UsageError
            If a field is unknown.

        Examples
        --------
        >>> library.write_tags([1], ["bpm"], dry_run=True).changes
        ()
        """
        from fingerprinter.library.music.tag_writing import write_tags

        tracks = [self.track(ref) for ref in refs] if refs else list(self.tracks())
        return write_tags(self._database, tracks, fields, dry_run=dry_run, on_progress=on_progress)

    # --- what a service asks for --------------------------------------------------------

    @cached_property
    def lists(self) -> LibraryLists:
        """Pages of tracks, albums, artists and genres, and what is shown of many tracks at once."""
        from fingerprinter.library.maintain.lists import LibraryLists

        return LibraryLists(self._database)

    @cached_property
    def service(self) -> ServiceValues:
        """What a service of this library keeps in it: secrets and the queue of jobs."""
        from fingerprinter.library.maintain.service import ServiceValues

        return ServiceValues(self._database)

    def revision(self) -> int:
        """Return how often tracks, tags or vectors have changed. What is cached depends on it.

        Examples
        --------
        >>> library.revision() == library.revision()
        True
        """
        with self._database.connect() as connection:
            return library_metadata.revision(connection)

    def cache_folder(self) -> Path:
        """Return the folder of the files that are derived from this library.

        Examples
        --------
        >>> library.cache_folder() == library.cache_folder()
        True
        """
        with self._database.connect() as connection:
            return self._config.cache / library_metadata.library_id(connection)

    def warm_up(self) -> None:
        """Load what `identify`, `similar` and `search` would load with their first calls.

        A service calls it before it says that it is ready. Afterwards the process uses the
        compiled kernels.

        Examples
        --------
        >>> library.warm_up()  # doctest: +SKIP
        """
        noise = np.random.default_rng(0).normal(0, 0.1, 10 * self._params.sr).astype(np.float32)
        compiled.load()
        self.identify((noise, self._params.sr))
        if self.stats().embeddings:
            self.similar((noise, self._params.sr), n=1)
            with self._database.connect() as connection, suppress(ModelError):
                self._sound_index(connection)  # `search` tells what is wrong with a text model

    # --- maintenance --------------------------------------------------------------------

    def stats(self) -> LibraryStats:
        """Count tracks, files and landmarks, and measure their packed size.

        Returns
        -------
        LibraryStats

        Examples
        --------
        >>> library.stats().tracks
        4
        """
        from fingerprinter.library.maintain.statistics import stats
        from fingerprinter.library.music.analyze import analysis_id

        return stats(self._database, self._params, analysis_id())

    def disk_use(self) -> DiskUse:
        """Measure the size of the library on disk, in total and by part.

        This reads all pages of an SQLite file.

        Returns
        -------
        DiskUse

        Examples
        --------
        >>> library.disk_use().disk_bytes > 0
        True
        """
        from fingerprinter.library.maintain.statistics import disk_use

        return disk_use(self._database)

    def reindex(self) -> int:
        """Rebuild all landmarks from the stored peaks, in one transaction.

        The next `similar` rebuilds the vector index.

        Returns
        -------
        int
            The number of tracks.

        Raises
        ------
        CorruptionError
            If the peaks of a track are damaged. The library is unchanged then.

        Examples
        --------
        >>> library.reindex()
        4
        """
        from fingerprinter.library.indexing.indexer import reindex

        return reindex(self._database, self._params)

    def shard(self, urls: Sequence[str]) -> list[str]:
        """Shard the landmarks over several PostgreSQL servers.

        Parameters
        ----------
        urls : sequence of str
            Addresses of the servers, at least one.

        Returns
        -------
        list of str
            A line for each server that could not be cleaned up.

        Raises
        ------
        LibraryError
            If a server cannot be used. The library is unchanged then.
        UsageError
            If the library is in SQLite.

        Examples
        --------
        >>> library.shard(["postgresql://a/shard", "postgresql://b/shard"])  # doctest: +SKIP
        """
        if not urls:
            raise UsageError("no server to shard to; name one, or call `unshard` to move all back")
        from fingerprinter.store.servers.sharding import shard_postings

        return shard_postings(self._database, urls)

    def unshard(self) -> list[str]:
        """Move all landmarks back into the library's own database.

        Returns
        -------
        list of str
            A line for each server that could not be cleaned up.

        Raises
        ------
        LibraryError
            If a server cannot be used. The library is unchanged then.
        UsageError
            If the library is in SQLite.

        Examples
        --------
        >>> library.unshard()  # doctest: +SKIP
        """
        from fingerprinter.store.servers.sharding import shard_postings

        return shard_postings(self._database, [])

    def shards(self) -> list[Shard]:
        """List the shards of the landmarks.

        Returns
        -------
        list of Shard
            Empty if the library is not sharded.

        Examples
        --------
        >>> library.shards()
        []
        """
        with self._database.connect() as connection:
            return shards.list_shards(connection) if shards.is_sharded(connection) else []

    def verify(
        self, *, repair: bool = False, on_progress: OnVerifyProgress = lambda _: None
    ) -> VerifyReport:
        """Check checksums, counts and references of everything in the library.

        Parameters
        ----------
        repair : bool
            Whether to rebuild what is derived: landmarks, tombstones and the vector index.
        on_progress : callable
            Is called with a `VerifyProgress` after each segment and each group of tracks.

        Returns
        -------
        VerifyReport

        Examples
        --------
        >>> library.verify().is_whole
        True
        """
        from fingerprinter.library.maintain.verify import Verifier
        from fingerprinter.library.similar.vectors import vector_index

        def rebuild_vector_index() -> None:
            with self._database.connect() as connection:
                vector_index(connection, self._config.cache, self._model.digest)

        verifier = Verifier(
            self._database,
            self._params,
            self._config.cache,
            repair=repair,
            rebuild_vector_index=rebuild_vector_index,
        )
        return verifier.run(on_progress)

    def export_to(
        self,
        path: str | os.PathLike[str],
        refs: Sequence[TrackRef] = (),
        *,
        on_progress: OnTrackCount = lambda _: None,
    ) -> int:
        """Write tracks with everything known about them to one file, without their audio.

        Parameters
        ----------
        path : path
            The file to write. An earlier export at this path is replaced when all is written.
        refs : sequence of Track, int, str or path
            The tracks, see `track`. The default is all.
        on_progress : callable
            Is called with a `TrackCount` after each track.

        Returns
        -------
        int
            The number of tracks.

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.
        UsageError
            If the file cannot be written.

        Examples
        --------
        >>> library.export_to(music.parent / "music.fpx")
        4
        """
        from fingerprinter.library.maintain.transfer import export_tracks

        with self._database.connect() as connection:
            track_ids = [resolve_track(connection, ref).id for ref in refs] or None
            return export_tracks(connection, Path(path), track_ids, on_progress)

    def export_rekordbox(
        self,
        path: str | os.PathLike[str],
        refs: Sequence[TrackRef] = (),
        *,
        on_progress: OnTrackCount = lambda _: None,
    ) -> int:
        """Write tracks with beat grids and sections for DJ programs, as rekordbox XML.

        Parameters
        ----------
        path : path
            The file to write. It appears when all is written.
        refs : sequence of Track, int, str or path
            The tracks, see `track`. The default is all. Tracks of a cue sheet are left out, because
            rekordbox takes whole files only.
        on_progress : callable
            Is called with a `TrackCount` after each track.

        Returns
        -------
        int
            The number of tracks in the file without an analysis, and so without beats and sections.

        Raises
        ------
        UnknownTrackError
            If the library lacks one of the tracks.
        UsageError
            If the file cannot be written.

        Examples
        --------
        >>> library.export_rekordbox(music.parent / "music.xml")
        3
        """
        from fingerprinter.library.music.rekordbox import export_rekordbox

        tracks = [self.track(ref) for ref in refs] if refs else list(self.tracks())
        return export_rekordbox(self._database, Path(path), tracks, on_progress)

    def import_from(
        self,
        path: str | os.PathLike[str],
        *,
        moved: Sequence[tuple[str, str]] = (),
        on_progress: OnTrackCount = lambda _: None,
    ) -> ImportReport:
        """Merge the tracks of a file that `export_to` wrote into this library.

        Parameters
        ----------
        path : path
            The exported file. Tracks that the library has are recognised by their content.
        moved : sequence of tuple of (old, new)
            Prefixes of the files' paths to replace.
        on_progress : callable
            Is called with a `TrackCount` after each transaction.

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

        Examples
        --------
        >>> library.import_from("music.fpx", moved=[("/mnt/music", "/music")])  # doctest: +SKIP
        """
        from fingerprinter.library.maintain.transfer import import_tracks

        report = import_tracks(self._database, Path(path), moved, on_progress)
        with self._database.connect() as connection:
            self._params = _stored_params(connection, None)
        return report

    # --- shared by the methods ----------------------------------------------------------

    @cached_property
    def _model(self) -> EmbeddingModel:
        from fingerprinter.embedding import load_model

        return load_model()

    @cached_property
    def _text_model(self) -> FolderTextAudioModel | None:
        from fingerprinter.embedding import FolderTextAudioModel

        folder = self._config.text_model
        return FolderTextAudioModel(folder.absolute()) if folder else None

    def _worker_count(self, jobs: int | None) -> int:
        if jobs is not None and jobs < 1:
            raise UsageError(f"jobs is {jobs}; it counts worker processes, 1 or more")
        return jobs or self._config.jobs

    def _stored_peaks(self, track: Track) -> Peaks:
        with self._database.connect() as connection:
            return load_peaks(connection, track.id)

    def _posting_index(self, connection: Connection) -> PostingIndex:
        """Return the postings of this snapshot. They change with a merge, too."""
        state = library_metadata.revision(connection), postings.newest_segment(connection)
        return self._posting_cache.get(state, lambda: PostingIndex(connection, self._params))

    def _sketches(self, connection: Connection) -> SketchIndex | StoredSketches:
        """Return the sketches of this snapshot."""
        words = self._params.sketch_words
        max_bytes = self.policy.sketch.max_bytes
        folder = self._config.cache / library_metadata.library_id(connection)
        held = self._sketch_cache.get(
            (library_metadata.revision(connection), file_state(folder)),
            lambda: read_sketches(connection, words, self._config.cache, max_bytes),
        )
        return held if isinstance(held, SketchIndex) else StoredSketches(connection, words, held)

    def _update_sketch_file(self) -> None:
        """Write the file of the sketches of a large library, or log why it cannot be written."""
        words, max_bytes = self._params.sketch_words, self.policy.sketch.max_bytes
        try:
            with self._database.connect() as connection:
                update_sketch_file(connection, words, self._config.cache, max_bytes)
        except OSError as error:
            reason = f"the file of sketches was not written ({error}), so that short clips in noise"
            _log.warning("%s: %s may be missed", self._config.cache, reason)

    def _sound_index(self, connection: Connection) -> SoundIndex:
        """Return what a text search keeps of this snapshot."""
        from fingerprinter.library.discover.text_search import read_sound_index

        return self._sound_cache.get(
            library_metadata.revision(connection),
            lambda: read_sound_index(connection, self._model, self._text_model),
        )

    def _vector_index(self, connection: Connection) -> VectorIndex:
        """Return the vector index of this snapshot."""
        from fingerprinter.library.similar.vectors import vector_index

        return self._vector_cache.get(
            library_metadata.revision(connection),
            lambda: vector_index(connection, self._config.cache, self._model.digest),
        )

    def _library_vectors(self, connection: Connection) -> LibraryVectors:
        from fingerprinter.library.similar.vectors import library_vectors

        return library_vectors(connection, self._vector_index(connection), self._model.digest)


def _stored_params(connection: Connection, profile: str | None) -> LandmarkParams:
    """Return the parameters that a library was filled with, or those of ``profile`` if empty."""
    stored = library_metadata.get(connection, library_metadata.PARAMS_ID)
    if stored is None and postings.newest_segment(connection):
        raise damaged("its landmarks were made under parameters that it does not name")
    stored_profile = {params.id: name for name, params in PROFILES.items()}.get(stored or "")
    if profile and stored_profile and profile != stored_profile:
        raise UsageError(
            f"the library has the profile {stored_profile}; index into a new one (--db)"
            f" for {profile}"
        )
    params = PROFILES[stored_profile or profile or "default"]
    library_metadata.require(connection, library_metadata.PARAMS_ID, params.id)
    return params
