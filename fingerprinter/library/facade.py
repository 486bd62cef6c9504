"""A library as its users see it: what the command line, Python and HTTP call."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection

from fingerprinter.audio import AudioReader, AudioSource, open_audio
from fingerprinter.audio.signal import Mono
from fingerprinter.config import Settings, default_address
from fingerprinter.core.params import DEFAULT_QUERY, PROFILES, LandmarkParams
from fingerprinter.core.peaks import Stretch, peak_stretches
from fingerprinter.errors import (
    LibraryError,
    ModelError,
    UnknownTrackError,
    UsageError,
)
from fingerprinter.library.confidences import MIN_CONFIDENCE, MIN_DUPLICATE_CONFIDENCE
from fingerprinter.library.filters import EVERYTHING, TrackFilter
from fingerprinter.library.identification import Found, Identifier
from fingerprinter.library.pace import searching
from fingerprinter.library.refs import TrackRef, resolve
from fingerprinter.library.stored import stored_peaks, track_landmarks
from fingerprinter.library.windows import Heard, hear_first
from fingerprinter.store import (
    constellations,
    files,
    migration,
    postings,
    settings,
    shares,
    sizes,
    spread,
    tracks,
    vectors,
)
from fingerprinter.store.address import Address
from fingerprinter.store.database import Database
from fingerprinter.store.lookup import PostingIndex
from fingerprinter.store.schema import SCHEMA_HEAD
from fingerprinter.store.shares import Share
from fingerprinter.types import DuplicateReport, IndexReport, Match, Neighbour, Peaks, Track

if TYPE_CHECKING:
    from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel
    from fingerprinter.library.analyzing import AnalyzeReport, TrackAnalysis
    from fingerprinter.library.clusters import Cluster
    from fingerprinter.library.duplicates import OnSearched
    from fingerprinter.library.explanation import Explanation
    from fingerprinter.library.indexing import OnProgress
    from fingerprinter.library.queries import Asked
    from fingerprinter.library.recommendation import Recommendations
    from fingerprinter.library.search import Ear, NameIndex, SearchAnswer, WordSearch
    from fingerprinter.library.similarity import SoundSpace
    from fingerprinter.library.sound_map import SoundMap
    from fingerprinter.library.transfer import ImportReport, OnMoved
    from fingerprinter.library.verification import OnVerified, VerifyReport

_REINDEX_TRACKS = 64  # tracks whose landmarks make one segment when they are made anew

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class LibraryStats:
    """What a library holds; bytes of its parts as they are packed.

    dead_share: of the landmarks, those of removed tracks, which go with the next merge
    """

    address: str
    schema: str
    params_id: str | None
    profile: str
    tracks: int
    files: int
    audio_s: float
    tracks_in_part: int
    landmarks: int
    segments: int
    removed_tracks: int
    landmark_bytes: int
    constellation_bytes: int
    embeddings: int
    embedding_bytes: int
    mb_per_hour: float | None
    dead_share: float


@dataclass(frozen=True, slots=True)
class PartSize:
    """What a part of a library takes on the disk; a megabyte has 10**6 bytes."""

    bytes: int
    mb_per_hour: float | None


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What a library takes on the disk, see `fingerprinter.store.sizes.Size`."""

    disk_bytes: int
    free_bytes: int | None
    parts: dict[str, PartSize] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was heard in a clip.

    problem: what of the clip could not be decoded; None when it is whole
    """

    duration_s: float
    matches: list[Match]
    problem: str | None


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """revision: of the schema at an address, None where no library is; head: the one needed."""

    address: str
    revision: str | None
    head: str


def open_library(
    url: str | os.PathLike[str] | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    profile: str | None = None,
    text_model: str | os.PathLike[str] | None = None,
) -> Library:
    """Opens the library at a path or an SQLAlchemy URL of SQLite or PostgreSQL.

    url: default ``FINGERPRINTER_DB``, else a file in the user's data folder
    create: make one where there is none
    profile: one of `fingerprinter.core.params.PROFILES`, fixed with the first file of a library
    text_model: folder of a text-audio model for `search`, default ``FINGERPRINTER_TEXT_MODEL``
    Raises `LibraryError` or `VersionError` where it cannot be used, `UsageError` for a profile
    that it does not have.
    """
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"{profile}: no such profile; there are {', '.join(PROFILES)}")
    database = Database.open(_address(url), create=create, read_only=read_only)
    try:
        return Library(database, _settings(text_model), profile)
    except BaseException:
        database.close()
        raise


def _settings(text_model: str | os.PathLike[str] | None) -> Settings:
    found = Settings()
    return found if text_model is None else replace(found, text_model=Path(text_model))


def upgrade_schema(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """Makes the library at an address, or brings it to this version's schema.

    Raises `LibraryError` or `VersionError` where that cannot be done.
    """
    address = _address(url)
    return SchemaStatus(str(Address.parse(address)), migration.upgrade(address), SCHEMA_HEAD)


def schema_status(url: str | os.PathLike[str] | None = None) -> SchemaStatus:
    """The schema at an address; raises `LibraryError` where no database is."""
    address = _address(url)
    return SchemaStatus(str(Address.parse(address)), migration.current(address), SCHEMA_HEAD)


def _address(url: str | os.PathLike[str] | None) -> str:
    """The address meant; the user's data folder is ours to make, any other is the user's."""
    if url is not None:
        return os.fspath(url)
    address = default_address()
    if address.startswith(_SQLITE) and not os.environ.get("FINGERPRINTER_DB"):
        _make_folder(Path(address.removeprefix(_SQLITE)).parent)
    return address


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{folder}: {error.strerror}; name another place with --db or FINGERPRINTER_DB"
        ) from error


class Library:
    """A music collection that can be searched. A context manager, made by `open_library`."""

    def __init__(self, database: Database, config: Settings, profile: str | None = None) -> None:
        self._database, self._config = database, config
        self._postings: tuple[tuple[int, int], PostingIndex] | None = None
        self._words: tuple[int, WordSearch] | None = None
        with database.connect() as connection:
            self._params = _params_of(connection, profile)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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

    # --- what is in it

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
        from fingerprinter.library.indexing import Indexer

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
            return resolve(connection, ref)

    def remove(self, refs: Sequence[TrackRef]) -> list[Track]:
        """Forgets tracks, all or none; the files stay. Raises `UnknownTrackError`."""
        with self._database.begin() as connection:
            gone = list(dict.fromkeys(resolve(connection, ref) for ref in refs))
            for track in gone:
                tracks.remove(connection, track.id)
            settings.bump_revision(connection)
        return gone

    def files(self, ref: TrackRef) -> list[str]:
        """Every file that holds a track; raises `UnknownTrackError`."""
        with self._database.connect() as connection:
            track = resolve(connection, ref)
            return [os.fsdecode(path) for path in files.paths_of(connection, track.id)]

    def stats(self) -> LibraryStats:
        """Counts and sizes."""
        with self._database.connect() as connection:
            counts = tracks.counts(connection)
            landmarks = postings.stats(connection)
            peak_bytes = constellations.size(connection)
            embeddings, embedding_bytes = vectors.size(connection)
            hours = counts.audio_s / 3600
            stored = landmarks.bytes + peak_bytes
            return LibraryStats(
                address=str(self._database.address),
                schema=self._database.schema_version() or "",
                params_id=settings.get(connection, settings.PARAMS_ID),
                profile=next(name for name, each in PROFILES.items() if each == self._params),
                tracks=counts.tracks,
                files=counts.files,
                audio_s=counts.audio_s,
                tracks_in_part=counts.problems,
                landmarks=landmarks.landmarks,
                segments=landmarks.segments,
                removed_tracks=landmarks.dead_tracks,
                landmark_bytes=landmarks.bytes,
                constellation_bytes=peak_bytes,
                embeddings=embeddings,
                embedding_bytes=embedding_bytes,
                mb_per_hour=stored / 1e6 / hours if hours else None,
                dead_share=landmarks.dead_share,
            )

    def disk_use(self) -> DiskUse:
        """What it takes on the disk, by part; reads all pages of an SQLite file."""
        with self._database.connect() as connection:
            hours = tracks.counts(connection).audio_s / 3600
            found = sizes.size(connection)
        parts = {
            name: PartSize(size, size / 1e6 / hours if hours else None)
            for name, size in (found.parts or {}).items()
        }
        return DiskUse(found.total, found.free, parts or None)

    def reindex(self) -> int:
        """Makes all landmarks anew from the stored peaks, in one transaction; returns the tracks.

        The vector index follows at the next question for neighbours.
        Raises `CorruptionError` where a track's peaks are damaged; nothing has changed then.
        """
        from fingerprinter.library.indexing import merge_segments

        with self._database.begin() as connection:
            postings.drop_all(connection)
            done, batch = 0, []
            for track_id, data in constellations.iterate(connection):
                batch.append(track_landmarks(track_id, data, self._params))
                done += 1
                if len(batch) == _REINDEX_TRACKS:
                    postings.add_segment(connection, self._params, batch)
                    batch = []
            postings.add_segment(connection, self._params, batch)
            settings.bump_revision(connection)
        merge_segments(self._database, self._params)
        return done

    def spread(self, urls: Sequence[str]) -> list[str]:
        """Moves the landmarks to the PostgreSQL servers at some URLs, or back where there are none.

        Returns what could not be tidied up, a line each. Raises `LibraryError`, or `UsageError`
        for a library in SQLite; nothing has changed then.
        """
        return spread.spread(self._database, urls)

    def shares(self) -> list[Share]:
        """What each server has of the landmarks; nothing where the library has all."""
        with self._database.connect() as connection:
            return shares.shares(connection) if shares.is_spread(connection) else []

    def verify(
        self, *, repair: bool = False, on_progress: OnVerified = lambda _: None
    ) -> VerifyReport:
        """Whether everything in the library is as it was written, and fits together.

        repair: make anew what is derived: landmarks, tombstones, the vector index
        """
        from fingerprinter.library.similarity import vector_index
        from fingerprinter.library.verification import Verifier

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
        on_progress: OnMoved = lambda _: None,
    ) -> int:
        """Writes tracks, default all, with all that is known of them into one file; how many.

        A file of this kind that is there is replaced at the end.
        Raises `UnknownTrackError`, and `UsageError` where the file cannot be written.
        """
        from fingerprinter.library.transfer import export_tracks

        with self._database.connect() as connection:
            chosen = [resolve(connection, ref).id for ref in refs] or None
            return export_tracks(connection, Path(path), chosen, on_progress)

    def import_from(
        self,
        path: str | os.PathLike[str],
        *,
        moved: Sequence[tuple[str, str]] = (),
        on_progress: OnMoved = lambda _: None,
    ) -> ImportReport:
        """Takes in what `export_to` wrote; what is there already is recognised by its content.

        moved: (old, new) beginnings of the paths of files
        Raises `UsageError` for what is no such file, `VersionError` for one of another version
        or other parameters, `CorruptionError` where it is damaged as a whole.
        """
        from fingerprinter.library.transfer import import_tracks

        report = import_tracks(self._database, Path(path), moved, on_progress)
        with self._database.connect() as connection:
            self._params = _params_of(connection, None)
        return report

    # --- what is asked of it

    def identify(
        self,
        source: AudioSource,
        *,
        min_confidence: float = MIN_CONFIDENCE,
        every: bool = False,
    ) -> list[Match]:
        """The recording heard in a clip, or none; see `listen` for its length too."""
        return self.listen(source, min_confidence=min_confidence, every=every).matches

    def listen(
        self,
        source: AudioSource,
        *,
        min_confidence: float = MIN_CONFIDENCE,
        every: bool = False,
    ) -> Answer:
        """Length and matches of a clip: the best match, or every recording in it.

        source: a path, encoded bytes, a binary file, or ``(samples, sr)``
        Raises `AudioError` where it cannot be read.
        """
        with open_audio(source, self._params.sr) as audio, self._database.connect() as connection:
            blocks = audio.blocks()
            stretches = peak_stretches(blocks, self._params, DEFAULT_QUERY.narrower)
            heard = self._heard(connection, stretches, min_confidence, every)
            known = tracks.get_many(connection, {each.found.track_id for each in heard})
            duration_s = _length(audio, blocks)
        matches = [
            self._match(known[each.found.track_id], each, duration_s)
            for each in heard
            if each.found.track_id in known
        ]
        return Answer(duration_s, matches, audio.problem)

    def _heard(
        self, connection: Connection, stretches: Iterator[Stretch], at_least: float, every: bool
    ) -> list[Heard]:
        """What is heard in a clip while it comes in, in its order."""
        from fingerprinter.library.track_list import hear_all

        index = self._posting_index(connection)

        def identify(peaks: Peaks) -> Sequence[Found]:
            # a new one each time: it keeps the peaks of every track that it looked at
            identifier = Identifier(connection, index, self._params, DEFAULT_QUERY)
            with searching():
                return identifier.identify(peaks, at_least, every=False)

        def stored(track_id: int) -> Peaks:
            return stored_peaks(track_id, constellations.get(connection, track_id) or b"")

        if not every:
            first = hear_first(identify, stretches, self._params, DEFAULT_QUERY)
            return [first] if first else []
        found = hear_all(identify, stored, stretches, self._params, DEFAULT_QUERY)
        return sorted(found, key=lambda each: each.start)

    def explain(
        self,
        source: AudioSource | Track,
        start_s: float | None = None,
        end_s: float | None = None,
        *,
        match: bool = True,
        min_confidence: float = MIN_CONFIDENCE,
    ) -> Explanation:
        """A part of a clip, and why it is recognised, for `fingerprinter.plotting.draw`.

        source: as for `identify`, but no stream: it is read twice; or a track, whose file is read
        start_s, end_s: the part, at most 120 s; default 30 s, the first or those that match
        match: search the library for it
        Raises `AudioError` where it cannot be read, `UsageError` for what is no part.
        """
        from fingerprinter.library.explanation import explain_alone, explain_match

        if not match:
            return explain_alone(source, start_s, end_s, self._params)
        identify = partial(self.identify, min_confidence=min_confidence)
        return explain_match(source, start_s, end_s, self._params, identify, self._stored_peaks)

    def _stored_peaks(self, track: Track) -> Peaks:
        with self._database.connect() as connection:
            return stored_peaks(track.id, constellations.get(connection, track.id) or b"")

    def duplicates(
        self,
        *,
        min_confidence: float = MIN_DUPLICATE_CONFIDENCE,
        on_progress: OnSearched = lambda _: None,
    ) -> DuplicateReport:
        """The recordings that several tracks hold, and the tracks that are part of another.

        Nothing is deleted. A track whose peaks are damaged is named and left out.
        Raises `CorruptionError` where the landmarks are damaged.
        """
        from fingerprinter.library.duplicates import DuplicateSearch

        with self._database.connect() as connection:
            index = self._posting_index(connection)
            search = DuplicateSearch(connection, index, self._params, min_confidence)
            return search.run(on_progress)

    def _posting_index(self, connection: Connection) -> PostingIndex:
        """The landmarks as this snapshot has them; read again only after a change or a merge."""
        state = settings.revision(connection), postings.newest_segment(connection)
        if self._postings is None or self._postings[0] != state:
            self._postings = (state, PostingIndex(connection, self._params))
        return self._postings[1]

    def _match(self, track: Track, heard: Heard, duration_s: float) -> Match:
        found, course, hop_s = heard.found, heard.course, self._params.hop_s
        offset_s = course.offset * hop_s
        last_frame_s = heard.end * hop_s + self._params.n_fft / self._params.sr - hop_s
        ends_s = (track.duration_s - offset_s) / course.tempo
        return Match(
            track=track,
            score=round(found.score, 2),
            confidence=found.confidence,
            offset_s=offset_s,
            clip_start_s=max(0.0, heard.start * hop_s, -offset_s / course.tempo),
            clip_end_s=min(duration_s, last_frame_s, ends_s),
            tempo=course.tempo,
            pitch=course.pitch,
        )

    def similar(
        self,
        asked: Asked | Sequence[Asked],
        n: int = 10,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        only: TrackFilter = EVERYTHING,
        per_artist: int | None = None,
        copies: bool = False,
        why: bool = False,
    ) -> list[Neighbour]:
        """The nearest recordings by content, most similar first.

        asked: a track, its id or path, any other audio; or several of these
        start_s, end_s: the part of each that is meant; default the whole
        only: which tracks may be answers; per_artist: of one artist at most
        copies: list every track that holds a recording; else one, which names the others
        why: say in what they are alike
        Raises `UnknownTrackError`, `AudioError`, `UsageError` for no part, or `ModelError`
        where there are no embeddings.
        """
        from fingerprinter.library.listing import Wish
        from fingerprinter.library.neighbours import NeighbourSearch
        from fingerprinter.library.queries import Part, Questioner, listed
        from fingerprinter.library.similarity import vector_index

        wish = Wish(n, only, per_artist, copies, why)
        part = Part.checked(start_s, end_s)
        with self._database.connect() as connection:
            questions = Questioner(connection, self._model).questions(listed(asked), part)
            index = vector_index(connection, self._config.cache, self._model.digest)
            if not len(index):
                raise ModelError(
                    f"{self._database.address}: no track has an embedding;"
                    " run `fingerprinter index` without --no-embeddings"
                )
            search = NeighbourSearch(connection, index, self._model, self._params)
            return search.run(questions, wish)

    def recommend(
        self, likes: Sequence[TrackRef], dislikes: Sequence[TrackRef] = (), n: int = 10
    ) -> list[Neighbour]:
        """The tracks that suit a taste best, without those that it is known by.

        Raises `UnknownTrackError`, `UsageError` where nothing is liked, `ModelError` without
        embeddings.
        """
        from fingerprinter.library.copies import Copies
        from fingerprinter.library.recommendation import recommend_by_likes
        from fingerprinter.library.similarity import sound_space

        with self._database.connect() as connection:
            liked, disliked = (
                [resolve(connection, ref) for ref in refs] for refs in (likes, dislikes)
            )
            space = sound_space(connection, self._config.cache, self._model.digest)
            copies = Copies(connection, self._params)
            return recommend_by_likes(connection, space, liked, disliked, copies, n)

    def recommend_from(
        self, plays: str | os.PathLike[str], user: str | None = None, n: int = 10
    ) -> Recommendations:
        """The tracks that a listener has not played yet and would like.

        plays: a listening history, as `read_history` takes it; user: whose, where it has several
        Raises `UsageError` where it cannot be read or has nothing of the library.
        """
        from fingerprinter.library.copies import Copies
        from fingerprinter.library.listening import listener, read_history
        from fingerprinter.library.recommendation import recommend_by_history
        from fingerprinter.library.similarity import sound_space

        history = read_history(Path(plays))
        with self._database.connect() as connection:
            space = sound_space(connection, self._config.cache, self._model.digest)
            who = listener(history, user)
            copies = Copies(connection, self._params)
            return recommend_by_history(connection, space, history, who, copies, n)

    def path(
        self, start: TrackRef, end: TrackRef, n: int = 10, *, per_artist: bool = False
    ) -> list[Neighbour]:
        """A playlist from one track to another by small steps, both ends included.

        Each comes with its likeness to the one before, the first with 1.
        n: how many; fewer only where there are not so many
        per_artist: at most one track of an artist
        Raises `UnknownTrackError`, `UsageError` for no two ends, `ModelError` without embeddings.
        """
        from fingerprinter.library.paths import path_between
        from fingerprinter.library.similarity import sound_space

        with self._database.connect() as connection:
            ends = resolve(connection, start), resolve(connection, end)
            space = sound_space(connection, self._config.cache, self._model.digest)
            return path_between(connection, space, *ends, n, per_artist=per_artist)

    def search(self, words: str, n: int = 10) -> SearchAnswer:
        """The tracks that are called, or sound, as some words say, best first.

        words: as `Vocabulary.parse` takes them; ``no metal``, ``-metal``: without it
        How they sound is said by the text-audio model, where one is set, else by tags.
        Raises `UsageError` where there is no word, `ModelError`.
        """
        with self._database.connect() as connection:
            return self._word_search(connection).ask(words, n)

    def _word_search(self, connection: Connection) -> WordSearch:
        """Names and tags as this snapshot has them; read again only after a change."""
        from fingerprinter.library.search import NameIndex, WordSearch

        state = settings.revision(connection)
        if self._words is None or self._words[0] != state:
            names = NameIndex(tracks.iterate(connection))
            self._words = (state, WordSearch(names, self._ear(connection, names)))
        return self._words[1]

    def _ear(self, connection: Connection, names: NameIndex) -> Ear:
        """How words are heard; raises `ModelError` where the text-audio model has heard nothing."""
        from fingerprinter.library.search import TagEar, TextEar

        tags, model = self._model.tags, self._text_model
        if model is None:
            return TagEar(vectors.tag_matrix(connection, self._model.digest), tags)
        heard = vectors.vector_matrix(connection, model.digest)
        if not len(heard):
            raise ModelError(
                f"{model.folder}: this text-audio model has heard no track;"
                " run `fingerprinter index` with it on the music"
            )
        return TextEar(model, heard, tags, names)

    def clusters(self, count: int | None = None) -> list[Cluster]:
        """Groups of tracks that sound alike, named by their tags, the largest first.

        count: how many; None: as many as fit best
        Raises `UsageError` for more than there are tracks, `ModelError` without embeddings.
        """
        from fingerprinter.library.clusters import group
        from fingerprinter.library.similarity import sound_space

        with self._database.connect() as connection:
            space = sound_space(connection, self._config.cache, self._model.digest)
            return list(group(connection, space, self._model.tags, count).clusters)

    def map(self, count: int | None = None) -> SoundMap:
        """Every track on a plane, near to what it sounds like; count: as for `clusters`."""
        from fingerprinter.library.clusters import group
        from fingerprinter.library.similarity import sound_space
        from fingerprinter.library.sound_map import lay_out

        with self._database.connect() as connection:
            space = sound_space(connection, self._config.cache, self._model.digest)
            return lay_out(space, group(connection, space, self._model.tags, count))

    def analyze(self, ref: TrackRef, *, again: bool = False) -> TrackAnalysis:
        """Tempo, beats, key, sections, loudness and tags of a track, or of any other audio file.

        A track's are kept; again: listen to it all the same
        Raises `UnknownTrackError`, `AudioError`, `ModelError`.
        """
        from fingerprinter.library.analyzing import analyze_file, analyze_track

        try:
            track = self.track(ref)
        except UnknownTrackError:
            if not isinstance(ref, str | os.PathLike) or not Path(ref).is_file():
                raise
            return analyze_file(ref, self._model)
        return analyze_track(self._database, track, self._model, again=again)

    def analyze_all(
        self, *, jobs: int | None = None, on_progress: OnProgress = lambda _: None
    ) -> AnalyzeReport:
        """Analyses every track that has no analysis of this version; Ctrl-C keeps what is done.

        jobs: worker processes, default one for each core
        Raises `UsageError` for less than one job.
        """
        from fingerprinter.library.analyzing import LibraryAnalyzer

        return LibraryAnalyzer(self._database, self._workers(jobs)).run(on_progress)

    def _workers(self, jobs: int | None) -> int:
        if jobs is not None and jobs < 1:
            raise UsageError(f"jobs is {jobs}; it counts worker processes, 1 or more")
        return jobs or self._config.jobs

    def sound_space(self) -> SoundSpace:
        """Every track that has an embedding, as arrays: its place among the others and its tags."""
        from fingerprinter.library.similarity import sound_space

        with self._database.connect() as connection:
            return sound_space(connection, self._config.cache, self._model.digest)


def _length(audio: AudioReader, blocks: Iterator[Mono]) -> float:
    """Seconds of a clip; where not all of it was needed, as its container promises."""
    if next(blocks, None) is not None and audio.duration_s is not None:
        return audio.duration_s
    deque(blocks, maxlen=0)
    return audio.decoded_s


def _params_of(connection: Connection, profile: str | None) -> LandmarkParams:
    """What a library was filled under, or is to be; raises `VersionError` and `UsageError`."""
    stored = settings.get(connection, settings.PARAMS_ID)
    filled = {params.id: name for name, params in PROFILES.items()}.get(stored or "")
    if profile and filled and profile != filled:
        raise UsageError(
            f"the library has the profile {filled}; index into a new one (--db) for {profile}"
        )
    params = PROFILES[filled or profile or "default"]
    settings.require(connection, settings.PARAMS_ID, params.id)
    return params
