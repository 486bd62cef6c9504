"""What questions to a library cost: time, postings, memory. Prints one JSON object.

    python scripts/bench/ask.py LIBRARY --outside FOLDER... [--clips 24] [--seed 3]

The clips are ten seconds of the library's own files and of music outside it, without noise.
Three kinds of question: *quick* is what most clips need; *full* asks for every recording in the
clip, with all landmarks; *unknown* is music that the library does not hold, which goes through
all tempos and pitches. Decoding and the search for peaks are not counted. The inner loops run as
machine code, as in every process that searches long.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.peaks import find_peaks
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.core.numeric import compiled
from fingerprinter.evaluation import Sounds, select
from fingerprinter.evaluation.clips import Recording, draw_clip
from fingerprinter.evaluation.music import inside_music, outside_music
from fingerprinter.library import MIN_CONFIDENCE
from fingerprinter.library.identify.identifier import Identifier
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index.lookup import MAX_POSTINGS, PostingIndex, Postings
from fingerprinter.store.tables import tracks
from fingerprinter.types import Peaks

COLD = 6  # questions to a database that is in no cache


class CountingIndex(PostingIndex):
    """Notes what looking up costs."""

    hashes = postings = 0
    lookup_s = 0.0

    def lookup(
        self, connection: Connection, hashes: npt.NDArray[np.uint32], most: int = MAX_POSTINGS
    ) -> Postings:
        started = time.process_time()
        found = super().lookup(connection, hashes, most)
        self.lookup_s += time.process_time() - started
        self.hashes += len(hashes)
        self.postings += len(found)
        return found


@dataclass(frozen=True, slots=True)
class Question:
    """The peaks of a clip, and the track that it is of; None of music outside."""

    peaks: Peaks
    track_id: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one question took: seconds by the clock and, of these, of the processor."""

    clock_s: float
    cpu_s: float
    lookup_s: float  # of the processor
    hashes: int
    postings: int
    named: int | None  # the track that was named first


def draw(recordings: Sequence[Recording], name: str, clips: int, seed: int) -> list[Question]:
    """Clips of one condition of the evaluation."""
    (condition,) = (each for each in select([name]) if each.name == name)
    drawn = (draw_clip(condition, n, recordings, Sounds(), seed) for n in range(clips))
    return [
        Question(
            find_peaks([clip.samples], DEFAULT, DEFAULT_QUERY.narrower),
            clip.passages[0].recording.track_id,
        )
        for clip in drawn
        if clip
    ]


def search_policy(every: bool) -> SearchPolicy:
    """The default policy; for the full look-up without the quick one."""
    if not every:
        return DEFAULT_POLICY
    return replace(DEFAULT_POLICY, query=replace(DEFAULT_QUERY, quick_proposals=0))


def ask(index: CountingIndex, identifier: Identifier, peaks: Peaks) -> Cost:
    """Asks one question, by an identifier that asks the index through the connection."""
    before = index.lookup_s, index.hashes, index.postings
    clock, cpu = time.perf_counter(), time.process_time()
    found = identifier.identify(peaks, MIN_CONFIDENCE)
    clock_s, cpu_s = time.perf_counter() - clock, time.process_time() - cpu
    lookup_s, hashes, postings = np.subtract(
        (index.lookup_s, index.hashes, index.postings), before
    ).tolist()
    named = found[0].track_id if found else None
    return Cost(clock_s, cpu_s, lookup_s, int(hashes), int(postings), named)


def warm(database: Database, questions: Sequence[Question], every: bool) -> dict[str, float]:
    """Each question is asked twice, and the second time counts."""
    with database.connect() as connection:
        index = CountingIndex(connection, DEFAULT)
        costs = []
        for question in questions:
            for _ in range(2):  # a new identifier has no peaks of tracks in memory
                identifier = Identifier(connection, index, DEFAULT, search_policy(every))
                cost = ask(index, identifier, question.peaks)
            costs.append(cost)
    right = sum(
        cost.named == question.track_id for cost, question in zip(costs, questions, strict=True)
    )
    return {**summary(costs), "right": right}


def cold(address: str, questions: Sequence[Question], every: bool) -> list[float]:
    """Seconds from the opening of the database to the answer, with nothing of it in memory."""
    return [_cold(address, question.peaks, every) for question in questions[:COLD]]


def _cold(address: str, peaks: Peaks, every: bool) -> float:
    evict(Path(address))
    started = time.perf_counter()
    with Database.open(address, read_only=True) as database, database.connect() as connection:
        index = PostingIndex(connection, DEFAULT)
        Identifier(connection, index, DEFAULT, search_policy(every)).identify(peaks, MIN_CONFIDENCE)
        return time.perf_counter() - started


def evict(path: Path) -> None:
    """Drops a file from the system's cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def summary(costs: Sequence[Cost]) -> dict[str, float]:
    return {
        "clips": len(costs),
        "answered": sum(cost.named is not None for cost in costs),
        **{
            f"{name}_{kind}": float(np.percentile([getattr(cost, kind) for cost in costs], percent))
            for kind in ("clock_s", "cpu_s", "lookup_s", "hashes", "postings")
            for name, percent in (("median", 50), ("p95", 95))
        },
    }


def memory_mb() -> dict[str, float]:
    """Peak of the process; and how much of the present one is pages of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb": peak, "mapped_mb": int(status["RssFile"].split()[0]) / 1024}


def measure(address: str, outside: Sequence[Path], clips: int, seed: int) -> dict[str, Any]:
    with Database.open(address, read_only=True) as database:
        with database.connect() as connection:
            inside = inside_music(tracks.iterate(connection), ())
        known = draw(inside, "clean-10s", clips, seed)
        unknown = draw(outside_music(outside), "outside-clean-10s", clips, seed)
        kinds = {"quick": (known, False), "full": (known, True), "unknown": (unknown, False)}
        result: dict[str, Any] = {
            name: {"warm": warm(database, questions, every)}
            for name, (questions, every) in kinds.items()
        }
        result["memory"] = memory_mb()
        in_a_file = database.address.path is not None
    for name, (questions, every) in kinds.items() if in_a_file else ():
        times = cold(address, questions, every)
        result[name]["cold"] = {"median_s": float(np.median(times)), "max_s": max(times)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="path or address of the library")
    parser.add_argument("--outside", nargs="+", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    compiled.load()
    json.dump(measure(given.library, given.outside, given.clips, given.seed), sys.stdout)


if __name__ == "__main__":
    main()
