"""The command as a user runs it: a process of its own, its streams and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MUSIC = Path(__file__).resolve().parents[1] / "music"
COMMAND = [sys.executable, "-m", "fingerprinter"]

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


@dataclass(frozen=True)
class Program:
    """The command over one library, with its derived files in a folder of the test."""

    url: str
    cache: Path
    cwd: Path

    def __call__(self, *arguments: Argument, status: int = 0, **options: Any) -> Run:
        """Runs it to its end, which must be this exit status without any traceback."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.start(*arguments, **(pipes | {"stdin": subprocess.PIPE} | options))
        out, err = process.communicate(timeout=60)
        run = Run((out or b"").decode(), (err or b"").decode())
        assert process.returncode == status, (process.returncode, run)
        assert "Traceback" not in run.err
        return run

    def feed(self, data: bytes, *arguments: Argument) -> Run:
        """Runs it with these bytes on its standard input."""
        done = subprocess.run(
            self.line(*arguments), input=data, env=self.env, capture_output=True, check=True
        )
        return Run(done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: Argument, **options: Any) -> subprocess.Popen[bytes]:
        """Begins a run."""
        return subprocess.Popen(self.line(*arguments), env=self.env, cwd=self.cwd, **options)

    def line(self, *arguments: Argument) -> list[Argument]:
        return [*COMMAND, "--db", self.url, *arguments]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "FINGERPRINTER_CACHE": str(self.cache)}

    def at(self, url: str) -> Program:
        """The same over another library."""
        return replace(self, url=url)
