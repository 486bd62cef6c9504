"""Kills the work on a library at random moments, and sees what is left.

    python scripts/bench/kills.py [--kills 200] [--database sqlite] [--out RESULTS.json]

Each round copies a library of small pieces of music, begins one kind of work on it in a process
of its own, and ends that process by SIGKILL at a moment that is drawn: half of them anywhere
within the time that the work takes, half a moment after a statement out of all that it gives the
database, so that what is written fast is hit as often. Then the library has to open, `verify` has
to find nothing, and once the same work was begun again and let finish, the library has to hold
the same tracks, rows and landmarks as an undisturbed one, and to answer the same. Batches and
segments are small in those processes, so that all kinds of moments lie in a second or two.
Ends with status 1 where anything was wrong; prints a table, and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest import mock

import numpy as np
from sqlalchemy import Connection, Engine, event, select, update
from trial import (
    DATABASES,
    Held,
    Shelf,
    clip,
    held,
    make_small,
    open_shelf,
    piece,
    write_pieces,
)

from fingerprinter.errors import FingerprinterError, LibraryError, UnknownTrackError
from fingerprinter.library import Library, open_library
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.store.tables import schema

KNOWN, NEW, MOVED = range(12), range(12, 14), range(8, 20)  # pieces: there, added, imported
REMOVED = range(2, 7)
CLIPS = (0, 4, 13)  # of pieces that stay, are removed, are added by some of the work
AFTER_S = 0.02  # a kill comes at most so long after its statement
STALLED_S = 120.0

Work = Callable[[Library, Path], None]


# --- the work, in a process of its own ------------------------------------------------


def index(library: Library, music: Path) -> None:
    library.index([music / "known"], jobs=1, embeddings=False)


def merge(library: Library, music: Path) -> None:
    """Twelve segments, some of their tracks removed, wait to be merged with the next."""
    library.index([music / "new"], jobs=1, embeddings=False)


def remove(library: Library, music: Path) -> None:
    for seed in REMOVED:
        with suppress(UnknownTrackError):  # as a second run finds it
            library.remove([piece(music / "known", seed)])


def prune(library: Library, music: Path) -> None:
    library.index([music / "pruned"], jobs=1, embeddings=False, prune=True)


def import_(library: Library, music: Path) -> None:
    library.import_from(music / "moved.fpx")


def repair(library: Library, _: Path) -> None:
    library.verify(repair=True)


def reindex(library: Library, _: Path) -> None:
    library.reindex()


def embed(library: Library, music: Path) -> None:
    """Embeddings of tracks that have none, then the index of vectors."""
    library.index([music / "new"], jobs=1)
    library.similar(next(library.tracks()))


KINDS: dict[str, Work] = {
    "index": index,
    "merge": merge,
    "remove": remove,
    "prune": prune,
    "import": import_,
    "reindex": reindex,
    "repair": repair,
    "embed": embed,
}
# How often each comes in thirteen rounds.
TURN = ("index", "merge", "import", "remove", "prune") * 2 + ("reindex", "repair", "embed")


def work(kind: str, url: str, music: Path, heard: int) -> None:
    """Does the work; writes a byte for every statement before it is executed.

    heard: descriptor of a pipe
    """
    make_small()

    def tell(*_: object) -> None:
        os.write(heard, b".")

    event.listen(Engine, "before_cursor_execute", tell)
    with open_library(url, create=kind == "index") as library:
        KINDS[kind](library, music)


# --- libraries to begin with ----------------------------------------------------------


def prepare(shelf: Shelf, music: Path) -> None:
    """The music, and for each kind the library that its work begins with."""
    write_pieces(music / "known", KNOWN)
    write_pieces(music / "new", NEW)
    write_pieces(music / "moved", MOVED)
    shutil.copytree(music / "known", music / "pruned")
    for name, folder in (("known", "known"), ("prune", "pruned"), ("moved", "moved")):
        _fill(shelf, name, music / folder)
    with open_library(shelf.url("moved")) as library:
        library.export_to(music / "moved.fpx")
    for seed in REMOVED:
        piece(music / "pruned", seed).unlink()
    _fill(shelf, "embed", music / "new")
    for name in ("merge", "remove", "import", "reindex", "repair"):
        shelf.copy("known", name)
    with open_library(shelf.url("merge")) as library:
        library.remove([piece(music / "known", seed) for seed in REMOVED])
    with open_library(shelf.url("repair")) as library, library._database.begin() as connection:
        _damage(connection)


def _fill(shelf: Shelf, name: str, folder: Path) -> None:
    """A library with a segment for each piece: nothing is merged."""
    shelf.clear(name)
    with (
        mock.patch.object(indexer, "merge_segments"),
        open_library(shelf.url(name)) as library,
    ):
        library.batch_limits = BatchLimits(audio_s=0.0)
        library.index([folder], jobs=1, embeddings=False)


def _damage(connection: Connection) -> None:
    """Flips a bit in one block of every second segment."""
    block = schema.posting_block
    rows = connection.execute(select(block).order_by(block.c.id)).all()
    for id_, data in {row.id >> 24: row for row in rows if row.id >> 24 & 1}.values():
        bad = bytes([*data[:-1], data[-1] ^ 1])
        connection.execute(update(block).where(block.c.id == id_).values(data=bad))


def begin(shelf: Shelf, kind: str, cache: Path) -> None:
    """Puts the library to work on in its place."""
    shutil.rmtree(cache, ignore_errors=True)
    if kind == "index":
        shelf.clear("trial")
    else:
        shelf.copy(kind, "trial")


class Worker:
    """A process of its own that does some work; a fork, since it has everything loaded then."""

    def __init__(self, kind: str, url: str, music: Path) -> None:
        self._heard, writing = os.pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=work, args=(kind, url, music, writing))
        self._process.start()
        os.close(writing)

    def wait_for(self, statements: int) -> int:
        """Waits until so many more have begun, or the work has ended; how many have."""
        begun = 0
        while begun < statements and (some := os.read(self._heard, min(statements - begun, 4096))):
            begun += len(some)
        return begun

    def kill(self) -> bool:
        """Whether it was there to be killed."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode == -signal.SIGKILL

    def ends_with(self) -> int | None:
        """The exit status; None where it does not end."""
        self._process.join(STALLED_S)
        return self._process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._heard)


# --- one kill -------------------------------------------------------------------------


@dataclass(frozen=True)
class Undisturbed:
    """Work that nobody disturbed.

    statements: how many it gave the database; lasted_s: from the first of them to the end
    before: what the library held, None where it was not there or damaged; after, answers: then
    """

    statements: int
    lasted_s: float
    before: Held | None
    after: Held
    answers: list[Any]


@dataclass(frozen=True)
class Moment:
    """So long after the beginning of so many statements."""

    statements: int
    then_s: float


@dataclass
class Round:
    """What became of one kill.

    state: of the library after it: none, before, between, after or damaged, by what it held
    findings: of `verify` then; faults: what was not as it has to be
    """

    kind: str
    by_clock: bool
    moment: Moment
    state: str = "none"
    findings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Trial:
    """Rounds over one database."""

    def __init__(self, shelf: Shelf, folder: Path, seed: int) -> None:
        self._shelf, self._music, self._cache = shelf, folder / "music", folder / "cache"
        self._url = shelf.url("trial")
        self._rng = np.random.default_rng(seed)
        self._known: dict[str, Undisturbed] = {}
        prepare(shelf, self._music)

    def round(self, kind: str, by_clock: bool) -> Round:
        """Kills the work of one kind, in a library of its own, and looks at what is left."""
        known = self._undisturbed(kind)
        killed = False
        while not killed:
            moment = self._moment(known, by_clock)
            begin(self._shelf, kind, self._cache)
            killed = self._kill(kind, moment)
        found = Round(kind, by_clock, moment)
        self._look(found, known)
        self._again(found, known)
        return found

    def _undisturbed(self, kind: str) -> Undisturbed:
        if kind not in self._known:
            begin(self._shelf, kind, self._cache)
            before = None if kind in ("index", "repair") else self._whole()[0]
            with Worker(kind, self._url, self._music) as worker:
                worker.wait_for(1)
                started = time.monotonic()
                statements = 1 + worker.wait_for(sys.maxsize)
                lasted_s = time.monotonic() - started
                if worker.ends_with() != 0:
                    raise SystemExit(f"{kind}: the undisturbed work failed")
            self._known[kind] = Undisturbed(statements, lasted_s, before, *self._whole())
        return self._known[kind]

    def _moment(self, known: Undisturbed, by_clock: bool) -> Moment:
        if by_clock:
            return Moment(1, self._rng.uniform(0, known.lasted_s))
        return Moment(int(self._rng.integers(known.statements)) + 1, self._rng.uniform(0, AFTER_S))

    def _kill(self, kind: str, moment: Moment) -> bool:
        """Whether the work was still under way."""
        with Worker(kind, self._url, self._music) as worker:
            worker.wait_for(moment.statements)
            time.sleep(moment.then_s)
            return worker.kill()

    def _look(self, found: Round, known: Undisturbed) -> None:
        """Opens and verifies what the kill left."""
        try:
            with open_library(self._url, create=False) as library:
                findings = library.verify().findings
                now = None if any(each.damage for each in findings) else held(library)
        except FingerprinterError as error:
            if found.kind != "index" or "no library" not in str(error):
                found.faults.append(f"after the kill: {error}")
            return
        found.findings = [str(each) for each in findings]
        if now is None:
            to_repair = found.kind == "repair"
            found.state = "before" if to_repair else "damaged"
            found.faults += [] if to_repair else [f"after the kill: {found.findings[0]}"]
            return
        states = {"before": known.before, "after": known.after}
        found.state = next((name for name, each in states.items() if each == now), "between")
        if now.landmarks != now.derived:
            found.faults.append("after the kill: landmarks that do not follow from the peaks")

    def _again(self, found: Round, known: Undisturbed) -> None:
        """Lets the same work finish, and compares."""
        try:
            with Worker(found.kind, self._url, self._music) as worker:
                if (status := worker.ends_with()) != 0:
                    raise LibraryError(f"it ended with {status}")
            now, answers = self._whole()
        except FingerprinterError as error:
            found.faults.append(f"the second run: {error}")
            return
        same = {
            "tracks or their rows": now.tracks == known.after.tracks,
            "landmarks": now.landmarks == known.after.landmarks == now.derived,
            "answers": answers == known.answers,
        }
        found.faults += [
            f"{what} other than undisturbed" for what, is_so in same.items() if not is_so
        ]

    def _whole(self) -> tuple[Held, list[Any]]:
        """What a library holds and answers; raises `LibraryError` where something is damaged."""
        with open_library(self._url, create=False) as library:
            damage = [each for each in library.verify().findings if each.damage]
            if damage:
                raise LibraryError(str(damage[0]))
            return held(library), [_answers(library, seed) for seed in CLIPS]


def _answers(library: Library, seed: int) -> list[tuple[str, float]]:
    matches = library.identify(clip(seed))
    return [(match.track.content_id, round(match.offset_s, 2)) for match in matches]


# --- all of them ----------------------------------------------------------------------


def run(database: str, kills: int, minutes: float, seed: int) -> dict[str, Any]:
    """So many rounds, or as many as the time allows."""
    started = time.monotonic()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["FINGERPRINTER_CACHE"] = str(Path(place, "cache"))
        with open_shelf(database, Path(place)) as shelf:
            trial = Trial(shelf, Path(place), seed)
            for number in range(kills):
                if time.monotonic() - started > 60 * minutes:
                    break
                kind = TURN[number % len(TURN)]
                rounds.append(trial.round(kind, by_clock=number // len(TURN) % 2 == 0))
                _tell(number, rounds[-1])
    return {
        "database": database,
        "kills": len(rounds),
        "faults": sum(bool(each.faults) for each in rounds),
        "seed": seed,
        "elapsed_s": round(time.monotonic() - started, 1),
        "rounds": [asdict(each) for each in rounds],
    }


def _tell(number: int, found: Round) -> None:
    faults = "; ".join(found.faults) or "as it has to be"
    at = f"{found.moment.then_s:.3f} s after statement {found.moment.statements}"
    print(f"{number} {found.kind}: {at}: {found.state}: {faults}", file=sys.stderr, flush=True)


def table(report: dict[str, Any]) -> str:
    """By kind: kills, what they left, and how many of them were not as they had to be."""
    states = ("none", "before", "between", "after", "damaged")
    lines = [
        f"{report['database']:10} {'kills':>7}" + "".join(f"{s:>9}" for s in states) + "   faults"
    ]
    for kind in KINDS:
        rounds = [each for each in report["rounds"] if each["kind"] == kind]
        counted = Counter(each["state"] for each in rounds)
        row = [len(rounds), *(counted[state] for state in states)]
        faults = sum(bool(each["faults"]) for each in rounds)
        lines.append(f"{kind:10} {row[0]:7}" + "".join(f"{n:9}" for n in row[1:]) + f"{faults:9}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="on each database")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--minutes", type=float, default=45, help="at most, on each database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="the results, as JSON")
    given = parser.parse_args()
    reports = []
    for database in given.database or DATABASES:
        reports.append(run(database, given.kills, given.minutes, given.seed))
        print(table(reports[-1]), flush=True)
    if given.out:
        given.out.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(report["faults"] or report["kills"] < given.kills for report in reports))


if __name__ == "__main__":
    main()
