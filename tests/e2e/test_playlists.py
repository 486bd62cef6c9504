"""Playlists as queries, paths through several tracks, candidates, and tracks in the shell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from fingerprinter.cli import app

MUSIC = Path(__file__).resolve().parents[1] / "music"


@pytest.fixture
def library(indexed_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a library of nine tracks, which all commands use."""
    path = Path(shutil.copy(indexed_demo, tmp_path / "demo.db"))
    monkeypatch.setenv("FINGERPRINTER_DB", str(path))
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return path


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result


def ids(result: Result) -> list[int]:
    return [each["track"]["id"] for each in json.loads(result.stdout)["results"]]


def test_a_path_leads_through_all_tracks_and_says_its_steps(library: Path) -> None:
    record: dict[str, Any] = json.loads(run("path", "1", "6", "3", "-n", "7", "--json").stdout)
    found = [each["track"]["id"] for each in record["results"]]
    assert (found[0], found[-1], len(found), len(set(found))) == (1, 3, 7, 7)
    assert 0 < found.index(6) < 6
    assert [track["id"] for track in record["query"]["via"]] == [6]
    steps = [each["step"] for each in record["results"]]
    assert steps[0] == 0
    assert all(0 < step <= 2 for step in steps[1:])
    assert run("path", "1", "6").stdout.split()[0] == "step"
    assert ids(run("path", "2", "4", "9", "-n", "3", "--json")) == [2, 4, 9]


def test_a_path_needs_different_tracks_and_room_for_them(library: Path) -> None:
    assert "track 1 is named twice" in run("path", "1", "1", status=2).stderr
    assert "two different tracks" in run("path", "1", status=2).stderr
    assert "cannot hold the 3" in run("path", "1", "2", "3", "-n", "2", status=2).stderr
    again = run("path", "1", "2", "1", "-n", "2")
    assert "1 tracks are named again" in again.stderr


def test_a_path_of_any_number_of_tracks_ends_with_the_library(library: Path) -> None:
    assert len(ids(run("path", "1", "2", "-n", "9" * 30, "--json"))) == 9


def test_only_a_playlist_is_replaced_by_a_playlist(library: Path) -> None:
    before = library.read_bytes()
    assert "no playlist" in run("similar", "1", "--m3u", str(library), status=2).stderr
    assert library.read_bytes() == before
    for name, text in (("a.m3u", "x.mp3\n"), ("b.txt", "#EXTM3U\n"), ("c.txt", "")):
        Path(name).write_text(text)
        run("similar", "1", "-n", "1", "--m3u", name)
        assert len(Path(name).read_text().splitlines()) == 3


def test_a_playlist_is_a_query(library: Path, tmp_path: Path) -> None:
    run("path", "1", "2", "-n", "3", "--m3u", "a.m3u8", "--relative-to", str(MUSIC))
    lines = [line for line in Path("a.m3u8").read_text().splitlines() if line[0] != "#"]
    assert all((MUSIC / line).is_file() and not Path(line).is_absolute() for line in lines)
    both = tmp_path / "both.m3u8"
    first, second = (MUSIC / line for line in lines[:2])
    both.write_text(f"\ufeff#EXTM3U\n{first}\nmissing.ogg\n{second.as_uri()}\n", encoding="utf-8")
    similar = run("similar", f"@{both}", "-n", "2", "--json")
    assert len(json.loads(similar.stdout)["query"]["tracks"]) == 2
    assert "left out" in similar.stderr
    assert "missing.ogg" in similar.stderr
    assert len(ids(run("path", f"@{both}", "9", "-n", "5", "--json"))) == 5
    (tmp_path / "text.mp3").write_text("This is a letter, not a song.")
    both.write_text(f"{first}\ntext.mp3\n")
    answered = run("similar", f"@{both}", "-n", "2", "--json", status=1)
    assert "left out" in answered.stderr
    assert "text.mp3" in answered.stderr
    assert len(json.loads(answered.stdout)["results"]) == 2
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, np.sin(np.arange(30 * 16_000) / 20), 16_000)
    cut.write_bytes(cut.read_bytes()[: 20 * 32_000])
    part = run("similar", str(cut), "-n", "2", "--json", status=1)
    assert f"{cut}: read only in part: decoded 20.0 of 30.0 s" in part.stderr
    assert len(json.loads(part.stdout)["results"]) == 2
    both.write_text("missing.ogg\n")
    assert "none of its files is known" in run("similar", f"@{both}", status=3).stderr
    both.write_text("#EXTM3U\n")
    assert "names no file" in run("similar", f"@{both}", status=2).stderr
    assert "No such file" in run("similar", "@nothing.m3u8", status=2).stderr
    assert "add --m3u" in run("similar", "1", "--relative-to", ".", status=2).stderr


def test_no_result_says_what_to_do(library: Path) -> None:
    assert "leave one out" in run("similar", "1", "--artist", "Nobody").stderr
    assert "run `fingerprinter analyze --all`" in run("similar", "1", "--tempo", "1-999").stderr
    assert "not a year" in run("similar", "1", "--year", "abc", status=2).stderr


def test_a_map_without_effect_is_told(library: Path) -> None:
    run("export", "all.fpx")
    told = run("--db", "new.db", "import", "all.fpx", "--map", "/no-such=/x", "--json")
    assert "--map /no-such=...: no effect" in told.stderr
    assert json.loads(told.stdout)["unused_maps"] == ["/no-such"]


def test_a_clip_of_a_passage_that_two_tracks_share_has_an_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second track is the first one under a changed header, so that it has another id."""
    from fingerprinter.audio import read_samples, write_wav

    samples = read_samples(MUSIC / "kenta_cho-stg3.ogg", 16_000)
    write_wav(tmp_path / "whole.wav", samples[: 20 * 16_000], 16_000)
    write_wav(tmp_path / "shorter.wav", samples[: 18 * 16_000], 16_000)
    write_wav(tmp_path / "clip.wav", samples[4 * 16_000 : 12 * 16_000], 16_000)
    monkeypatch.setenv("FINGERPRINTER_DB", str(tmp_path / "two.db"))
    files = [str(tmp_path / "whole.wav"), str(tmp_path / "shorter.wav")]
    run("index", "--no-embeddings", "--jobs", "1", *files)
    clip = str(tmp_path / "clip.wav")
    record = json.loads(run("identify", clip, "--alternatives", "1", "--json").stdout)
    found = [each["track"]["path"] for each in (*record["matches"], *record["alternatives"])]
    assert sorted(found) == sorted(files)
    assert "alternatives" not in json.loads(run("identify", clip, "--json").stdout)
    assert "or" in run("identify", clip, "--alternatives", "1").stdout.splitlines()[2].split()
    run("identify", clip, "--alternatives", "1", "--all", status=2)
    moved = run("duplicates", "--move-to", str(tmp_path / "out"), "--dry-run").stdout
    assert "would move" in moved
    assert not (tmp_path / "out").exists()
    run("duplicates", "--move-to", str(tmp_path / "out"))
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_exact_copies_are_moved_and_links_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file that exists stays. A link to it is the same file, and frees no space."""
    monkeypatch.setenv("FINGERPRINTER_DB", str(tmp_path / "exact.db"))
    first, second, link = (tmp_path / f"{name}.ogg" for name in ("first", "second", "third"))
    shutil.copy(MUSIC / "kenta_cho-stg3.ogg", first)
    shutil.copy(first, second)
    link.symlink_to(first)
    told = run("index", "--no-embeddings", "--jobs", "1", *map(str, (first, second, link)))
    assert "1 indexed, 2 updated (2 of them exact copies of others), 0 skipped" in told.stdout
    rows = [line.split(",") for line in run("duplicates", "--format", "csv").stdout.splitlines()]
    assert [(row[1], row[2], row[-1]) for row in rows[1:]] == [
        ("exact", "yes", str(first)),
        ("exact", "no", str(second)),
        ("exact", "no", str(link)),
    ]
    assert " of 1" not in run("duplicates").stdout
    moved = run("duplicates", "--move-to", str(tmp_path / "out"))
    assert f"{link}: a link to {first}; not moved" in moved.stderr
    assert f"(exact copy of {first})" in moved.stdout
    assert (first.exists(), second.exists(), link.exists()) == (True, False, True)
    assert (tmp_path / "out" / "second.ogg").exists()


def test_tags_before_any_analysis_are_one_line(library: Path) -> None:
    (line,) = run("analyze", "--all", "--write", "bpm", status=1).stderr.splitlines()
    assert line.startswith("9 of 9 tracks have no analysis; run `fingerprinter analyze --all`")
    told = run("analyze", "1", "2", "--write", "bpm", status=1).stderr.splitlines()
    assert [line.partition(":")[0] for line in told] == ["track 1", "track 2"]


def test_the_shell_completes_tracks(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(begun: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", f"root show {begun}")
        return CliRunner().invoke(app, []).stdout.split()

    monkeypatch.setenv("_ROOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert completed("") == [str(track_id) for track_id in range(1, 10)]
    assert completed("3") == ["3"]
    assert completed(str(MUSIC / "kenta")) == sorted(map(str, MUSIC.glob("kenta*")))
    library.unlink()
    assert completed("") == []
