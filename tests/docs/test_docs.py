"""The documentation: it builds, its figures and commands are true, its lines are short."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from fingerprinter import Library, types
from fingerprinter.cli import app
from fingerprinter.server.app import create_app
from fingerprinter.server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
READER_PAGES = [page for page in PAGES if "research" not in page.parts]
CODE = sorted([*(ROOT / "fingerprinter").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
LONGEST_LINE = 120
LONGEST_ARCHITECTURE = 160

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_reader_page = pytest.mark.parametrize(
    "page", READER_PAGES, ids=lambda page: str(page.relative_to(ROOT))
)


def script(name: str) -> ModuleType:
    """A module of `scripts`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced code blocks of one language; the language may be empty."""
    pattern = rf"^```{language}\n(.*?)^```"
    return (
        found[1]
        for found in re.finditer(
            pattern, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
    )


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `fingerprinter` command in the code blocks of a page."""
    for block in blocks(page, ""):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.removeprefix("$ ").split(" | "):
                words = shlex.split(part, comments=True) if part.startswith("fing") else []
                if words[:1] == ["fingerprinter"]:
                    yield words[1:]


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed (extra docs)"
)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    commands = (tmp_path / "reference" / "commands" / "index.html").read_text(encoding="utf-8")
    assert 'id="evaluate-similarity"' in commands
    schema = (tmp_path / "reference" / "schema" / "index.html").read_text(encoding="utf-8")
    assert "posting_block" in schema


def test_tables_agree_with_the_result_files() -> None:
    stale = script("make_tables").stale()
    assert not stale, f"{[str(page) for page in stale]}: run python scripts/make_tables.py"


def test_every_result_file_says_where_it_is_from() -> None:
    results = sorted((DOCS / "results").glob("*.json"))
    assert results
    for path in results:
        provenance = script("make_tables").result(path.stem)["provenance"]
        assert {"commit", "date", "corpus", "command"} <= provenance.keys(), path


@each_page
def test_lines_are_short(page: Path) -> None:
    """Tables of the research pages are excepted: they are wide, and cannot be wrapped."""
    lines = page.read_text(encoding="utf-8").splitlines()
    wide_tables = page not in READER_PAGES
    too_long = [
        number
        for number, line in enumerate(lines, 1)
        if len(line) > LONGEST_LINE and not (wide_tables and line.startswith("|"))
    ]
    assert not too_long


def test_the_architecture_is_short() -> None:
    lines = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_ARCHITECTURE


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@each_page
def test_tables_are_whole(page: Path) -> None:
    """A row follows a row or a heading with its line of dashes."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for before, line, after in zip(["", *lines[:-1]], lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not before.startswith("|"):
            assert after.startswith("| ---"), f"{line}: a table without a heading"


@each_reader_page
def test_commands_parse(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for arguments in command_lines(page):
        while arguments[:1] == ["--db"]:
            arguments = arguments[2:]
        if arguments[:1] == ["--help"]:
            continue
        command, words = root, list(arguments)
        while hasattr(command, "list_commands"):
            name = words.pop(0)
            command = command.get_command(None, name)
            assert command is not None, f"{name}: no such command"
        command.make_context(name, words)


@each_reader_page
def test_python_examples_compile(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def test_the_change_log_names_each_change_once() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    changes = [line for line in lines if line.startswith("- ")]
    assert len(changes) == len(set(changes))


def test_pages_that_the_code_names_exist() -> None:
    for path in CODE:
        for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"


@each_reader_page
def test_scripts_that_a_page_names_exist(page: Path) -> None:
    for name in re.findall(r"\bscripts/[\w/]+\.py", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


def test_json_keys_are_documented() -> None:
    text = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    values = [types.Track, types.Match, types.Reasons, types.Evidence, types.IndexReport]
    keys = {each.name for value in values for each in fields(value)} - {"problems"}
    assert not [key for key in sorted(keys) if f"`{key}`" not in text]


def test_the_http_reference_has_every_endpoint_and_parameter() -> None:
    text = (DOCS / "reference" / "http.md").read_text(encoding="utf-8")
    for path, operations in create_app(ServerSettings()).openapi()["paths"].items():
        shown = re.sub(r"\{\w+\}", "{id}", path)
        for method, operation in operations.items():
            assert f"{method.upper()} {shown}" in text, f"{method} {path}"
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert f"`{parameter['name']}`" in text, f"{path}: {parameter['name']}"


def test_every_setting_of_the_server_is_documented() -> None:
    text = (DOCS / "how-to" / "serve.md").read_text(encoding="utf-8")
    internal = {"token_digest", "run_folder"}  # made at the start, and no keys of the file
    names = {each.name for each in fields(ServerSettings)} - internal
    assert not [name for name in sorted(names) if not re.search(rf"^{name} = ", text, re.MULTILINE)]


def test_the_python_reference_has_what_library_returns() -> None:
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    signatures = [
        inspect.signature(method)
        for name, method in inspect.getmembers(Library, inspect.isfunction)
        if not name.startswith("_")
    ]
    results = " ".join(str(each.return_annotation) for each in signatures)
    names = set(re.findall(r"\b[A-Z]\w+", results)) - {
        "Iterator",
        "None",
        "NDArray",
        "Path",
        "Self",
    }
    inside = {"Connection", "Recognizer"}  # of `Library.snapshot`, which the service uses
    assert names - inside
    assert not [
        name
        for name in sorted(names - inside)
        if not hasattr(types, name) and not re.search(rf"\b{name}\b", text)
    ]


def test_paths_in_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "fingerprinter"
    for name in re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)+)`", text):
        places = [ROOT / name, package / name, package / "library" / name]
        found = [place for place in places if place.exists() or place.with_suffix(".py").exists()]
        assert found, name
