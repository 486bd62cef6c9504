"""Counts the functions of the package that its main roads enter.

    python scripts/roads.py > roads.json

A road is one command run in a fresh process on the ten tracks of `tests/music`: `index` of one
file, `identify` of a clean clip of 10 s, `similar` of one track. Counted are the functions of the
package that are entered, each once, in the process and in its worker processes. Bodies of modules
and classes do not count. `defined` are those with a `def` of their own; `entered` adds lambdas and
comprehensions, most of which Python 3.12 no longer calls. Machine code is not loaded for one clip.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fingerprinter.audio import read_samples, write_wav

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fingerprinter"
MUSIC = ROOT / "tests" / "music"
TRACK = MUSIC / "kenta_cho-stg3.ogg"
CLIP_START_S, CLIP_S, SR = 12.0, 10.0, 16_000

# Python runs this at the start of each process of a road. What is entered is written down at
# once, since worker processes are killed at the end.
TRACER = """
import inspect, os, sys, threading

_log = os.open(os.environ["ROAD_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_seen = set()

def _profile(frame, event, argument):
    code = frame.f_code
    if event == "call" and code not in _seen:
        _seen.add(code)
        ours = code.co_filename.startswith(os.environ["ROAD_PACKAGE"] + os.sep)
        if ours and code.co_flags & inspect.CO_OPTIMIZED:
            line = f"{code.co_filename}\\t{code.co_qualname}\\t{code.co_firstlineno}\\n"
            os.write(_log, line.encode())

threading.setprofile(_profile)
sys.setprofile(_profile)
"""
PROGRAM = "from fingerprinter.cli import main; main()"


class Roads:
    """A small library, and commands that are run on it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._db = folder, folder / "music.db"
        tracer = folder / "tracer"
        tracer.mkdir()
        (tracer / "sitecustomize.py").write_text(TRACER, encoding="utf-8")
        self._tracer = tracer

    def measure(self) -> dict[str, list[str]]:
        """Returns the functions that each road enters, by name."""
        self._run(self._db, "index", str(MUSIC))
        clip = self._write_clip()
        return {
            "index": self._traced(self._folder / "one.db", "index", str(TRACK), "--jobs", "1"),
            "identify": self._traced(self._db, "identify", str(clip)),
            "similar": self._traced(self._db, "similar", str(TRACK)),
        }

    def _write_clip(self) -> Path:
        path, start = self._folder / "clip.wav", round(CLIP_START_S * SR)
        write_wav(path, read_samples(TRACK, SR)[start : start + round(CLIP_S * SR)], SR)
        return path

    def _traced(self, db: Path, *arguments: str) -> list[str]:
        log = self._folder / "entered"
        log.unlink(missing_ok=True)
        path = f"{self._tracer}{os.pathsep}{ROOT}"
        self._run(db, *arguments, PYTHONPATH=path, ROAD_LOG=str(log), ROAD_PACKAGE=str(PACKAGE))
        return sorted({named(line) for line in log.read_text(encoding="utf-8").splitlines()})

    def _run(self, db: Path, *arguments: str, **more: str) -> None:
        cache = str(self._folder / "cache")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "FINGERPRINTER_CACHE": cache, **more}
        command = [sys.executable, "-c", PROGRAM, "--db", str(db), *arguments]
        subprocess.run(command, check=True, env=environment, capture_output=True, cwd=ROOT)


def named(line: str) -> str:
    """Returns a function's module, name and line, of a line of the tracer."""
    file, name, number = line.split("\t")
    return f"{Path(file).relative_to(PACKAGE).as_posix()}:{number} {name}"


def main() -> None:
    """Prints everything as one JSON object."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory(prefix="roads-") as folder:
        roads = Roads(Path(folder)).measure()
    report = {
        name: {
            "entered": len(entered),
            "defined": sum(not function.endswith(">") for function in entered),
            "functions": entered,
        }
        for name, entered in roads.items()
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
