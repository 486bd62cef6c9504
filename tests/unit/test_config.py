"""The user's configuration file: what it may name, where its paths start, and what comes first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fingerprinter.config import Settings, UserConfig, config_path, parse_config, read_config
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library

HOME = Path("/home/me/.config/fingerprinter/config.toml")


def test_paths_start_at_the_folder_of_the_file() -> None:
    config = parse_config(
        'library = "music.db"\nfolders = ["~/Music", "more"]\ncache = "/tmp/c"\njobs = 3', HOME
    )
    assert config.library == str(HOME.parent / "music.db")
    assert config.folders == (Path.home() / "Music", HOME.parent / "more")
    assert Settings.of(config).jobs == 3


def test_a_url_stays_and_the_table_of_the_server_is_handed_on() -> None:
    config = parse_config('library = "postgresql://me@host/music"\n[serve]\nport = 4000', HOME)
    assert config.library == "postgresql://me@host/music"
    assert config.serve == {"port": 4000}


@pytest.mark.parametrize(
    "text",
    ["jobs = 0", "jobs = true", "jobs = 'two'", "folders = 'a'", "folders = [1]", "libary = 'a'",
     "serve = 1", "= ="],
)  # fmt: skip
def test_a_mistake_names_the_file_and_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match=r"config\.toml: "):
        parse_config(text, HOME)


def test_a_variable_names_the_file_which_must_exist_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINGERPRINTER_CONFIG", str(tmp_path / "mine.toml"))
    assert config_path() == tmp_path / "mine.toml"
    with pytest.raises(UsageError, match="no such file"):
        read_config()
    config_path().write_bytes(b"\xff")
    with pytest.raises(UsageError, match="no UTF-8 text"):
        read_config()


def test_without_a_file_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FINGERPRINTER_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_config() == UserConfig()


def test_the_environment_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('library = "of-the-file.db"\ncache = "of-the-file"\n')
    monkeypatch.setenv("FINGERPRINTER_CONFIG", str(file))
    monkeypatch.delenv("FINGERPRINTER_CACHE", raising=False)
    monkeypatch.delenv("FINGERPRINTER_DB", raising=False)
    with open_library() as library:
        assert Path(library.stats().address) == tmp_path / "of-the-file.db"
    monkeypatch.setenv("FINGERPRINTER_DB", str(tmp_path / "of-the-variable.db"))
    with open_library() as library:
        assert Path(library.stats().address) == tmp_path / "of-the-variable.db"
    assert Settings.of(read_config()).cache == tmp_path / "of-the-file"
    monkeypatch.setenv("FINGERPRINTER_CACHE", os.devnull)
    assert Settings.of(read_config()).cache == Path(os.devnull)
