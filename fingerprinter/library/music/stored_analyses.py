"""Analyses asked of a library: kept ones where there are, made and kept where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.source import source_name
from fingerprinter.embedding import EmbeddingModel
from fingerprinter.errors import AudioError
from fingerprinter.library.base.progress import OnProgress
from fingerprinter.library.indexing.batches import BatchLimits, BatchRun
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
    """A track to analyze, and its file."""

    track_id: int
    path: Path


class LibraryAnalyzer:
    """One run over all tracks that have no analysis of this version.

    Parameters
    ----------
    database : Database
        The library.
    jobs : int
        Number of worker processes.
    limits : BatchLimits
        When a batch is committed.
    """

    def __init__(self, database: Database, jobs: int, limits: BatchLimits | None = None) -> None:
        self._database, self._jobs, self._version = database, jobs, analysis_id()
        self._run = BatchRun(limits or BatchLimits())
        self._analyzed = 0

    def run(self, on_progress: OnProgress) -> AnalyzeReport:
        """Analyze and commit in batches. An interrupt (Ctrl-C) keeps what is done."""
        todo, skipped = self._todo()
        replies = run_in_order(todo, AnalyzeJob(), self._jobs)
        self._run.process(replies, len(todo), _duration_s, self._commit, on_progress)
        return AnalyzeReport(
            self._analyzed,
            skipped,
            self._run.failed,
            self._run.audio_s,
            self._run.elapsed_s,
            tuple(self._run.problems),
        )

    def _todo(self) -> tuple[list[_Item], int]:
        """Return the tracks to analyze, and how many have an analysis. Fail those without file."""
        with self._database.connect() as connection:
            missing = analyses.missing(connection, self._version)
            known = tracks.get_many(connection, missing)
            skipped = tracks.counts(connection).tracks - len(missing)
        todo = []
        for track in known.values():
            name = f"track {track.id}"
            if track.path is None:
                self._run.fail(name, f"{name}: the library knows no file of it")
            else:
                todo.append(_Item(track.id, Path(track.path)))
        return todo, skipped

    def _commit(self, batch: list[tuple[_Item, MusicFeatures]]) -> None:
        with self._database.begin() as connection:
            known = tracks.get_many(connection, [item.track_id for item, _ in batch])
            for item, features in batch:
                if item.track_id in known:  # else it was removed meanwhile
                    analyses.put(connection, item.track_id, self._version, features.analysis)
        self._analyzed += len(batch)


def _duration_s(features: MusicFeatures) -> float:
    return features.duration_s
