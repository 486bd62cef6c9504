"""Files and folders that a search leaves out: --exclude, and `.fingerprinterignore` files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprinter.audio import find_audio
from fingerprinter.errors import UsageError


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def found(root: Path, *exclude: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_audio([root], exclude=exclude)]


def test_a_glob_names_files_and_folders_at_any_depth(tmp_path: Path) -> None:
    make(tmp_path, {"a.mp3": "", "a.wav": "", "x/b.wav": "", "x/demos/c.mp3": "", "demos.mp3": ""})
    assert found(tmp_path, "*.wav", "demos/") == ["a.mp3", "demos.mp3"]
    assert found(tmp_path, "/*.wav") == ["a.mp3", "demos.mp3", "x/b.wav", "x/demos/c.mp3"]


def test_the_rules_of_a_deeper_folder_win(tmp_path: Path) -> None:
    rules = {".fingerprinterignore": "*.wav\n", "x/.fingerprinterignore": "!keep.wav\n*.mp3\n"}
    make(tmp_path, {"a.wav": "", "b.mp3": "", "x/keep.wav": "", "x/c.mp3": "", **rules})
    assert found(tmp_path) == ["b.mp3", "x/keep.wav"]
    assert found(tmp_path, "keep.wav") == ["b.mp3"]


def test_a_file_that_is_named_is_taken(tmp_path: Path) -> None:
    make(tmp_path, {"a.wav": "", ".fingerprinterignore": "*.wav"})
    assert list(find_audio([tmp_path / "a.wav"])) == [tmp_path / "a.wav"]


def test_an_ignore_file_with_a_mistake_is_told_once_and_does_not_count(tmp_path: Path) -> None:
    make(tmp_path, {"a.mp3": "", "b.mp3": "", ".fingerprinterignore": "!\n"})
    problems: list[str] = []
    names = [p.name for p in find_audio([tmp_path], lambda p: problems.append(p.message))]
    assert names == ["a.mp3", "b.mp3"]
    assert len(problems) == 1
    assert ".fingerprinterignore: " in problems[0]


@pytest.mark.parametrize("glob", ["*a*a*a*ab", "a/**/" * 6 + "b"])
def test_a_glob_that_takes_hours_is_refused(tmp_path: Path, glob: str) -> None:
    make(tmp_path, {"a" * 200 + ".mp3": "", ".fingerprinterignore": f"{glob}\n"})
    problems: list[str] = []
    assert len(list(find_audio([tmp_path], lambda p: problems.append(p.message)))) == 1
    assert "asterisks" in problems[0]
    with pytest.raises(UsageError, match="asterisks"):
        found(tmp_path, glob)


def test_a_glob_with_a_mistake_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--exclude: .*gitignore"):
        found(tmp_path, "!")
