"""What the stress tests share: pieces of music, small batches, databases, and a full inventory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from databases import beside

from fingerprinter.audio import write_wav
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.library import Library
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.library.maintain import transfer
from fingerprinter.store.engine import reclaiming
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain import archive
from fingerprinter.store.tables import constellations, tracks
from tests.synthetic import SR, Floats, play

PIECE_S = 6.0
CLIP_S = 3.0


def make_small() -> None:
    """Makes batches of two or three pieces, and segments so small that they are merged often.

    Called in a worker process only. A few seconds of work then contain every kind of step that a
    large library goes through.
    """
    Library.batch_limits = BatchLimits(audio_s=2.5 * PIECE_S)
    transfer.BATCH_TRACKS = 3
    postings.LEVEL_0_LANDMARKS = 1 << 11
    postings.LANDMARKS_IN_MEMORY = 1 << 10
    reclaiming.MIN_WASTE_BYTES, reclaiming.TRANSACTION_BYTES = 0, 1 << 12


def write_pieces(folder: Path, seeds: Sequence[int]) -> None:
    """Writes pieces of music as files; no two seeds sound alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        write_wav(piece_path(folder, seed), play(seed, PIECE_S), SR)


def piece_path(folder: Path, seed: int) -> Path:
    """The file of a piece."""
    return folder / f"{seed:03}.wav"


def clip(seed: int, start_s: float = 2.0) -> tuple[Floats, int]:
    """A passage of a piece, as `Library.identify` takes it."""
    return play(seed, PIECE_S)[round(start_s * SR) :][: round(CLIP_S * SR)], SR


class Server(Protocol):
    """A PostgreSQL server, as the fixture `postgresql_server` gives it."""

    def url(self, name: str) -> str: ...

    def execute(self, statement: str) -> None: ...


class SqliteLibraries:
    """Libraries by name, as SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        """The address of a library."""
        return str(self._folder / f"{name}.db")

    def clear(self, name: str) -> None:
        """Makes room for a new library."""
        for end in ("", "-wal", "-shm"):
            Path(self.url(name) + end).unlink(missing_ok=True)

    def copy(self, source: str, name: str) -> None:
        """Replaces a library by a copy of another one that nobody has open."""
        self.clear(name)
        shutil.copyfile(self.url(source), self.url(name))


class PostgresLibraries:
    """Libraries by name, as databases of a private server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def url(self, name: str) -> str:
        """The address of a library."""
        return self._server.url(f"stress_{name}")

    def clear(self, name: str) -> None:
        """Makes room for a new library."""
        self._create(name, "template0")

    def copy(self, source: str, name: str) -> None:
        """Replaces a library by a copy of another one that nobody has open."""
        self._create(name, f"stress_{source}")

    def _create(self, name: str, template: str) -> None:
        self._server.execute(f"DROP DATABASE IF EXISTS stress_{name} WITH (FORCE)")
        self._server.execute(f"CREATE DATABASE stress_{name} ENCODING 'UTF8' TEMPLATE {template}")


Libraries = SqliteLibraries | PostgresLibraries


@dataclass(frozen=True)
class Inventory:
    """What a library holds, whatever ids its tracks have and however its segments are cut.

    tracks: content id -> digest of all rows
    landmarks: (content id, hash, frame) of each, sorted, as `PostingIndex` finds them
    derived: the same, computed from the stored peaks
    """

    tracks: dict[str, str]
    landmarks: list[tuple[str, int, int]]
    derived: list[tuple[str, int, int]]


def take_inventory(library: Library) -> Inventory:
    """Reads everything that a library holds."""
    with beside(library) as connection:
        content = {id_: content for content, id_ in tracks.content_ids(connection).items()}
        rows = {r.track["content_id"]: _digest(r) for r in archive.records(connection, None)}
        derived = [
            (content[track_id], hash_, frame)
            for track_id, data in constellations.iterate(connection)
            for hash_, frame in _pairs(track_landmarks(track_id, data, DEFAULT)[2])
        ]
        hashes = np.unique(np.array([hash_ for _, hash_, _ in derived], np.uint32))
        index = PostingIndex(connection, DEFAULT)
        found = index.lookup(connection, hashes, limit=1 << 40)
        ids, frames = index.locate(found.position)
    places = zip(ids.tolist(), hashes[found.query].tolist(), frames.tolist(), strict=True)
    landmarks = [(content[id_], hash_, frame) for id_, hash_, frame in places if id_ in content]
    return Inventory(rows, sorted(landmarks), sorted(derived))


def _digest(record: archive.Record) -> str:
    """Of all that a record says, without what differs between two equal libraries."""
    track = {name: value for name, value in record.track.items() if name not in ("id", "added_at")}
    return replace(record, track=track).digest


def _pairs(landmarks: Any) -> Iterator[tuple[int, int]]:
    return zip(landmarks.hashes.tolist(), landmarks.frames.tolist(), strict=True)
