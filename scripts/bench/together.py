"""Two indexers and four readers at work on one library, for some minutes; is any answer wrong?

    python scripts/bench/together.py [--minutes 3] [--database sqlite] [--out RESULTS.json]

The indexers add the same folder of small pieces of music again and again and remove some of them
in between, each whatever the other does, in batches and segments so small that they are merged
all the time. The readers ask clips: of pieces that are there all along and have to be named, of
those that come and go and have to be named or not at all, and of strangers; now and then they
verify the library as they see it. At the end the folder is added once more, and the library has
to be the same as one that a single indexer made. Ends with status 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from trial import DATABASES, Shelf, clip, held, make_small, open_shelf, piece, write_pieces

from fingerprinter.errors import UnknownTrackError
from fingerprinter.library import Library, open_library
from fingerprinter.store.index.postings import newest_segment

INDEXERS, READERS = 2, 4
STAYING, COMING, STRANGE = range(8), range(8, 20), range(90, 94)
# How often a reader asks for each kind, in twenty questions, before it verifies.
QUESTIONS = {"staying": 13, "coming": 6, "strange": 1}
PIECES = {"staying": STAYING, "coming": COMING, "strange": STRANGE}
NEAR_S = 0.1


@dataclass
class Done:
    """What a process did, and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    answer_s: list[float] = field(default_factory=list)  # for pieces that stay
    wrong: list[str] = field(default_factory=list)


def index(url: str, music: Path, until: float, seed: int) -> Done:
    """Adds the pieces that come and go, and removes about half of them, in turn."""
    make_small()
    done, rng = Done(), np.random.default_rng(seed)
    with open_library(url) as library:
        while time.monotonic() < until:
            report = library.index([music / "coming"], jobs=1, embeddings=False)
            done.counts += Counter(runs=1, indexed=report.indexed)
            met = [p for p in report.problems if "removed meanwhile" in p.message]
            done.counts["removed while they were read"] += len(met)
            done.wrong += [p.message for p in report.problems if p not in met]
            for seed_ in rng.permutation(COMING)[: len(COMING) // 2]:
                done.counts += _removed(library, piece(music / "coming", int(seed_)))
    return done


def _removed(library: Library, path: Path) -> Counter[str]:
    try:
        library.remove([path])
    except UnknownTrackError:
        return Counter({"gone already": 1})
    return Counter(removed=1)


def read(url: str, truth: dict[int, str], until: float, seed: int) -> Done:
    """Asks, and verifies once all kinds were asked, over a library that is opened anew then."""
    make_small()
    done, rng = Done(), np.random.default_rng(seed)
    kinds = [kind for kind, often in QUESTIONS.items() for _ in range(often)]
    while time.monotonic() < until:
        with open_library(url, create=False, read_only=True) as library:
            for kind in rng.permutation(kinds):
                if time.monotonic() < until:
                    _ask(library, str(kind), int(rng.choice(PIECES[kind])), truth, done)
            findings = library.verify().findings
            done.wrong += [f"verify: {finding}" for finding in findings]
            done.counts["verified"] += 1
    return done


def _ask(library: Library, kind: str, seed: int, truth: dict[int, str], done: Done) -> None:
    started = time.perf_counter()
    matches = library.identify(clip(seed, start_s=2.0))
    if kind == "staying":
        done.answer_s.append(time.perf_counter() - started)
    done.counts[kind] += 1
    named = [match.track.content_id for match in matches]
    may = {"staying": [[truth.get(seed)]], "coming": [[truth.get(seed)], []], "strange": [[]]}
    if named not in may[kind]:
        done.wrong.append(f"piece {seed}, {kind}: named {named}")
    elif matches and abs(matches[0].offset_s - 2.0) > NEAR_S:
        done.wrong.append(f"piece {seed}: at {matches[0].offset_s} s instead of 2")


def prepare(shelf: Shelf, music: Path) -> dict[int, str]:
    """The music, a library of what stays and one of all; the content of each piece."""
    for kind in ("staying", "coming"):
        write_pieces(music / kind, PIECES[kind])
    for name, folders in (("trial", ["staying"]), ("alone", ["staying", "coming"])):
        shelf.clear(name)
        with open_library(shelf.url(name)) as library:
            library.index([music / folder for folder in folders], jobs=1, embeddings=False)
            found = list(library.tracks())
    return {int(Path(track.path or "").stem): track.content_id for track in found}


def run(database: str, minutes: float, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["FINGERPRINTER_CACHE"] = str(Path(place, "cache"))
        music = Path(place, "music")
        with open_shelf(database, Path(place)) as shelf:
            truth = prepare(shelf, music)
            url, until = shelf.url("trial"), time.monotonic() + 60 * minutes
            fork = multiprocessing.get_context("fork")
            with ProcessPoolExecutor(INDEXERS + READERS, mp_context=fork) as pool:
                started: list[tuple[Callable[..., Done], Sequence[Any]]] = [
                    *((index, (url, music, until, seed + n)) for n in range(INDEXERS)),
                    *((read, (url, truth, until, seed + 10 + n)) for n in range(READERS)),
                ]
                waiting = [pool.submit(work, *arguments) for work, arguments in started]
                done = [each.result() for each in waiting]
            wrong = [line for each in done for line in each.wrong] + _in_the_end(shelf, music)
            return _report(database, minutes, seed, done, wrong, _segments(url))


def _in_the_end(shelf: Shelf, music: Path) -> list[str]:
    """What is other than in the library that one indexer made alone."""
    with open_library(shelf.url("trial")) as library, open_library(shelf.url("alone")) as alone:
        library.index([music / "coming"], jobs=1, embeddings=False)
        found, expected = held(library), held(alone)
        wrong = [f"in the end: {finding}" for finding in library.verify().findings]
    same = {
        "tracks": found.tracks == expected.tracks,
        "landmarks": found.landmarks == expected.landmarks == found.derived,
    }
    return wrong + [f"in the end: other {what}" for what, is_so in same.items() if not is_so]


def _segments(url: str) -> int:
    with open_library(url) as library, library._database.connect() as connection:
        return newest_segment(connection)


def _report(
    database: str, minutes: float, seed: int, done: Sequence[Done], wrong: list[str], segments: int
) -> dict[str, Any]:
    counts = sum((each.counts for each in done), Counter[str]())
    times = np.concatenate([each.answer_s for each in done])
    return {
        "database": database,
        "minutes": minutes,
        "seed": seed,
        "counts": dict(counts),
        "segments_written": segments,
        "answer_s": {"p50": float(np.median(times)), "p95": float(np.percentile(times, 95))},
        "wrong": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3, help="on each database")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="the results, as JSON")
    given = parser.parse_args()
    reports = [run(each, given.minutes, given.seed) for each in given.database or DATABASES]
    for report in reports:
        print(json.dumps(report))
    if given.out:
        given.out.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(report["wrong"] for report in reports))


if __name__ == "__main__":
    main()
