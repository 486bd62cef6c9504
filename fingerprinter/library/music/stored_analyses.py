"""Music analyses of a library: read from the database, or computed and stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.source import source_name
from fingerprinter.embedding import EmbeddingModel
from fingerprinter.errors import AudioError
from fingerprinter.library.indexing.indexer import OnProgress, Progress
from fingerprinter.library.indexing.workers import run_in_order
from fingerprinter.library.music.analyze import (
    AnalyzeJob,
    MusicFeatures,
    analysis_id,
    analyze_music,
)
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses, tracks, vectors
from fingerprinter.types import MusicAnalysis, Problem, Track

_TAGS = 10  # the most probable ones are told
_COMMIT_EVERY_S = 20.0  # seconds of work that a kill may cost, about

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and the probability that it applies."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class TrackAnalysis:
    """The music analysis and the tags of a recording.

    Attributes
    ----------
    name
        The file, as the caller named it.
    track
        The track of the library; None for other files.
    duration_s
        Duration in seconds.
    music
        Tempo, beats, key, sections and loudness.
    tags
        The most probable tags, most probable first.
    problem
        What could not be decoded; None if the recording is intact.
    features
        The curves behind the analysis; None if it was read from the database.
    """

    name: str
    track: Track | None
    duration_s: float
    music: MusicAnalysis
    tags: tuple[Tag, ...]
    problem: str | None = None
    features: MusicFeatures | None = None


@dataclass(frozen=True, slots=True)
class AnalyzeReport:
    """Counts of one run over a library.

    Attributes
    ----------
    analyzed, skipped, failed
        Numbers of tracks.
    audio_s, elapsed_s
        Duration of the analyzed audio and of the run in seconds.
    problems
        Files that could not be decoded, or only in part.
    """

    analyzed: int
    skipped: int
    failed: int
    audio_s: float
    elapsed_s: float
    problems: tuple[Problem, ...]


def analyze_file(source: AudioSource, model: EmbeddingModel) -> TrackAnalysis:
    """Analyze audio that is not in a library.

    Parameters
    ----------
    source
        Any audio.
    model
        Embedding model, which computes the tags.

    Raises
    ------
    AudioError
        If the audio cannot be decoded.
    ModelError
        If the weights of a model are damaged.
    """
    features = analyze_music(source)
    return TrackAnalysis(
        name=source_name(source),
        track=None,
        duration_s=features.duration_s,
        music=features.analysis,
        tags=named_tags(_tag_logits(source, model), model.tags),
        problem=features.problem,
        features=features,
    )


def _tag_logits(source: AudioSource, model: EmbeddingModel) -> Logits:
    """Decode audio and return its tag logits."""
    sampler = model.sampler()
    with open_audio(source, model.sr) as audio:
        for block in audio.blocks():
            sampler.push(block)
    return model.embed(sampler.windows()).tags


def named_tags(logits: Logits, names: tuple[str, ...]) -> tuple[Tag, ...]:
    """Return the most probable tags, most probable first.

    Parameters
    ----------
    logits
        (t,) float32, tag logits; empty for a model without tags.
    names
        Names of the tags.

    Examples
    --------
    >>> [tag.name for tag in named_tags(np.array([0.0, 2.0], np.float32), ("rock", "jazz"))]
    ['jazz', 'rock']
    """
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    best = np.argsort(-probabilities, kind="stable")[:_TAGS]
    return tuple(Tag(names[number], round(float(probabilities[number]), 3)) for number in best)


def analyze_track(
    database: Database, track: Track, model: EmbeddingModel, *, again: bool
) -> TrackAnalysis:
    """Return the stored analysis of a track, or analyze it and store the result.

    Parameters
    ----------
    database
        The library. Nothing is stored if it is read-only.
    track
        A track of it.
    model
        Embedding model, which computes the tags.
    again
        Analyze the track even if an analysis is stored.

    Raises
    ------
    AudioError
        If the file is missing or cannot be decoded.
    ModelError
        If the weights of a model are damaged.
    """
    with database.connect() as connection:
        music = None if again else analyses.get(connection, track.id, analysis_id())
        embedding = vectors.get(connection, track.id, model.digest)
    features = None
    if music is None:
        features = analyze_music(_file_of(track))
        music = features.analysis
        if not database.read_only:
            with database.begin() as connection:
                analyses.put(connection, track.id, analysis_id(), music)
    logits = embedding.tags if embedding else _tag_logits(_file_of(track), model)
    return TrackAnalysis(
        name=track.path or f"track {track.id}",
        track=track,
        duration_s=track.duration_s,
        music=music,
        tags=named_tags(logits, model.tags),
        problem=track.problem,
        features=features,
    )


def _file_of(track: Track) -> str:
    """Return the path of a track; raises `AudioError` if the file is missing."""
    if track.path is None or not Path(track.path).is_file():
        raise AudioError(
            f"track {track.id}: its file is gone; run `fingerprinter index` on its folder"
        )
    return track.path


@dataclass(frozen=True, slots=True)
class _Item:
    """A track whose file is to be listened to."""

    track_id: int
    path: Path


@dataclass(slots=True)
class _Batch:
    """What waits to be committed together."""

    rows: list[tuple[int, MusicAnalysis]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)


class LibraryAnalyzer:
    """One run over all tracks that have no analysis of this version."""

    def __init__(self, database: Database, jobs: int) -> None:
        self._database, self._jobs, self._version = database, jobs, analysis_id()
        self._problems: list[Problem] = []
        self._analyzed = self._failed = 0
        self._audio_s = 0.0

    def run(self, on_progress: OnProgress) -> AnalyzeReport:
        """Analyses and commits, batch by batch; what is done is kept on Ctrl-C."""
        started = time.monotonic()
        todo, skipped = self._todo()
        for done in self._work(todo):
            elapsed_s = time.monotonic() - started
            on_progress(Progress(done, len(todo), self._audio_s, elapsed_s))
        elapsed_s = time.monotonic() - started
        problems = tuple(self._problems)
        return AnalyzeReport(
            self._analyzed, skipped, self._failed, self._audio_s, elapsed_s, problems
        )

    def _todo(self) -> tuple[list[_Item], int]:
        """The tracks to listen to, and how many are done already."""
        with self._database.connect() as connection:
            wanting = analyses.missing(connection, self._version)
            known = tracks.get_many(connection, wanting)
            skipped = tracks.counts(connection).tracks - len(wanting)
        return [item for track in known.values() if (item := self._item(track))], skipped

    def _item(self, track: Track) -> _Item | None:
        if track.path is not None:
            return _Item(track.id, Path(track.path))
        self._fail(f"track {track.id}", f"track {track.id}: the library knows no file of it")
        return None

    def _fail(self, name: str, message: str) -> None:
        self._failed += 1
        self._problems.append(Problem(name, message))

    def _work(self, todo: list[_Item]) -> Iterator[int]:
        batch = _Batch()
        try:
            for number, (item, heard) in enumerate(run_in_order(todo, AnalyzeJob(), self._jobs), 1):
                self._take(item, heard, batch)
                if time.monotonic() - batch.started >= _COMMIT_EVERY_S:
                    full, batch = batch, _Batch()
                    self._commit(full)
                yield number
        finally:
            self._commit(batch)

    def _take(self, item: _Item, heard: MusicFeatures | AudioError, batch: _Batch) -> None:
        if isinstance(heard, AudioError):
            self._fail(str(item.path), str(heard))
            return
        self._audio_s += heard.duration_s
        batch.rows.append((item.track_id, heard.analysis))

    def _commit(self, batch: _Batch) -> None:
        if not batch.rows:
            return
        with self._database.begin() as connection:
            here = tracks.get_many(connection, [track_id for track_id, _ in batch.rows])
            for track_id, music in batch.rows:
                if track_id in here:  # else it was removed meanwhile
                    analyses.put(connection, track_id, self._version, music)
        self._analyzed += len(batch.rows)
