"""Analyses asked of a library: kept ones where there are, made and kept where there are none."""

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
    """A word that listeners would use, and how probably."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class TrackAnalysis:
    """All that `analyze` says of a recording.

    track: None for a file that is none; name: the file, as it was called
    problem: what of it could not be decoded; None when it is whole
    heard: the curves behind it where it was listened to just now
    """

    name: str
    track: Track | None
    duration_s: float
    music: MusicAnalysis
    tags: tuple[Tag, ...]
    problem: str | None = None
    heard: MusicFeatures | None = None


@dataclass(frozen=True, slots=True)
class AnalyzeReport:
    """What one run over a library did, in tracks and seconds."""

    analyzed: int
    skipped: int
    failed: int
    audio_s: float
    elapsed_s: float
    problems: tuple[Problem, ...]


def analyze_file(source: AudioSource, model: EmbeddingModel) -> TrackAnalysis:
    """Listens to a recording of no library; raises `AudioError` and `ModelError`."""
    heard = analyze_music(source)
    tags = named_tags(_tag_logits(source, model), model.tags)
    return TrackAnalysis(
        source_name(source), None, heard.duration_s, heard.analysis, tags, heard.problem, heard
    )


def _tag_logits(source: AudioSource, model: EmbeddingModel) -> Logits:
    sampler = model.sampler()
    with open_audio(source, model.sr) as audio:
        for block in audio.blocks():
            sampler.push(block)
    return model.embed(sampler.windows()).tags


def named_tags(logits: Logits, names: tuple[str, ...]) -> tuple[Tag, ...]:
    """The most probable tags, most probable first; none for a track without any."""
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    best = np.argsort(-probabilities, kind="stable")[:_TAGS]
    return tuple(Tag(names[number], round(float(probabilities[number]), 3)) for number in best)


def analyze_track(
    database: Database, track: Track, model: EmbeddingModel, *, again: bool
) -> TrackAnalysis:
    """What is kept of a track, or is heard now and kept; raises `AudioError` and `ModelError`.

    again: listen to it whatever is kept
    """
    with database.connect() as connection:
        kept = None if again else analyses.get(connection, track.id, analysis_id())
        stored = vectors.get(connection, track.id, model.digest)
    heard = None if kept else _heard_now(database, track)
    music = kept or (heard and heard.analysis)
    assert music
    logits = stored.tags if stored else _tag_logits(_file_of(track), model)
    tags = named_tags(logits, model.tags)
    name = track.path or f"track {track.id}"
    return TrackAnalysis(name, track, track.duration_s, music, tags, track.problem, heard)


def _heard_now(database: Database, track: Track) -> MusicFeatures:
    """Listens to a track, and keeps the analysis where the library may be written to."""
    heard = analyze_music(_file_of(track))
    if not database.read_only:
        with database.begin() as connection:
            analyses.put(connection, track.id, analysis_id(), heard.analysis)
    return heard


def _file_of(track: Track) -> str:
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
