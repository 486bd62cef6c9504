"""Run the program as a user does: with its arguments, its streams and its exit status.

A start takes half a second, and much more with NumPy, matplotlib or librosa in it. So a command
runs in the process of the tests, unless the process itself is what is tested.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from unittest import mock

from fingerprinter.cli import main

COMMAND = [sys.executable, "-m", "fingerprinter"]
DEADLINE_S = 300  # ends a test that hangs, also on a busy computer

Argument = str | Path


@dataclass(frozen=True)
class Run:
    """The output of one run."""

    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (only,) = self.records
        return only

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()


def _restore_interrupts() -> None:
    """Restore SIGINT, which is ignored in processes that a shell starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Program:
    """The program with one library; it runs in `folder`, which also holds its derived files."""

    url: str
    folder: Path

    def __call__(self, *arguments: Argument, status: int = 0, stdin: bytes = b"") -> Run:
        """Run it in this process, and check that it ends with this status."""
        words = list(map(str, self.line(*arguments)[len(COMMAND) :]))
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with (
                chdir(self.folder),
                mock.patch.dict(os.environ, self.env),
                mock.patch.object(sys, "argv", ["fingerprinter", *words]),
                standard_streams(stdin, out, err),
            ):
                found = exit_status()
            run = Run(*(read_from_start(stream).decode() for stream in (out, err)))
        assert found == status, (found, run)
        assert "Traceback" not in run.err
        return run

    def process(self, *arguments: Argument, status: int = 0, **options: Any) -> Run:
        """Run it in a process of its own, and check its status, and that it has no traceback."""
        done = subprocess.run(
            self.line(*arguments),
            cwd=self.folder,
            env=self.env,
            timeout=DEADLINE_S,
            check=False,
            **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
        )
        run = Run((done.stdout or b"").decode(), (done.stderr or b"").decode())
        assert done.returncode == status, (done.returncode, run)
        assert "Traceback" not in run.err
        return run

    def start(self, *arguments: Argument, **options: Any) -> subprocess.Popen[bytes]:
        """Start a run that an interrupt ends, as in a terminal."""
        return subprocess.Popen(
            self.line(*arguments),
            cwd=self.folder,
            preexec_fn=_restore_interrupts,
            **({"env": self.env} | options),
        )

    def line(self, *arguments: Argument) -> list[Argument]:
        return [*COMMAND, "--db", self.url, *arguments]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "FINGERPRINTER_CACHE": str(self.folder / "cache")}

    def at(self, url: str | Path) -> Program:
        """Return the program with another library."""
        return replace(self, url=str(url))


def exit_status() -> int:
    """The status with which the program ends that `sys.argv` names."""
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextmanager
def standard_streams(stdin: bytes, out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Let files be the standard streams for a while, of child processes too."""
    names = ("stdin", "stdout", "stderr")
    before = [getattr(sys, name) for name in names]
    kept = [os.dup(number) for number in range(3)]
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        for number, file in enumerate((given, out, err)):
            os.dup2(file.fileno(), number)
        for number, name in enumerate(names):
            errors = "backslashreplace" if name == "stderr" else None
            mode = "r" if name == "stdin" else "w"
            stream = os.fdopen(number, mode, encoding="utf-8", errors=errors, closefd=False)
            setattr(sys, name, stream)
        try:
            yield
        finally:
            for name, stream in zip(names, before, strict=True):
                getattr(sys, name).close()
                setattr(sys, name, stream)
            for number, copy in enumerate(kept):
                os.dup2(copy, number)
                os.close(copy)


def read_from_start(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


class Terminal:
    """A pseudo-terminal that collects what a process prints to it."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        self.shown = ""

    def wait_for_tracks(self, count: int) -> None:
        """Read until the progress bar shows this number of tracks."""
        while count > max(map(int, re.findall(r"(\d+)/\d+ tracks", self.shown)), default=0):
            assert self._read(), self.shown

    def read_to_end(self) -> str:
        """Return everything that was printed, after all processes that print to it have ended."""
        os.close(self.theirs)
        while self._read():
            pass
        os.close(self._ours)
        return self.shown

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], DEADLINE_S)
        assert ready, "a process is still running, but prints nothing"
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # Linux: the last process that held the terminal has ended
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)
