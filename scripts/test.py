"""Checks the whole project: lint, format, types, layers, tests. Sets itself up on the first run.

python3 scripts/test.py                    everything but the stress tests
python3 scripts/test.py --quick            the checks and the fast tests, in about a minute
python3 scripts/test.py --stress           everything, the tests that take minutes included
python3 scripts/test.py -k audio -x        further arguments go to pytest

The tests run in several processes. `-n 0` runs them in one, as a debugger needs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from environment import BIN, ROOT, enter_environment

PYTHON = [sys.executable, "-m"]
CHECKS = {
    "ruff check": [*PYTHON, "ruff", "check", "."],
    "ruff format": [*PYTHON, "ruff", "format", "--check", "."],
    "mypy": [*PYTHON, "mypy"],
    "lint-imports": [str(BIN / "lint-imports"), "--no-logo"],
}
MAX_PROCESSES = 8  # each starts a PostgreSQL server of its own
# Each process computes on one core, because as many of them run as there are cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Single functions, the tables and postings of an SQLite library, and answers of a whole one.
_TABLES = "address analyses constellations files library_metadata postings sections tracks vectors"
_PARTS = ["golden/test_golden"]
_PARTS += [f"contract/test_{name}" for name in _TABLES.split()]
QUICK = ["--quick", "tests/unit", *(f"tests/{part}.py" for part in _PARTS)]


def main() -> None:
    """Runs the checks and the tests, says how long each took, and exits with 1 if one failed."""
    enter_environment(("dev",))
    start = time.perf_counter()
    arguments = sys.argv[1:]
    if "--quick" in arguments:
        arguments.remove("--quick")
        arguments = [*QUICK, *arguments]
    with ThreadPoolExecutor(1) as thread:
        checks = thread.submit(run_checks)
        tests_passed = run_tests(arguments)
        failed = checks.result()
    print(f"--- checks that failed: {', '.join(failed) or 'none'}")
    print(f"--- tests: {'passed' if tests_passed else 'FAILED'}")
    print(f"--- {time.perf_counter() - start:.0f} s in total", flush=True)
    sys.exit(bool(failed) or not tests_passed)


def run_checks() -> list[str]:
    """The names of the checks that fail; prints what each of them wrote, and its time."""
    failed = []
    for name, command in CHECKS.items():
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        verdict = f"FAILED ({done.returncode})" if done.returncode else "passed"
        written = done.stdout.decode(errors="replace")
        print(f"{written}--- {name}: {verdict} in {time.perf_counter() - start:.1f} s", flush=True)
        if done.returncode:
            failed.append(name)
    return failed


def run_tests(arguments: list[str]) -> bool:
    """Whether the tests pass; pytest prints the slowest of them."""
    processes = min(MAX_PROCESSES, os.cpu_count() or 1)
    command = [*PYTHON, "pytest", "-n", str(processes), "--dist", "worksteal", "--durations", "15"]
    env = {**os.environ, **ONE_THREAD}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=env, check=False).returncode == 0


if __name__ == "__main__":
    main()
