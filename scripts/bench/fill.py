"""Grows a library to any size: the tracks of a real one first, fillers behind them.

    python scripts/bench/fill.py LIBRARY --from SOURCE.db --tracks 10000 [--seed 7]

LIBRARY is an address as `--db` takes it; SOURCE.db a library of real music, from whose stored
peaks all is made (see `fillers.py`). What is there already is kept: a run that was cut short goes
on where it ended. Tracks take the road of `index` from the workers' results on, in the same
batches, segments and merges, and every command opens what comes of it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fillers import Fillers, Original, read_originals

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.library.indexing.extract import ExtractedTrack
from fingerprinter.library.indexing.ingest import FoundFile, Item, ingest
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import library_metadata, tracks

BATCH_S = 15_000.0  # seconds of audio in a batch, as in `index`


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and of a processor: on a busy machine the clock says little."""

    clock_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch cost, and how much the library held after it."""

    tracks: int
    landmarks: int
    added_landmarks: int
    insert: Spent  # landmarks made of peaks, rows and blocks written, committed
    merge: Spent


class Growth:
    """A library that grows: first the originals, then filler after filler."""

    def __init__(self, database: Database, originals: Sequence[Original], seed: int) -> None:
        self._database, self._originals = database, originals
        self._fillers = Fillers(originals, seed)
        with database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, DEFAULT.id)
        with database.connect() as connection:
            self._known = set(tracks.content_ids(connection))
            self._landmarks = PostingIndex(connection, DEFAULT).landmark_count

    def until(self, count: int) -> Iterator[Batch]:
        """Adds tracks, a batch at a time, until there are ``count``."""
        missing = itertools.islice(self._missing(), max(0, count - len(self._known)))
        for items in _batches(missing):
            yield self._add(items)
        self._database.reclaim()

    def _missing(self) -> Iterator[Item]:
        known = frozenset(self._known)
        for original in self._originals:
            if original.track.content_id not in known:
                yield _item(Path(original.track.path or "/original"), original.analysis)
        for number in itertools.count():
            if self._fillers.content_id(number) not in known:
                yield _item(Path(f"/filler/{number}"), self._fillers.analysis(number))

    def _add(self, items: Sequence[Item]) -> Batch:
        with timed() as insert, self._database.begin() as connection:
            ingest(connection, DEFAULT, None, items)
        with timed() as merge:
            merge_segments(self._database, DEFAULT)
        self._known.update(analysis.content_id for _, analysis in items)
        before, self._landmarks = self._landmarks, self._count_landmarks()
        added = self._landmarks - before
        return Batch(len(self._known), self._landmarks, added, insert[0], merge[0])

    def _count_landmarks(self) -> int:
        with self._database.connect() as connection:
            return PostingIndex(connection, DEFAULT).landmark_count


@contextmanager
def timed() -> Iterator[list[Spent]]:
    """Gives a list that holds, afterwards, what was spent within."""
    spent: list[Spent] = []
    clock, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.append(Spent(time.perf_counter() - clock, time.process_time() - cpu))


def _item(path: Path, analysis: ExtractedTrack) -> Item:
    return FoundFile(path, 0, 0), analysis


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    audio_s = 0.0
    for item in items:
        batch.append(item)
        audio_s += item[1].features.duration_s if item[1].features else 0.0
        if audio_s >= BATCH_S:
            yield batch
            batch, audio_s = [], 0.0
    if batch:
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="address of the library to fill")
    parser.add_argument("--from", dest="source", required=True, help="library of real music")
    parser.add_argument("--tracks", type=int, required=True, help="how many it shall hold")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with Database.open(given.source, read_only=True) as source:
        originals = read_originals(source)
    with Database.open(given.library, create=True) as database:
        for batch in Growth(database, originals, given.seed).until(given.tracks):
            print(f"{batch.tracks} tracks, {batch.landmarks} landmarks", file=sys.stderr)


if __name__ == "__main__":
    main()
