"""The wheel holds everything that an installed program needs: page, weights, migrations."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fingerprinter"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("hatchling", reason="hatchling is not installed (pip install hatchling)")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_what_an_installed_program_needs(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    needed = {
        f"fingerprinter/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and not {"__pycache__", "page_source"} & {*path.parts}
    }
    migrations = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    needed |= {f"fingerprinter/migrations/versions/{name}" for name in migrations}
    assert needed - held == set()
    assert {"fingerprinter/server/page/index.html", "fingerprinter/migrations/env.py"} <= held
    assert not [name for name in held if "page_source" in name or name.startswith("tests")]


def test_the_wheel_names_its_extras_and_its_command(wheel: zipfile.ZipFile) -> None:
    (folder,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    about = email.message_from_bytes(wheel.read(f"{folder}/METADATA"))
    server = [need for need in about.get_all("Requires-Dist", []) if "'server'" in need]
    assert {"fastapi", "uvicorn"} <= {need.partition(">")[0] for need in server}
    assert {"server", "monitor", "plot", "text"} <= set(about.get_all("Provides-Extra", []))
    assert b"fingerprinter = fingerprinter.cli:main" in wheel.read(f"{folder}/entry_points.txt")
