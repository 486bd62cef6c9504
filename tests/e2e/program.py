"""The command as a user runs it: a process of its own, its streams and its exit status."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "fingerprinter"]
DEADLINE_S = 60

Argument = str | Path


@dataclass(frozen=True)
class Run:
    """What one run wrote."""

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


def _heed_interrupts() -> None:
    """What a shell starts in the background is made deaf to SIGINT, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Program:
    """The command over one library; it runs in `folder`, where its derived files lie too."""

    url: str
    folder: Path

    def __call__(
        self, *arguments: Argument, status: int = 0, stdin: bytes = b"", **options: Any
    ) -> Run:
        """Runs it to its end, which must be this exit status and no traceback."""
        done = subprocess.run(
            self.line(*arguments),
            input=stdin,
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
        """Begins a run, as a terminal does: Ctrl-C is heeded."""
        return subprocess.Popen(
            self.line(*arguments),
            cwd=self.folder,
            env=self.env,
            preexec_fn=_heed_interrupts,
            **options,
        )

    def line(self, *arguments: Argument) -> list[Argument]:
        return [*COMMAND, "--db", self.url, *arguments]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "FINGERPRINTER_CACHE": str(self.folder / "cache")}

    def at(self, url: str | Path) -> Program:
        """The same over another library."""
        return replace(self, url=str(url))


class Terminal:
    """A terminal that a process writes its progress to."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        self.shown = ""

    def wait_for_tracks(self, count: int) -> None:
        """Reads until the progress bar has counted so many tracks."""
        while count > max(map(int, re.findall(r"(\d+)/\d+ tracks", self.shown)), default=0):
            assert self._read(), self.shown

    def read_to_end(self) -> str:
        """All that was written, once no process is left that could write more."""
        os.close(self.theirs)
        while self._read():
            pass
        os.close(self._ours)
        return self.shown

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], DEADLINE_S)
        assert ready, "no process wrote anything, and one is still there"
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # Linux: the last process that had it has ended
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)
