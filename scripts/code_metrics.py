"""Measures the code itself: functions on the main roads, files of each package, callers.

    python scripts/code_metrics.py > metrics.json

A road is one command run in a fresh process on the ten tracks of `tests/music`: `index` of one
file, `identify` of a clean clip of 10 s, `similar` of one track. Counted are the functions of the
package that are entered, each once, in the process and in its worker processes. Bodies of modules
and classes do not count. `defined` are those with a `def` of their own; `entered` adds lambdas and
comprehensions, most of which Python 3.12 no longer calls. Machine code is not loaded for one clip.

A private function has one caller where one other function of its file, or the file outside its
functions, names it. The length of a function is from its `def` to its last line.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


class _Scan(ast.NodeVisitor):
    """Notes each function of a file, and from which functions each name is used."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.private: list[str] = []
        self.users: defaultdict[str, set[str]] = defaultdict(set)
        self._inside: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
        if node.name.startswith("_") and not node.name.endswith("__"):
            self.private.append(node.name)
        for outside in [*node.decorator_list, *node.args.defaults]:
            self.visit(outside)
        self._inside.append(f"{node.name}:{node.lineno}")
        for statement in node.body:
            self.visit(statement)
        self._inside.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815, the name that ast calls

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node.attr)
        self.visit(node.value)

    def _use(self, name: str) -> None:
        inner = self._inside[-1] if self._inside else ""
        if not inner.startswith(f"{name}:"):  # calling itself is no caller
            self.users[name].add(inner)


def functions_of(paths: Sequence[Path]) -> dict[str, float]:
    """Returns how many functions files define, how long, and how many have one caller."""
    lengths, private, one_caller = list[int](), 0, 0
    for path in paths:
        scan = _Scan()
        scan.visit(ast.parse(path.read_text(encoding="utf-8")))
        lengths += scan.lengths
        private += len(scan.private)
        one_caller += sum(len(scan.users[name]) == 1 for name in scan.private)
    return {
        "all": len(lengths),
        "private": private,
        "private_with_one_caller": one_caller,
        "mean_length": round(sum(lengths) / len(lengths), 2),
    }


def metrics() -> dict[str, Any]:
    """Returns all that is measured."""
    with tempfile.TemporaryDirectory(prefix="code-metrics-") as folder:
        roads = Roads(Path(folder)).measure()
    files = sorted(PACKAGE.rglob("*.py"))
    packages = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    return {
        "roads": {
            name: {
                "entered": len(entered),
                "defined": sum(not function.endswith(">") for function in entered),
            }
            for name, entered in roads.items()
        },
        "files": {"all": len(files), **dict(sorted(packages.items()))},
        "functions": functions_of(files),
        "entered": roads,
    }


def main() -> None:
    """Prints everything as one JSON object."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    print(json.dumps(metrics(), indent=1))


if __name__ == "__main__":
    main()
