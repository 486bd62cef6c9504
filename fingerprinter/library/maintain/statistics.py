"""Counts and sizes of what a library holds."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprinter.core.fingerprint.params import PROFILES, LandmarkParams
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import sizes
from fingerprinter.store.tables import feature_rows, library_metadata, schema, tracks, vectors


@dataclass(frozen=True, slots=True)
class LibraryStats:
    """Counts of a library, and packed sizes of its parts.

    Attributes
    ----------
    address : str
        Where the library is, without a password.
    schema : str
        Revision of the database schema.
    params_id : str or None
        Digest of the fingerprint parameters; None if nothing was indexed yet.
    profile : str
        Name of the fingerprint parameters.
    tracks, files : int
        Number of tracks, and of files that hold them.
    audio_s : float
        Seconds of audio in all tracks.
    tracks_in_part : int
        Number of tracks of which a part could not be decoded.
    landmarks, segments : int
        Number of landmarks, and of the segments that store them.
    removed_tracks : int
        Number of removed tracks whose landmarks are still stored.
    landmark_bytes, constellation_bytes : int
        Packed size of the landmarks, and of the peaks.
    embeddings, embedding_bytes : int
        Number and size of the embeddings of all models.
    analyzed : int
        Number of tracks with a music analysis of this version.
    mb_per_hour : float or None
        Megabytes (10**6 bytes) of landmarks, peaks and sketches per hour of audio.
    dead_share : float
        Share of the landmarks that belong to removed tracks. The next merge drops them.
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
    analyzed: int
    mb_per_hour: float | None
    dead_share: float


@dataclass(frozen=True, slots=True)
class PartSize:
    """Size of one part of a library on disk; a megabyte has 10**6 bytes."""

    bytes: int
    mb_per_hour: float | None


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Size of a library on disk, see `fingerprinter.store.maintain.sizes.Size`.

    Attributes
    ----------
    disk_bytes : int
        The total.
    free_bytes : int or None
        Free pages in it; None if the database does not report it.
    parts : dict of str to PartSize, or None
        The size of each part; None if the database does not report it.
    """

    disk_bytes: int
    free_bytes: int | None
    parts: dict[str, PartSize] | None


def stats(database: Database, params: LandmarkParams, analysis_id: str) -> LibraryStats:
    """Count what a library holds.

    Parameters
    ----------
    database : Database
        The library.
    params : LandmarkParams
        Its parameters.
    analysis_id : str
        The version of the analyses that are counted.

    Returns
    -------
    LibraryStats
    """
    with database.connect() as connection:
        counts = tracks.counts(connection)
        landmarks = postings.stats(connection)
        peak_bytes = feature_rows.size(connection, schema.constellation.c.data)
        embeddings, embedding_bytes = vectors.size(connection)
        hours = counts.audio_s / 3600
        stored = landmarks.bytes + peak_bytes + feature_rows.size(connection, schema.sketch.c.data)
        return LibraryStats(
            address=str(database.address),
            schema=schema.SCHEMA_HEAD,
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
            analyzed=feature_rows.count(connection, schema.analysis, analysis_id),
            mb_per_hour=stored / 1e6 / hours if hours else None,
            dead_share=landmarks.dead_share,
        )


def disk_use(database: Database) -> DiskUse:
    """Measure the size of a library on disk. This reads all pages of an SQLite file.

    Parameters
    ----------
    database : Database
        The library.

    Returns
    -------
    DiskUse
    """
    with database.connect() as connection:
        hours = tracks.counts(connection).audio_s / 3600
        measured = sizes.size(connection)
    parts = {
        name: PartSize(size, size / 1e6 / hours if hours else None)
        for name, size in (measured.parts or {}).items()
    }
    return DiskUse(measured.total, measured.free, parts or None)
