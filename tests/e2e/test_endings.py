"""How a run ends: exit status, one-line errors, and output streams that are closed or full."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from program import Program

NO_LIBRARY = "no library there; run `fingerprinter index FOLDER` to make one, or check the name"


def test_wrong_usage_ends_with_2(program: Program) -> None:
    run = program.process("similar", "1", "-n", "0", status=2)
    assert run.out == ""
    assert "Usage: fingerprinter similar" in run.err


def test_where_no_library_is_nothing_is_made(program: Program) -> None:
    assert program.process("list", status=4).complaints == [f"error: {program.url}: {NO_LIBRARY}"]
    assert not Path(program.url).exists()


def test_the_default_library_is_in_the_users_folder(program: Program) -> None:
    places = {"HOME": str(program.folder), "XDG_DATA_HOME": str(program.folder / "share")}
    command = [word for word in program.line("stats") if word not in ("--db", program.url)]
    env = {key: value for key, value in program.env.items() if key != "FINGERPRINTER_DB"}
    run = subprocess.run(command, env=env | places, capture_output=True, check=False)
    assert run.returncode == 4
    expected = program.folder / "share" / "fingerprinter" / "library.db"
    assert run.stderr.decode() == f"error: {expected}: {NO_LIBRARY}\n"


def test_a_reader_that_has_gone_is_no_error(sqlite_demo: Program) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = sqlite_demo.process("list", status=141, stdout=writer)
    os.close(writer)
    assert run.err == ""


@pytest.mark.parametrize("arguments", [["list", "--json"], ["--help"]], ids=" ".join)
def test_a_full_disk_under_the_output_is_named(sqlite_demo: Program, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        run = sqlite_demo.process(*arguments, status=1, stdout=full)
    step = "free some space and run the command again"
    assert run.complaints == [f"error: No space left on device; {step}"]


def test_closed_streams_do_not_hinder_the_work(program: Program, sqlite_demo: Program) -> None:
    music = Path(__file__).resolve().parents[1] / "music" / "kenta_cho-stg3.ogg"
    line = program.line("index", "--no-embeddings", music)
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *line], env=program.env, check=True)
    assert program("list", "--json").record["title"] == "stg3"


def test_any_encoding_of_the_terminal_takes_any_title(sqlite_demo: Program) -> None:
    ascii_only = {**sqlite_demo.env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    run = subprocess.run(sqlite_demo.line("list"), env=ascii_only, capture_output=True, check=True)
    assert rb"Farkask\xf6nny" in run.stdout
