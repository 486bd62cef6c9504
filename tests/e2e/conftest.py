"""Libraries of the music in `tests/music`, made by the command itself."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from demo_music import MUSIC, Clips, Entry, index_demo
from program import Program


@pytest.fixture(scope="session")
def manifest() -> list[Entry]:
    """The entries of all tracks in `tests/music`."""
    entries: list[Entry] = json.loads((MUSIC / "manifest.json").read_text(encoding="utf-8"))
    return entries


@pytest.fixture(scope="session")
def outside(manifest: list[Entry]) -> Entry:
    """The one track that no library here holds."""
    return manifest[-1]


@pytest.fixture(scope="session")
def inside(manifest: list[Entry]) -> list[Entry]:
    """The tracks that the libraries hold."""
    return manifest[:-1]


@pytest.fixture(scope="session")
def indexed_demo(
    tmp_path_factory: pytest.TempPathFactory, inside: list[Entry], testrun_uid: str
) -> Path:
    """An SQLite library that is indexed once for all processes that test; never changed."""
    folder = tmp_path_factory.getbasetemp().parent / f"demo-{testrun_uid}"
    folder.mkdir(exist_ok=True)
    path = folder / "demo.db"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        if not path.exists():
            index_demo(str(folder / "part.db"), folder, inside)
            (folder / "part.db").rename(path)
    return path


@pytest.fixture(scope="session")
def sqlite_demo(tmp_path_factory: pytest.TempPathFactory, indexed_demo: Path) -> Program:
    folder = tmp_path_factory.mktemp("demo")
    return Program(str(shutil.copy(indexed_demo, folder / "demo.db")), folder)


@pytest.fixture(scope="session")
def postgresql_demo(
    tmp_path_factory: pytest.TempPathFactory, sqlite_demo: Program, postgresql_server: Any
) -> Program:
    """The same tracks, carried over as a user would do it."""
    postgresql_server.execute("CREATE DATABASE demo")
    folder = tmp_path_factory.mktemp("demo")
    sqlite_demo("export", folder / "demo.fpx")
    program = Program(postgresql_server.url("demo"), folder)
    program("import", folder / "demo.fpx")
    return program


@pytest.fixture(params=["sqlite_demo", "postgresql_demo"])
def demo_library(request: pytest.FixtureRequest) -> Program:
    """A library of all tracks but one, on each database. Tests only read it."""
    program: Program = request.getfixturevalue(request.param)
    return program


@pytest.fixture
def copied_demo(indexed_demo: Path, tmp_path: Path) -> Program:
    """A copy of the library, which a test may change."""
    return Program(str(shutil.copy(indexed_demo, tmp_path / "demo.db")), tmp_path)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command over a library that does not exist yet."""
    return Program(str(tmp_path / "library.db"), tmp_path)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"))
