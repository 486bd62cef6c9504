"""Names of files and tags never control the terminal, whatever the command prints."""

from __future__ import annotations

import ast
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fingerprinter.cli import app

PACKAGE = Path(__file__).resolve().parents[2] / "fingerprinter"
MUSIC = Path(__file__).resolve().parents[1] / "music"
# Colour, title of the window, a link, another writing direction, isolates, a line of its own.
HOSTILE = (
    "\x1b[31m\x1b]0;x\x07\x1b]8;;http:example\x1b\\\x9b2J\u202a\u202e\u2066\u2069\u2028\nFORGED\r\t"
)
NAME = f"a{HOSTILE}.ogg"

# Arguments of every command; those that only fail name something hostile in their message.
COMMANDS = {
    "index": [["{music}"], [NAME], ["{music}", "--json"]],
    "identify": [
        ["{file}"], ["{file}", "--all"], [NAME], ["{file}", "--format", "cue"],
        ["{file}", "--format", "csv"], ["{file}", "--format", "labels"],
        ["{file}", "--format", "text"], ["{file}", "--json"], [f"--device={HOSTILE}", "{file}"],
    ],
    "recommend": [["--like", "1"], ["--plays", NAME], ["--like", NAME]],
    "search": [["song"], [HOSTILE]],
    "similar": [["1"], ["1", "--why", "--copies"], [NAME], [f"@{NAME}"], ["1", "--year", HOSTILE]],
    "path": [["1", "2"], ["1", "1"], [NAME, "2"]],
    "clusters": [[]],
    "map": [["-o", NAME], ["--json"]],
    "duplicates": [
        [], ["--format", "csv"], ["--move-to", HOSTILE, "--dry-run"], ["--json"],
    ],
    "analyze": [["1"], ["--all"], [NAME]],
    "versions": [["1"], ["1", "--copies", "--min-confidence", "0"], [NAME]],
    "separate": [["1", "-o", f"parts{HOSTILE}"], [NAME, "-o", "parts"]],
    "plot": [["1", "-o", NAME], [NAME, "-o", "x.png"]],
    "list": [[], ["--json"], [HOSTILE]],
    "show": [["1"], [NAME], ["{file}"]],
    "stats": [[]],
    "reindex": [[]],
    "verify": [[]],
    "export": [[f"x{HOSTILE}.fpx"], ["x.fpx", NAME]],
    "import": [[f"x{HOSTILE}.fpx", "--map", f"/{HOSTILE}=/y"], [NAME]],
    "db upgrade": [[]],
    "db current": [[]],
    "db shard": [[HOSTILE]],
    "db unshard": [[]],
    "evaluate identify": [["--from", NAME], [HOSTILE]],
    "evaluate similarity": [["--model", NAME]],
    "evaluate duplicates": [["--from", NAME]],
    "evaluate track-list": [["--from", NAME]],
    "evaluate analysis": [[NAME]],
    "evaluate paths": [["--count", HOSTILE]],
    "evaluate recommend": [[NAME]],
    "evaluate peers": [["--outside", NAME]],
    "evaluate versions": [[NAME], [HOSTILE]],
    "evaluate render-versions": [[NAME]],
    "monitor": [[NAME], [f"{HOSTILE}=missing.wav"]],
    "serve": [["--config", NAME]],
    "remove": [[NAME], ["2"]],  # last, since it changes the library
}  # fmt: skip


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of every command below a group."""
    for name in command.list_commands(None):
        inner = command.get_command(None, name)
        if hasattr(inner, "list_commands"):
            yield from leaves(inner, (*words, name))
        else:
            yield " ".join((*words, name))


def test_every_command_is_tried() -> None:
    assert set(leaves(typer.main.get_command(app))) == set(COMMANDS)


def test_only_one_module_writes_to_the_terminal() -> None:
    """Whoever prints otherwise could forget to escape."""
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"print", "typer.echo", "typer.secho"}, (path, node.lineno)
                assert ".stdout.write" not in called, (path, node.lineno)
                assert ".stderr.write" not in called, (path, node.lineno)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, indexed_demo: Path) -> Path:
    """A folder with a library whose names are all hostile, and one file that it holds."""
    folder = tmp_path_factory.mktemp("hostile")
    music = folder / f"music{HOSTILE}".replace("\n", "").replace("/", "")
    music.mkdir()
    shutil.copy(MUSIC / "kenta_cho-stg3.ogg", music / NAME)
    shutil.copy(indexed_demo, folder / "music.db")
    with sqlite3.connect(folder / "music.db") as connection:
        connection.execute(
            "UPDATE track SET title = title || ?, artist = artist || ?, album = ?, genre = ?,"
            " problem = ?, checksum = NULL",
            [HOSTILE] * 5,
        )
        renamed = "UPDATE file SET path = CAST(path || ? AS BLOB), checksum = NULL"
        connection.execute(renamed, [HOSTILE.encode()])
    return folder


def test_no_command_prints_a_control_character(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FINGERPRINTER_DB", str(folder / "music.db"))
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
    music = next(folder.glob("music?*[!b]"))
    seen = ""
    for words, lines in COMMANDS.items():
        for line in lines:
            arguments = [each.format(music=music, file=music / NAME) for each in line]
            result = CliRunner().invoke(app, [*words.split(), *arguments])
            assert result.exception is None or isinstance(result.exception, SystemExit), (
                words, line, result.exception,
            )  # fmt: skip
            shown = result.output + result.stderr
            raw = {c for c in shown if not c.isprintable()} - {"\n", "\t"}
            assert not raw, (words, line, raw)
            assert not any(each.startswith("FORGED") for each in shown.splitlines()), (words, line)
            seen += shown
    assert "\\x1b[31m" in seen
    assert "\\u202e" in seen
