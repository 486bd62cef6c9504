"""A library as its users see it: what the command line, Python and HTTP call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.config import Settings
from fingerprinter.errors import ModelError, UnknownTrackError
from fingerprinter.library.base.defaults import MIN_CONFIDENCE, MIN_DUPLICATE_CONFIDENCE
from fingerprinter.library.base.refs import TrackRef, resolve_track
from fingerprinter.library.base.stored_peaks import load_peaks
from fingerprinter.library.collection import Collection
from fingerprinter.library.identify.recognizer import Recognition, Recognizer
from fingerprinter.library.identify.sketch_index import SketchIndex
from fingerprinter.library.similar.filters import NO_FILTER, TrackFilter
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.tables import library_metadata
from fingerprinter.types import DuplicateReport, Match, Neighbour, Peaks, Track

if TYPE_CHECKING:
    from fingerprinter.library.discover.clusters import Cluster
    from fingerprinter.library.discover.recommend import Recommendations
    from fingerprinter.library.discover.sound_map import SoundMap
    from fingerprinter.library.discover.text_search import TextSearch, TextSearchResult
    from fingerprinter.library.duplicates.search import OnSearchProgress
    from fingerprinter.library.identify.explanation import Explanation
    from fingerprinter.library.music.stored_analyses import TrackAnalysis
    from fingerprinter.library.similar.queries import QuerySource
    from fingerprinter.library.similar.vectors import LibraryVectors


class Library(Collection):
    """A music collection that can be searched. A context manager, made by `open_library`."""

    def __init__(self, database: Database, config: Settings, profile: str | None = None) -> None:
        super().__init__(database, config, profile)
        self._postings: tuple[tuple[int, int], PostingIndex] | None = None
        self._sketches: tuple[int, SketchIndex] | None = None
        self._words: tuple[int, TextSearch] | None = None

    def identify(
        self,
        source: AudioSource,
        *,
        min_confidence: float = MIN_CONFIDENCE,
        all_matches: bool = False,
    ) -> list[Match]:
        """The recording heard in a clip, or none; see `recognize` for its length too."""
        answer = self.recognize(source, min_confidence=min_confidence, all_matches=all_matches)
        return answer.matches

    def recognize(
        self,
        source: AudioSource,
        *,
        min_confidence: float = MIN_CONFIDENCE,
        all_matches: bool = False,
    ) -> Recognition:
        """Length and matches of a clip: the best match, or every recording in it.

        source: a path, encoded bytes, a binary file, or ``(samples, sr)``
        Raises `AudioError` where it cannot be read.
        """
        with open_audio(source, self._params.sr) as audio, self._database.connect() as connection:
            listener = Recognizer(
                connection,
                self._posting_index(connection),
                self._params,
                partial(self._known_sketches, connection),
            )
            return listener.answer(audio, min_confidence, every=all_matches)

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
        from fingerprinter.library.identify.explanation import explain_alone, explain_match

        if not match:
            return explain_alone(source, start_s, end_s, self._params)
        identify = partial(self.identify, min_confidence=min_confidence)
        return explain_match(source, start_s, end_s, self._params, identify, self._stored_peaks)

    def _stored_peaks(self, track: Track) -> Peaks:
        with self._database.connect() as connection:
            return load_peaks(connection, track.id)

    def duplicates(
        self,
        *,
        min_confidence: float = MIN_DUPLICATE_CONFIDENCE,
        on_progress: OnSearchProgress = lambda _: None,
    ) -> DuplicateReport:
        """The recordings that several tracks hold, and the tracks that are part of another.

        Nothing is deleted. A track whose peaks are damaged is named and left out.
        Raises `CorruptionError` where the landmarks are damaged.
        """
        from fingerprinter.library.duplicates.search import DuplicateSearch

        with self._database.connect() as connection:
            index = self._posting_index(connection)
            search = DuplicateSearch(connection, index, self._params, min_confidence)
            return search.run(on_progress)

    def _posting_index(self, connection: Connection) -> PostingIndex:
        """The landmarks as this snapshot has them; read again only after a change or a merge."""
        state = library_metadata.revision(connection), postings.newest_segment(connection)
        if self._postings is None or self._postings[0] != state:
            self._postings = (state, PostingIndex(connection, self._params))
        return self._postings[1]

    def _known_sketches(self, connection: Connection) -> SketchIndex:
        """The sketches as this snapshot has them; read again only after a change."""
        state = library_metadata.revision(connection)
        if self._sketches is None or self._sketches[0] != state:
            self._sketches = (state, SketchIndex.read(connection, self._params.sketch_words))
        return self._sketches[1]

    def similar(
        self,
        asked: QuerySource | Sequence[QuerySource],
        n: int = 10,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        only: TrackFilter = NO_FILTER,
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
        from fingerprinter.library.similar.queries import Part, QueryBuilder, as_list
        from fingerprinter.library.similar.result_list import ListOptions
        from fingerprinter.library.similar.search import NeighbourSearch
        from fingerprinter.library.similar.vectors import vector_index

        wish = ListOptions(n, only, per_artist, copies, why)
        part = Part.checked(start_s, end_s)
        with self._database.connect() as connection:
            questions = QueryBuilder(connection, self._model).questions(as_list(asked), part)
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
        from fingerprinter.library.discover.recommend import recommend_by_likes
        from fingerprinter.library.duplicates.same_recording import CopyDetector

        with self._database.connect() as connection:
            liked, disliked = (
                [resolve_track(connection, ref) for ref in refs] for refs in (likes, dislikes)
            )
            space = self._space(connection)
            copies = CopyDetector(connection, self._params)
            return recommend_by_likes(connection, space, liked, disliked, copies, n)

    def recommend_from(
        self, plays: str | os.PathLike[str], user: str | None = None, n: int = 10
    ) -> Recommendations:
        """The tracks that a listener has not played yet and would like.

        plays: a listening history, as `read_history` takes it; user: whose, where it has several
        Raises `UsageError` where it cannot be read or has nothing of the library.
        """
        from fingerprinter.library.discover.play_history import read_history, select_user
        from fingerprinter.library.discover.recommend import recommend_by_history
        from fingerprinter.library.duplicates.same_recording import CopyDetector

        history = read_history(Path(plays))
        with self._database.connect() as connection:
            space = self._space(connection)
            who = select_user(history, user)
            copies = CopyDetector(connection, self._params)
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
        from fingerprinter.library.discover.playlist import path_between

        with self._database.connect() as connection:
            ends = resolve_track(connection, start), resolve_track(connection, end)
            space = self._space(connection)
            return path_between(connection, space, *ends, n, per_artist=per_artist)

    def search(self, words: str, n: int = 10) -> TextSearchResult:
        """The tracks that are called, or sound, as some words say, best first.

        words: as `Vocabulary.parse` takes them; ``no metal``, ``-metal``: without it
        How they sound is said by the text-audio model, where one is set, else by tags.
        Raises `UsageError` where there is no word, `ModelError`.
        """
        with self._database.connect() as connection:
            return self._word_search(connection).ask(words, n)

    def _word_search(self, connection: Connection) -> TextSearch:
        """Names and tags as this snapshot has them; read again only after a change."""
        from fingerprinter.library.discover.text_search import build_text_search

        revision = library_metadata.revision(connection)
        if self._words is None or self._words[0] != revision:
            self._words = revision, build_text_search(connection, self._model, self._text_model)
        return self._words[1]

    def clusters(self, count: int | None = None) -> list[Cluster]:
        """Groups of tracks that sound alike, named by their tags, the largest first.

        count: how many; None: as many as fit best
        Raises `UsageError` for more than there are tracks, `ModelError` without embeddings.
        """
        from fingerprinter.library.discover.clusters import group_tracks

        with self._database.connect() as connection:
            space = self._space(connection)
            return list(group_tracks(connection, space, self._model.tags, count).clusters)

    def map(self, count: int | None = None) -> SoundMap:
        """Every track on a plane, near to what it sounds like; count: as for `clusters`."""
        from fingerprinter.library.discover.clusters import group_tracks
        from fingerprinter.library.discover.sound_map import compute_map

        with self._database.connect() as connection:
            space = self._space(connection)
            return compute_map(space, group_tracks(connection, space, self._model.tags, count))

    def analyze(self, ref: TrackRef, *, again: bool = False) -> TrackAnalysis:
        """Tempo, beats, key, sections, loudness and tags of a track, or of any other audio file.

        A track's are kept; again: listen to it all the same
        Raises `UnknownTrackError`, `AudioError`, `ModelError`.
        """
        from fingerprinter.library.music.stored_analyses import analyze_file, analyze_track

        try:
            track = self.track(ref)
        except UnknownTrackError:
            if not isinstance(ref, str | os.PathLike) or not Path(ref).is_file():
                raise
            return analyze_file(ref, self._model)
        return analyze_track(self._database, track, self._model, again=again)

    def library_vectors(self) -> LibraryVectors:
        """Every track that has an embedding, as arrays: its place among the others and its tags."""
        with self._database.connect() as connection:
            return self._space(connection)

    def _space(self, connection: Connection) -> LibraryVectors:
        from fingerprinter.library.similar.vectors import library_vectors

        return library_vectors(connection, self._config.cache, self._model.digest)
