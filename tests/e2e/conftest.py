"""Libraries of the music in the box, made by the command itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import Program

from fingerprinter.audio import read_samples, write_wav

MUSIC = Path(__file__).resolve().parents[1] / "music"
SR = 16_000

Entry = dict[str, Any]


@pytest.fixture(scope="session")
def manifest() -> list[Entry]:
    """Of every track in the box."""
    entries: list[Entry] = json.loads((MUSIC / "manifest.json").read_text(encoding="utf-8"))
    return entries


@pytest.fixture(scope="session")
def outside(manifest: list[Entry]) -> Entry:
    """The track that is in no library here."""
    return manifest[-1]


@pytest.fixture(scope="session")
def inside(manifest: list[Entry]) -> list[Entry]:
    return manifest[:-1]


def filled(url: str, folder: Path, inside: list[Entry]) -> Program:
    program = Program(url, folder)
    program("index", *[MUSIC / entry["file"] for entry in inside])
    return program


@pytest.fixture(scope="session")
def sqlite_demo(tmp_path_factory: pytest.TempPathFactory, inside: list[Entry]) -> Program:
    folder = tmp_path_factory.mktemp("demo")
    return filled(str(folder / "box.db"), folder, inside)


@pytest.fixture(scope="session")
def postgresql_demo(
    tmp_path_factory: pytest.TempPathFactory, inside: list[Entry], postgresql_server: Any
) -> Program:
    postgresql_server.execute("CREATE DATABASE demo")
    return filled(postgresql_server.url("demo"), tmp_path_factory.mktemp("demo"), inside)


@pytest.fixture(params=["sqlite_demo", "postgresql_demo"])
def demo_library(request: pytest.FixtureRequest) -> Program:
    """A library of all but one; only to be read."""
    program: Program = request.getfixturevalue(request.param)
    return program


@pytest.fixture
def copied_demo(sqlite_demo: Program, tmp_path: Path) -> Program:
    """A copy of the library, to be changed."""
    return Program(str(shutil.copy(sqlite_demo.url, tmp_path / "box.db")), tmp_path)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command over a library that is not there yet."""
    return Program(str(tmp_path / "library.db"), tmp_path)


class Clips:
    """Excerpts of the box's tracks, from `start_s` on."""

    start_s = 12.34

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rng = np.random.default_rng(2)

    def clean(self, entry: Entry, duration_s: float = 5.0) -> Path:
        return self._written(entry, "clean", self._cut(entry, duration_s))

    def noisy(self, entry: Entry, duration_s: float = 10.0) -> Path:
        """With white noise as loud as the music."""
        samples = self._cut(entry, duration_s)
        noise = self._rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples**2))
        return self._written(entry, "noisy", (samples + noise) / 3)

    def _cut(self, entry: Entry, duration_s: float) -> Any:
        samples = read_samples(MUSIC / entry["file"], SR)
        return samples[int(self.start_s * SR) :][: int(duration_s * SR)]

    def _written(self, entry: Entry, kind: str, samples: Any) -> Path:
        path = self._folder / f"{Path(entry['file']).stem} {kind} {len(samples)}.wav"
        write_wav(path, samples, SR)
        return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"))
