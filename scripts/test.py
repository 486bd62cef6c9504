"""Checks the whole project: lint, format, types, layers, tests. Sets itself up on the first run.

python3 scripts/test.py [pytest arguments]
"""

from __future__ import annotations

import subprocess
import sys
import time

from environment import BIN, ROOT, enter_environment

PYTHON = [sys.executable, "-m"]
CHECKS = {
    "ruff check": [*PYTHON, "ruff", "check", "."],
    "ruff format": [*PYTHON, "ruff", "format", "--check", "."],
    "mypy": [*PYTHON, "mypy"],
    "lint-imports": [str(BIN / "lint-imports"), "--no-logo"],
}


def passes(name: str, command: list[str]) -> bool:
    """Whether the command ends with 0; its name and seconds are printed around its own output."""
    print(f"--- {name}", flush=True)
    start = time.perf_counter()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    verdict = "passed" if status == 0 else f"FAILED ({status})"
    print(f"--- {name}: {verdict} in {time.perf_counter() - start:.1f} s\n", flush=True)
    return status == 0


def main() -> None:
    enter_environment(("dev",))
    failed = [name for name, command in CHECKS.items() if not passes(name, command)]
    print(f"--- before the tests: {', '.join(failed) or 'none'} failed", flush=True)
    tests = subprocess.run([*PYTHON, "pytest", *sys.argv[1:]], cwd=ROOT, check=False).returncode
    sys.exit(tests or bool(failed))


if __name__ == "__main__":
    main()
