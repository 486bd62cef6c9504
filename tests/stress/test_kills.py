"""Kills the work on a library at random moments; the library must stay whole.

Each round copies a library of small pieces of music, begins one kind of work on it in a process
of its own, and ends that process by SIGKILL. Half of the moments are drawn within the time that the
work takes, half follow one of the statements that it sends to the database, so that short writes
are hit as often as long ones. Afterwards the library must open, `verify` must find no damage, and
after the same work was begun again and finished, the library must hold the same tracks, rows and
landmarks as an undisturbed one and give the same answers. Batches and segments are small in those
processes, so that all kinds of moments lie within a second or two.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from databases import beside
from sqlalchemy import Connection, Engine, event, select, update
from workload import (
    Inventory,
    Libraries,
    clip,
    make_small,
    piece_path,
    take_inventory,
    write_pieces,
)

from fingerprinter.errors import FingerprinterError, LibraryError, UnknownTrackError
from fingerprinter.library import Library, open_library
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.store.index import postings
from fingerprinter.store.tables import schema

pytestmark = pytest.mark.stress

KILLS = int(os.environ.get("FINGERPRINTER_KILLS", "6"))  # of each kind of work, on each database
KNOWN, NEW, MOVED = range(12), range(12, 14), range(8, 20)  # pieces: there, added, imported
REMOVED = range(2, 7)
CLIPS = (0, 4, 13)  # of pieces that stay, are removed, are added by some of the work
AFTER_S = 0.02  # a kill comes at most this long after its statement
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
            library.remove([piece_path(music / "known", seed)])


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


def work(kind: str, url: str, music: Path, pipe: int) -> None:
    """Does the work; writes a byte to a pipe before each statement is executed."""
    make_small()

    def signal_statement(*_: object) -> None:
        os.write(pipe, b".")

    event.listen(Engine, "before_cursor_execute", signal_statement)
    with open_library(url, create=kind == "index") as library:
        KINDS[kind](library, music)


# --- libraries to begin with


def prepare(libraries: Libraries, music: Path) -> None:
    """Makes the music and, for each kind of work, the library that it begins with."""
    write_pieces(music / "known", KNOWN)
    write_pieces(music / "new", NEW)
    write_pieces(music / "moved", MOVED)
    shutil.copytree(music / "known", music / "pruned")
    for name, folder in (("known", "known"), ("prune", "pruned"), ("moved", "moved")):
        fill(libraries, name, music / folder)
    with open_library(libraries.url("moved")) as library:
        library.export_to(music / "moved.fpx")
    for seed in REMOVED:
        piece_path(music / "pruned", seed).unlink()
    fill(libraries, "embed", music / "new")
    for name in ("merge", "remove", "import", "reindex", "repair"):
        libraries.copy("known", name)
    with open_library(libraries.url("merge")) as library:
        library.remove([piece_path(music / "known", seed) for seed in REMOVED])
    with open_library(libraries.url("repair")) as library, beside(library) as connection:
        damage(connection)


def fill(libraries: Libraries, name: str, folder: Path) -> None:
    """Makes a library with a segment for each piece: nothing is merged."""
    libraries.clear(name)
    with pytest.MonkeyPatch.context() as patch, open_library(libraries.url(name)) as library:
        patch.setattr(Library, "batch_limits", BatchLimits(audio_s=0.0))
        patch.setattr(postings, "MERGE_FACTOR", 1000)
        library.index([folder], jobs=1, embeddings=False)


def damage(connection: Connection) -> None:
    """Flips a bit in one block of every second segment."""
    block = schema.posting_block
    rows = connection.execute(select(block).order_by(block.c.id)).all()
    for id_, data in {row.id >> 24: row for row in rows if row.id >> 24 & 1}.values():
        bad = bytes([*data[:-1], data[-1] ^ 1])
        connection.execute(update(block).where(block.c.id == id_).values(data=bad))


class Worker:
    """A process that does some work. It is a fork, because a fork has everything loaded."""

    def __init__(self, kind: str, url: str, music: Path) -> None:
        self._pipe, writing = os.pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=work, args=(kind, url, music, writing))
        self._process.start()
        os.close(writing)

    def wait_for(self, statements: int) -> int:
        """Waits until so many more statements have begun, or the work has ended; how many have."""
        begun = 0
        while begun < statements and (some := os.read(self._pipe, min(statements - begun, 4096))):
            begun += len(some)
        return begun

    def kill(self) -> bool:
        """Kills the process; whether it was still running."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode == -signal.SIGKILL

    def exit_status(self) -> int | None:
        """Waits for the end; None where it does not end."""
        self._process.join(STALLED_S)
        return self._process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._pipe)


# --- one kill


@dataclass(frozen=True)
class Undisturbed:
    """Work that was not killed.

    statements: how many it sent to the database
    duration_s: from the first of them to the end
    after, answers: what the library held and answered then
    """

    statements: int
    duration_s: float
    after: Inventory
    answers: list[Any]


@dataclass(frozen=True)
class Moment:
    """A time after the beginning of the n-th statement."""

    statements: int
    delay_s: float


class Trial:
    """Kills work on the libraries of one kind of database."""

    def __init__(self, libraries: Libraries, music: Path) -> None:
        self._libraries, self._music = libraries, music
        self._url = libraries.url("trial")
        prepare(libraries, music)

    def measure(self, kind: str) -> Undisturbed:
        """Lets the work finish once."""
        self._begin(kind)
        with Worker(kind, self._url, self._music) as worker:
            worker.wait_for(1)
            started = time.monotonic()
            statements = 1 + worker.wait_for(sys.maxsize)
            duration_s = time.monotonic() - started
            assert worker.exit_status() == 0
        return Undisturbed(statements, duration_s, *self._read())

    def kill(self, kind: str, moment: Moment) -> bool:
        """Kills the work at a moment; whether it was still under way."""
        self._begin(kind)
        with Worker(kind, self._url, self._music) as worker:
            worker.wait_for(moment.statements)
            time.sleep(moment.delay_s)
            return worker.kill()

    def faults(self, kind: str, undisturbed: Undisturbed) -> list[str]:
        """What is wrong after a kill, and after the same work was done again."""
        faults = []
        try:
            with open_library(self._url, create=False) as library:
                damaged = [str(each) for each in library.verify().findings if each.damage]
                if kind != "repair":  # it begins with a damaged library
                    faults += damaged[:1]
                if not damaged:
                    held = take_inventory(library)
                    if held.landmarks != held.derived:
                        faults.append("after the kill: landmarks do not follow from the peaks")
        except FingerprinterError as error:
            if kind != "index" or "no library" not in str(error):
                faults.append(f"after the kill: {error}")
        try:
            with Worker(kind, self._url, self._music) as worker:
                if (status := worker.exit_status()) != 0:
                    return [*faults, f"the second run ended with {status}"]
            held, answers = self._read()
        except FingerprinterError as error:
            return [*faults, f"the second run: {error}"]
        expected = undisturbed.after
        same = {
            "tracks or their rows": held.tracks == expected.tracks,
            "landmarks": held.landmarks == expected.landmarks == held.derived,
            "answers": answers == undisturbed.answers,
        }
        return faults + [f"second run: other {what}" for what, is_so in same.items() if not is_so]

    def _begin(self, kind: str) -> None:
        """Puts the library to work on in its place."""
        shutil.rmtree(os.environ["FINGERPRINTER_CACHE"], ignore_errors=True)
        if kind == "index":
            self._libraries.clear("trial")
        else:
            self._libraries.copy(kind, "trial")

    def _read(self) -> tuple[Inventory, list[Any]]:
        """What the library holds and answers; raises `LibraryError` where something is damaged."""
        with open_library(self._url, create=False) as library:
            damage = [each for each in library.verify().findings if each.damage]
            if damage:
                raise LibraryError(str(damage[0]))
            answers = [
                [(match.track.content_id, round(match.offset_s, 2)) for match in matches]
                for matches in (library.identify(clip(seed)) for seed in CLIPS)
            ]
            return take_inventory(library), answers


@pytest.fixture(scope="module")
def trial(libraries: Libraries, folder: Path) -> Iterator[Trial]:
    """The libraries that every kind of work begins with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
        yield Trial(libraries, folder / type(libraries).__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_library_stays_whole(kind: str, trial: Trial) -> None:
    undisturbed = trial.measure(kind)
    rng = np.random.default_rng(list(KINDS).index(kind))
    for number in range(KILLS):
        killed = False
        while not killed:
            if number % 2:
                moment = Moment(1, rng.uniform(0, undisturbed.duration_s))
            else:
                statement = 1 + int(rng.integers(undisturbed.statements))
                moment = Moment(statement, rng.uniform(0, AFTER_S))
            killed = trial.kill(kind, moment)
        assert trial.faults(kind, undisturbed) == [], moment
