"""Storing extracted files in the database, within the caller's transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from fingerprinter.audio.cue_sheet import CuedFile
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.embedding import FACETS_ID
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing.extract import AudioFeatures, ExtractedFile, ExtractedTrack
from fingerprinter.library.indexing.prune import is_gone
from fingerprinter.store.index import postings
from fingerprinter.store.tables import (
    facets,
    feature_rows,
    files,
    library_metadata,
    names,
    schema,
    sections,
    sketches,
    tracks,
    vectors,
)
from fingerprinter.store.tables.sections import Sections
from fingerprinter.types import Landmarks, Track

_NO_TAGS = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to index, with its size and time of change when it was found.

    Attributes
    ----------
    cued : CuedFile or None
        The file with the cue sheet in its folder, if there is one. Then ``size`` is the sum of
        both, and ``mtime_ns`` the later time, so that a change of either is noticed.
    """

    path: Path
    size: int
    mtime_ns: int
    cued: CuedFile | None = None

    @property
    def source(self) -> os.PathLike[str]:
        """What the workers extract."""
        return self.cued or self.path


class Outcome(Enum):
    """What indexing a file changed in the library."""

    INDEXED = "indexed"  # a new track
    UPDATED = "updated"  # new tags, a new path, or new features
    COPIED = "copied"  # another path: an exact copy of the file of a track
    REPLACED = "replaced"  # other audio at a known path
    SKIPPED = "skipped"  # nothing
    LOST = "lost"  # nothing: its track was removed by somebody else during the run


Item = tuple[FoundFile, ExtractedFile]


def ingest(
    connection: Connection, params: LandmarkParams, model: str | None, items: Sequence[Item]
) -> list[list[Outcome]]:
    """Store extracted files, and one segment with the landmarks of the new tracks.

    Parameters
    ----------
    connection : Connection
        A write transaction.
    params : LandmarkParams
        Parameters of the library.
    model : str, optional
        Digest of the model that computed the embeddings.
    items : sequence of (FoundFile, ExtractedFile)
        The files.

    Returns
    -------
    list of list of Outcome
        The outcomes of each file, one for each of its tracks.
    """
    batch = _Ingest(connection, params, model)
    outcomes = [batch.add(file, extracted) for file, extracted in items]
    batch.remove_replaced_tracks()
    names.refresh(connection, batch.renamed)
    postings.add_segment(connection, params, batch.new_landmarks)
    if any(outcome is not Outcome.SKIPPED for each in outcomes for outcome in each):
        library_metadata.bump_revision(connection)
    return outcomes


class _Ingest:
    """One transaction; ``new_landmarks`` has (track id, frames, landmarks) of each new track."""

    def __init__(self, connection: Connection, params: LandmarkParams, model: str | None) -> None:
        self._connection, self._params, self._model = connection, params, model
        self.new_landmarks: list[tuple[int, int, Landmarks]] = []
        self.renamed: set[int] = set()  # tracks whose names have to be written
        self._replaced: set[int] = set()  # tracks that lost a file to another track

    def add(self, file: FoundFile, extracted: ExtractedFile) -> list[Outcome]:
        """Store the tracks of one file, and forget its other parts."""
        outcomes = [self._add(file, each) for each in extracted.tracks]
        starts_s = [each.start_s for each in extracted.tracks]
        self._replaced.update(files.forget_other_parts(self._connection, file.path, starts_s))
        return outcomes

    def _add(self, file: FoundFile, extracted: ExtractedTrack) -> Outcome:
        track = tracks.by_content(self._connection, extracted.content_id)
        if track is not None:
            return self._update(file, extracted, track)
        if extracted.features is None:
            return Outcome.LOST
        track_id = self._add_track(extracted, extracted.features)
        replaced = self._set_file(file, track_id, extracted)
        return Outcome.REPLACED if replaced else Outcome.INDEXED

    def _update(self, file: FoundFile, extracted: ExtractedTrack, track: Track) -> Outcome:
        """Store what is new about a track that the library has."""
        retagged = any(getattr(track, key) != tag for key, tag in asdict(extracted.tags).items())
        if retagged:
            tracks.update_tags(self._connection, track.id, extracted.tags)
        changed = extracted.features is not None and self._put_features(
            track.id, extracted.features
        )
        moved = not files.holds(self._connection, file.path, track.id)
        copied = False
        if moved:
            for path in files.paths_of(self._connection, track.id):
                if not is_gone(path):
                    copied = True
                else:
                    lost = files.forget_file(self._connection, path)
                    self._replaced.update(lost)  # other tracks of its cue sheet
        replaced = self._set_file(file, track.id, extracted)
        if retagged or moved:
            self.renamed.add(track.id)
        if replaced:
            return Outcome.REPLACED
        if copied:
            return Outcome.COPIED
        return Outcome.UPDATED if retagged or changed or moved else Outcome.SKIPPED

    def _add_track(self, extracted: ExtractedTrack, features: AudioFeatures) -> int:
        track_id = tracks.add_track(
            self._connection,
            extracted.content_id,
            extracted.tags,
            features.duration_s,
            problem=features.problem,
            added_at=datetime.now(UTC),
        )
        feature_rows.put(
            self._connection, schema.constellation, track_id, data=features.constellation
        )
        self.new_landmarks.append(track_landmarks(track_id, features.constellation, self._params))
        self._put_features(track_id, features)
        self.renamed.add(track_id)
        return track_id

    def _put_features(self, track_id: int, features: AudioFeatures) -> bool:
        """Store sketches and embeddings; return whether any of them is new."""
        version = projections(self._params.sketch_words).digest
        sketched = sketches.put(self._connection, track_id, version, features.sketches)
        if features.waveform is not None:
            points = features.waveform.tobytes()
            feature_rows.put(self._connection, schema.waveform, track_id, points=points)
        embeddings, text = features.embeddings, features.text_embedding
        if embeddings and self._model:
            whole = embeddings.embedding
            vectors.put(self._connection, track_id, self._model, whole.vector, whole.tags)
            parts = Sections(embeddings.section_starts_s, embeddings.section_vectors)
            sections.put(self._connection, track_id, self._model, parts)
            facets.put(self._connection, track_id, FACETS_ID, embeddings.facets.row())
        if text:
            vectors.put(self._connection, track_id, text.model, text.vector, _NO_TAGS)
        return bool(sketched or embeddings or text)

    def _set_file(self, file: FoundFile, track_id: int, extracted: ExtractedTrack) -> bool:
        """Store the path of a track; return whether it was the path of another track."""
        replaced = files.set_file(
            self._connection,
            file.path,
            track_id,
            size=file.size,
            mtime_ns=file.mtime_ns,
            audio=extracted.audio,
            start_s=extracted.start_s,
            end_s=extracted.end_s,
        )
        if replaced is not None:
            self._replaced.add(replaced)
        return replaced is not None

    def remove_replaced_tracks(self) -> None:
        """Remove tracks that no file holds any longer. This is last, since files may swap names."""
        for track_id in self._replaced:
            if not files.paths_of(self._connection, track_id):
                self.new_landmarks = [each for each in self.new_landmarks if each[0] != track_id]
                tracks.remove(self._connection, track_id)
            else:
                self.renamed.add(track_id)
