"""Makes the project's virtual environment `.venv`. This module uses the standard library only."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
OLDEST_PYTHON = (3, 11)


def enter_environment(extras: tuple[str, ...] = ()) -> None:
    """Runs this script again inside the environment. Returns only if it runs there already."""
    python = ensure_environment(extras)
    if Path(sys.prefix).resolve() != VENV.resolve():
        inside = subprocess.Popen([python, *sys.argv])
        while True:
            try:
                sys.exit(inside.wait())
            except KeyboardInterrupt:  # of a terminal goes to both; the other one decides
                continue


def ensure_environment(extras: tuple[str, ...] = ()) -> Path:
    """Returns the environment's Python, with this checkout installed editable with `extras`.

    Makes the environment if there is none. Installs only what is missing or was installed for
    another `pyproject.toml`, so that a complete environment needs no network. Ends the script with
    one line on stderr if it cannot.
    """
    check_python()
    python = BIN / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        make_environment()
    if outdated(extras):
        install(python, extras)
    return python


def check_python() -> None:
    if sys.version_info[:2] < OLDEST_PYTHON:
        found, needed = ("{}.{}".format(*version) for version in (sys.version_info, OLDEST_PYTHON))
        sys.exit(f"{sys.executable}: Python {found}, but {needed} or newer is needed; install one")


def make_environment() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"{sys.executable}: no ensurepip, so it can make no virtual environment;"
            " install it (Debian and Ubuntu: apt install python3-venv) and run this again"
        )
    say(f"making {VENV}")
    run_or_exit(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], "remove it and run this again"
    )


def install(python: Path, extras: tuple[str, ...]) -> None:
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    say(f"installing {target}")
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_or_exit(
        [*command, "--editable", target],
        "is there a network? If so, remove .venv and run this again",
    )
    for part in ("base", *extras):
        stamp(part).write_text(pyproject_digest())


def outdated(extras: tuple[str, ...]) -> bool:
    """Whether some part was never installed, or for another `pyproject.toml`."""
    stamps = [stamp(part) for part in ("base", *extras)]
    return any(not s.exists() or s.read_text() != pyproject_digest() for s in stamps)


def stamp(part: str) -> Path:
    """The file with the digest of the `pyproject.toml` for which a part was last installed."""
    return VENV / f"installed-{part}.sha256"


def pyproject_digest() -> str:
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def run_or_exit(command: list[str], next_step: str) -> None:
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(f"{VENV}: {' '.join(command[2:4])} ended with {status}; {next_step}")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
