"""Music analyses of a library: read from the database, or computed and stored."""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.audio import AudioSource, FilePart, open_audio
from fingerprinter.audio.source import source_name
from fingerprinter.core.mir.versions import chroma_sequence
from fingerprinter.embedding import EmbeddingModel
from fingerprinter.library.base.progress import OnProgress
from fingerprinter.library.base.sources import track_source
from fingerprinter.library.indexing.batches import BatchLimits, BatchRun
from fingerprinter.library.indexing.workers import run_in_order
from fingerprinter.library.music.analyze import (
    AnalyzeJob,
    MusicFeatures,
    analysis_id,
    analyze_music,
)
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses, feature_rows, schema, tracks, vectors
from fingerprinter.types import MusicAnalysis, Problem, Track

_TAGS = 10  # the most probable ones are reported

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
        Duration of the analysed audio and of the run in seconds.
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
    """Analyse audio that is not in a library.

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
    """Return the stored analysis of a track, or analyse it and store the result.

    Parameters
    ----------
    database
        The library. Nothing is stored if it is read-only.
    track
        A track of it.
    model
        Embedding model, which computes the tags.
    again
        Analyse the track even if an analysis is stored.

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
        features = analyze_music(track_source(track))
        music = features.analysis
        if not database.read_only:
            with database.begin() as connection:
                _put(connection, track.id, analysis_id(), features)
    logits = embedding.tags if embedding else _tag_logits(track_source(track), model)
    return TrackAnalysis(
        name=track.path or f"track {track.id}",
        track=track,
        duration_s=track.duration_s,
        music=music,
        tags=named_tags(logits, model.tags),
        problem=track.problem,
        features=features,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """A track to analyse, and its file."""

    track_id: int
    path: Path
    source: os.PathLike[str]


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
        """Analyse and commit in batches. An interrupt (Ctrl-C) keeps what is done."""
        todo, skipped = self._todo()
        replies = run_in_order(todo, AnalyzeJob(), self._jobs)
        self._run.process(replies, len(todo), attrgetter("duration_s"), self._commit, on_progress)
        return AnalyzeReport(
            self._analyzed,
            skipped,
            self._run.failed,
            self._run.audio_s,
            self._run.elapsed_s,
            tuple(self._run.problems),
        )

    def _todo(self) -> tuple[list[_Item], int]:
        """Return the tracks to analyse, and how many have an analysis. Fail those without file."""
        with self._database.connect() as connection:
            missing = feature_rows.missing(connection, schema.analysis, self._version)
            known = tracks.get_many(connection, missing)
            skipped = tracks.counts(connection).tracks - len(missing)
        todo = []
        for track in known.values():
            name = f"track {track.id}"
            if track.path is None:
                self._run.fail(name, f"{name}: the library knows no file of it")
            else:
                path = Path(track.path)
                part = FilePart(track.path, track.start_s, track.end_s)
                todo.append(_Item(track.id, path, part if track.is_part else path))
        return todo, skipped

    def _commit(self, batch: list[tuple[_Item, MusicFeatures]]) -> None:
        with self._database.begin() as connection:
            known = tracks.get_many(connection, [item.track_id for item, _ in batch])
            for item, features in batch:
                if item.track_id in known:  # else it was removed meanwhile
                    _put(connection, item.track_id, self._version, features)
        self._analyzed += len(batch)


def _put(connection: Connection, track_id: int, version: str, features: MusicFeatures) -> None:
    """Store the analysis of a track with its chroma sequence."""
    sequence = chroma_sequence(features.chroma)
    analyses.put(connection, track_id, version, features.analysis, sequence)
