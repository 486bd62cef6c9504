"""What a library holds, and what that takes on the disk."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprinter.core.fingerprint.params import PROFILES, LandmarkParams
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import sizes
from fingerprinter.store.tables import constellations, library_metadata, sketches, tracks, vectors


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
    """What a library takes on the disk, see `fingerprinter.store.maintain.sizes.Size`."""

    disk_bytes: int
    free_bytes: int | None
    parts: dict[str, PartSize] | None


def stats(database: Database, params: LandmarkParams) -> LibraryStats:
    """Counts and sizes."""
    with database.connect() as connection:
        counts = tracks.counts(connection)
        landmarks = postings.stats(connection)
        peak_bytes = constellations.size(connection)
        embeddings, embedding_bytes = vectors.size(connection)
        hours = counts.audio_s / 3600
        stored = landmarks.bytes + peak_bytes + sketches.size(connection)
        return LibraryStats(
            address=str(database.address),
            schema=database.schema_version() or "",
            params_id=library_metadata.get(connection, library_metadata.PARAMS_ID),
            profile=next(name for name, each in PROFILES.items() if each == params),
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


def disk_use(database: Database) -> DiskUse:
    """What it takes on the disk, by part; reads all pages of an SQLite file."""
    with database.connect() as connection:
        hours = tracks.counts(connection).audio_s / 3600
        found = sizes.size(connection)
    parts = {
        name: PartSize(size, size / 1e6 / hours if hours else None)
        for name, size in (found.parts or {}).items()
    }
    return DiskUse(found.total, found.free, parts or None)
