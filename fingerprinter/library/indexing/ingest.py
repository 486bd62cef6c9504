"""Analysed files into the database, within the caller's transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import FACETS_ID
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing.extract import (
    AudioFeatures,
    ExtractedTrack,
    TextEmbedding,
    TrackEmbeddings,
)
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
from fingerprinter.types import Landmarks, Track

_NO_TAGS = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to look at, as it was when it was found."""

    path: Path
    size: int
    mtime_ns: int


class Outcome(Enum):
    """What became of a file."""

    INDEXED = "indexed"  # its sound is new here
    UPDATED = "updated"  # new tags, a new place, a new embedding, or new sound in an old place
    SKIPPED = "skipped"  # nothing that matters had changed
    LOST = "lost"  # its track was removed by somebody else while it was being recognised


Item = tuple[FoundFile, ExtractedTrack]


def ingest(
    connection: Connection, params: LandmarkParams, model: str | None, items: Sequence[Item]
) -> list[Outcome]:
    """Stores analysed files and one segment with the landmarks of the new ones.

    model: digest of the model of the embeddings
    """
    intake = _Ingest(connection, params, model)
    outcomes = [intake.file(file, analysis) for file, analysis in items]
    intake.forget_replaced()
    postings.add_segment(connection, params, intake.new)
    if any(outcome is not Outcome.SKIPPED for outcome in outcomes):
        library_metadata.bump_revision(connection)
    return outcomes


class _Ingest:
    """One transaction's worth of files; ``new`` are the tracks whose landmarks it adds."""

    def __init__(self, connection: Connection, params: LandmarkParams, model: str | None) -> None:
        self._connection, self._params, self._model = connection, params, model
        self.new: list[tuple[int, int, Landmarks]] = []
        self._replaced: set[int] = set()  # tracks that lost a file to another

    def file(self, file: FoundFile, analysis: ExtractedTrack) -> Outcome:
        track = tracks.by_content(self._connection, analysis.content_id)
        if track is not None:
            return self._known(file, analysis, track)
        if analysis.sound is None:
            return Outcome.LOST
        track_id = self._add(analysis, analysis.sound)
        self._hearing(track_id, analysis.sound)
        replaced = self._place(file, track_id)
        return Outcome.UPDATED if replaced else Outcome.INDEXED

    def _known(self, file: FoundFile, analysis: ExtractedTrack, track: Track) -> Outcome:
        retagged = any(getattr(track, key) != tag for key, tag in asdict(analysis.tags).items())
        if retagged:
            tracks.update_tags(self._connection, track.id, analysis.tags)
        heard = analysis.sound is not None and self._hearing(track.id, analysis.sound)
        moved = not files.holds(self._connection, file.path, track.id)
        if moved:
            self._forget_vanished(track.id)
        self._place(file, track.id)
        return Outcome.UPDATED if retagged or heard or moved else Outcome.SKIPPED

    def _add(self, analysis: ExtractedTrack, sound: AudioFeatures) -> int:
        track_id = tracks.add_track(
            self._connection,
            analysis.content_id,
            analysis.tags,
            sound.duration_s,
            problem=sound.problem,
            added_at=datetime.now(UTC),
        )
        constellations.put(self._connection, track_id, sound.constellation)
        self.new.append(track_landmarks(track_id, sound.constellation, self._params))
        return track_id

    def _hearing(self, track_id: int, sound: AudioFeatures) -> bool:
        """Stores sketches and what models heard; says whether any of it is new."""
        version = projections(self._params.sketch_words).digest
        sketched = sketches.put(self._connection, track_id, version, sound.sketches)
        if sound.embeddings and self._model:
            self._put_hearing(track_id, self._model, sound.embeddings)
        if sound.text_embedding:
            self._put_described(track_id, sound.text_embedding)
        return bool(sketched or sound.embeddings or sound.text_embedding)

    def _put_hearing(self, track_id: int, model: str, heard: TrackEmbeddings) -> None:
        whole = heard.embedding
        vectors.put(self._connection, track_id, model, whole.vector, whole.tags)
        sections.put(self._connection, track_id, model, heard.sections)
        facets.put(self._connection, track_id, FACETS_ID, heard.facets.row())

    def _put_described(self, track_id: int, heard: TextEmbedding) -> None:
        vectors.put(self._connection, track_id, heard.model, heard.vector, _NO_TAGS)

    def _forget_vanished(self, track_id: int) -> None:
        """A file that turns up elsewhere has moved if it is gone from where it was."""
        for path in files.paths_of(self._connection, track_id):
            if not os.path.lexists(path):
                files.forget_file(self._connection, path)

    def _place(self, file: FoundFile, track_id: int) -> bool:
        """Notes where the track lies; says whether another track's file was replaced."""
        lost = files.set_file(
            self._connection, file.path, track_id, size=file.size, mtime_ns=file.mtime_ns
        )
        if lost is not None:
            self._replaced.add(lost)
        return lost is not None

    def forget_replaced(self) -> None:
        """Forgets tracks that no file holds any more; last of all, since files may swap names."""
        for track_id in self._replaced:
            if not files.paths_of(self._connection, track_id):
                self.new = [entry for entry in self.new if entry[0] != track_id]
                tracks.remove(self._connection, track_id)
