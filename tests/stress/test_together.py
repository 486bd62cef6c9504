"""Two writers and four readers work on one library at the same time; no answer may be wrong.

The writers add the same folder of small pieces of music again and again and remove some of them
in between. Batches and segments are so small that they are merged all the time. The readers
identify clips: of pieces that stay and must be named, of pieces that come and go and must be named
or not at all, and of unknown music. Now and then they verify the library as they see it. At the end
the folder is added once more, and the library must equal one that a single writer made.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workload import Libraries, clip, make_small, piece_path, take_inventory, write_pieces

from fingerprinter.errors import UnknownTrackError
from fingerprinter.library import open_library

pytestmark = pytest.mark.stress

WRITERS, READERS = 2, 4
RUN_S = float(os.environ.get("FINGERPRINTER_STRESS_S", "60"))  # on each database
PIECES = {"staying": range(8), "coming": range(8, 20), "unknown": range(90, 94)}
# How often a reader asks for each kind, in twenty clips, before it verifies.
CLIPS = {"staying": 13, "coming": 6, "unknown": 1}
OFFSET_TOLERANCE_S = 0.1


@dataclass
class Log:
    """What a process did, and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def write(url: str, music: Path, until: float, seed: int) -> Log:
    """Adds the pieces that come and go, and removes about half of them, in turn."""
    make_small()
    log, rng = Log(), np.random.default_rng(seed)
    coming = PIECES["coming"]
    with open_library(url) as library:
        while time.monotonic() < until:
            report = library.index([music / "coming"], jobs=1, embeddings=False)
            log.counts += Counter(runs=1, indexed=report.indexed)
            # The other writer may remove a piece while this one reads it: that is no fault.
            log.wrong += [
                p.message for p in report.problems if "removed meanwhile" not in p.message
            ]
            for number in rng.permutation(coming)[: len(coming) // 2]:
                try:
                    library.remove([piece_path(music / "coming", int(number))])
                except UnknownTrackError:
                    log.counts["already removed"] += 1
    return log


def read(url: str, content_ids: dict[int, str], until: float, seed: int) -> Log:
    """Identifies twenty clips and verifies the library, then opens it again and repeats."""
    make_small()
    log, rng = Log(), np.random.default_rng(seed)
    kinds = [kind for kind, count in CLIPS.items() for _ in range(count)]
    while time.monotonic() < until:
        with open_library(url, create=False, read_only=True) as library:
            for kind in map(str, rng.permutation(kinds)):
                number = int(rng.choice(PIECES[kind]))
                matches = library.identify(clip(number, start_s=2.0))
                named = [match.track.content_id for match in matches]
                right = [content_ids.get(number)]
                allowed = {"staying": [right], "coming": [right, []], "unknown": [[]]}
                log.counts[kind] += 1
                if named not in allowed[kind]:
                    log.wrong.append(f"piece {number}, {kind}: named {named}")
                elif matches and abs(matches[0].offset_s - 2.0) > OFFSET_TOLERANCE_S:
                    log.wrong.append(f"piece {number}: at {matches[0].offset_s} s instead of 2")
            log.wrong += [f"verify: {finding}" for finding in library.verify().findings]
            log.counts["verified"] += 1
    return log


def prepare(libraries: Libraries, music: Path) -> dict[int, str]:
    """Makes the music, a library of what stays and one of everything; the pieces' content ids."""
    for kind in ("staying", "coming"):
        write_pieces(music / kind, PIECES[kind])
    for name, folders in (("together", ["staying"]), ("alone", ["staying", "coming"])):
        libraries.clear(name)
        with open_library(libraries.url(name)) as library:
            library.index([music / folder for folder in folders], jobs=1, embeddings=False)
            found = list(library.tracks())
    return {int(Path(track.path or "").stem): track.content_id for track in found}


def test_writers_and_readers_at_the_same_time(
    libraries: Libraries, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
    music = folder / type(libraries).__name__
    content_ids = prepare(libraries, music)
    url, until = libraries.url("together"), time.monotonic() + RUN_S
    work: list[tuple[Callable[..., Log], Sequence[Any]]] = [
        *((write, (url, music, until, 1 + n)) for n in range(WRITERS)),
        *((read, (url, content_ids, until, 11 + n)) for n in range(READERS)),
    ]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(work), mp_context=fork) as pool:
        waiting = [pool.submit(function, *arguments) for function, arguments in work]
        logs = [each.result() for each in waiting]
    assert [line for log in logs for line in log.wrong] == []
    counts = sum((log.counts for log in logs), Counter[str]())
    assert counts["runs"] >= WRITERS and counts["verified"] >= READERS

    with open_library(url) as library, open_library(libraries.url("alone")) as alone:
        library.index([music / "coming"], jobs=1, embeddings=False)
        found, expected = take_inventory(library), take_inventory(alone)
        assert list(library.verify().findings) == []
    assert found.tracks == expected.tracks
    assert found.landmarks == expected.landmarks == found.derived
