"""Lists, sheets and settings that are no files, have no end, or hold what no parser expects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from fingerprinter import open_library
from fingerprinter.audio import find_audio
from fingerprinter.audio.small_file import read_small_file
from fingerprinter.cli.common.evaluation import _replaceable as replaceable
from fingerprinter.cli.common.playlist import read_playlist
from fingerprinter.config import parse_config, read_config
from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.evaluation import read_groups
from fingerprinter.evaluation.annotations import read_annotations
from fingerprinter.library.discover.play_history import read_history

READERS: list[Callable[[Path], Any]] = [read_history, read_groups, read_annotations, read_playlist]


def read_config_file(path: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINTER_CONFIG", str(path))
        return read_config()


@pytest.mark.parametrize("read", [*READERS, read_config_file])
def test_what_has_no_end_is_not_read(read: Callable[[Path], Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UsageError, match=rf"^{path}: not a regular file; "):
            read(path)


def test_a_library_or_an_export_that_is_a_pipe(tmp_path: Path) -> None:
    """`import` waited for ever, and `list` said that the disk reported an error."""
    os.mkfifo(tmp_path / "pipe")
    with open_library(tmp_path / "music.db") as library:
        with pytest.raises(UsageError, match="pipe: not a regular file; name a file"):
            library.import_from(tmp_path / "pipe")
        with pytest.raises(LibraryError, match="pipe: not a regular file; name another file"):
            open_library(tmp_path / "pipe", create=False)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3 << 20))
    with pytest.raises(OSError, match="more than 2 MiB"):
        read_small_file(tmp_path / "large", 2 << 20)
    assert len(read_small_file(tmp_path / "large", 3 << 20)) == 3 << 20


@pytest.mark.parametrize("glob", ["[z-a]", "[a-\\]", "x/[9-0]y"])
def test_a_glob_that_is_no_expression(tmp_path: Path, glob: str) -> None:
    """A stranger's ignore file ended `index` in a traceback."""
    (tmp_path / "a.wav").touch()
    with pytest.raises(UsageError, match="--exclude: no glob"):
        list(find_audio([tmp_path], exclude=[glob]))
    (tmp_path / ".fingerprinterignore").write_text(glob)
    problems: list[str] = []
    found = list(find_audio([tmp_path], lambda problem: problems.append(problem.message)))
    assert found == [tmp_path / "a.wav"]
    (problem,) = problems
    assert "no glob" in problem
    assert problem.isprintable()


@pytest.mark.filterwarnings("error")
def test_a_glob_of_letters_that_expressions_may_mean_otherwise_one_day(tmp_path: Path) -> None:
    assert list(find_audio([tmp_path], exclude=["[[:alpha:]", "[a||b]"])) == []


@pytest.mark.parametrize(
    "text",
    [f"jobs = {'9' * 5000}", f"jobs = 0x{'f' * 5000}", f"library = 0x{'f' * 5000}",
     f"library = [{'1,' * 100_000}]"],
)  # fmt: skip
def test_a_configuration_with_endless_numbers(text: str) -> None:
    with pytest.raises(UsageError, match=r"^/c\.toml: ") as raised:
        parse_config(text, Path("/c.toml"))
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("text", ["[" * 200_000, "9" * 6000, "\0"])
def test_what_is_no_result_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(typer.BadParameter, match="no result of `evaluate`"):
        replaceable(tmp_path / "mine.json")


def test_a_result_goes_to_a_device_or_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    for path in (Path(os.devnull), tmp_path / "empty.json", tmp_path / "new.json"):
        assert replaceable(path) == path
    with pytest.raises(typer.BadParameter, match="Is a directory"):
        replaceable(tmp_path)
