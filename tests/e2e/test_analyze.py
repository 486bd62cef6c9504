"""`analyze` and `separate` on real music: output, stored analyses and damaged files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_music import MUSIC
from program import Program

from fingerprinter.audio import read_samples, write_wav

SR = 22_050
KEYS = [
    "query",
    "duration_s",
    "tempo_bpm",
    "tempo_confidence",
    "beats",
    "key",
    "camelot",
    "sections",
    "loudness",
    "tags",
]

Entry = dict[str, Any]


def analyzed_ids(program: Program) -> list[int]:
    with closing(sqlite3.connect(program.url)) as connection:
        rows = connection.execute("SELECT track_id FROM analysis ORDER BY track_id")
        return [track_id for (track_id,) in rows]


@pytest.fixture
def three_tracks(copied_demo: Program, inside: list[Entry]) -> Program:
    """The library with its first three tracks alone, because each analysis takes a while."""
    copied_demo("remove", *map(str, range(4, len(inside) + 1)))
    return copied_demo


def test_the_analysis_of_a_track_is_stored(copied_demo: Program) -> None:
    record = copied_demo("analyze", "3", "--json").record
    assert list(record) == KEYS
    assert analyzed_ids(copied_demo) == [3]
    assert record["query"]["id"] == 3
    assert copied_demo("analyze", "3", "--json").record == record
    assert copied_demo("analyze", "3", "--again", "--json").record == record


def test_analysis_of_music_from_a_sequencer(copied_demo: Program, inside: list[Entry]) -> None:
    """The tempo of this music is a whole number."""
    file = MUSIC / "kenta_cho-stg1.opus"
    record = copied_demo("analyze", file, "--json").record
    assert record["tempo_bpm"] == pytest.approx(130, abs=0.3)
    assert record["tempo_confidence"] > 0.9
    steps = np.diff(record["beats"])
    assert np.median(steps) == pytest.approx(60 / 130, abs=0.01)
    assert set(record["key"]) == {"tonic", "mode", "confidence"}
    assert record["sections"][0]["start_s"] == 0
    assert record["sections"][-1]["end_s"] == pytest.approx(record["duration_s"], abs=0.01)
    assert -20 < record["loudness"]["integrated_lufs"] < -8
    assert record["tags"][0] == {"name": "electronic", "probability": pytest.approx(0.45, abs=0.2)}


def test_all_tracks_are_analyzed_once(three_tracks: Program) -> None:
    three_tracks("analyze", "2")
    report = three_tracks("analyze", "--all", "--jobs", "1", "--json").record
    assert (report["analyzed"], report["skipped"], report["failed"]) == (2, 1, 0)
    assert analyzed_ids(three_tracks) == [1, 2, 3]
    assert three_tracks("analyze", "--all").out.startswith("0 analysed, 3 skipped, 0 failed")
    with closing(sqlite3.connect(three_tracks.url)) as connection, connection:
        connection.execute("UPDATE analysis SET version = 'old' WHERE track_id = 3")
    report = three_tracks("analyze", "--all", "--json").record
    assert (report["analyzed"], report["skipped"]) == (1, 2)


def test_an_analysis_is_printed_as_a_table(sqlite_demo: Program) -> None:
    lines = sqlite_demo("analyze", MUSIC / "kenta_cho-stg3.ogg").out.splitlines()
    names = ["track", "length", "tempo", "beats", "key", "sections", "loudness", "tags"]
    assert [line.split()[0] for line in lines if line] == names
    assert "150." in lines[2] and "LUFS" in lines[6]


def test_bad_files_do_not_stop_the_others(program: Program, tmp_path: Path) -> None:
    silent, short, text = (tmp_path / name for name in ("silent.wav", "short.wav", "text.wav"))
    write_wav(silent, np.zeros(10 * SR), SR)
    write_wav(short, np.full(20, 0.5), SR)
    text.write_text("no sound")
    gone = tmp_path / "gone.wav"
    cut = tmp_path / "cut.ogg"
    cut.write_bytes((MUSIC / "kenta_cho-stg3.ogg").read_bytes()[:60_000])
    program("index", "--no-embeddings", short)
    run = program("analyze", text, gone, silent, short, cut, "--json", status=3)
    one, two, three = run.records
    assert [one[key] for key in KEYS[2:6]] == [None, None, [], None]
    assert one["loudness"]["integrated_lufs"] is None
    assert [part["label"] for part in one["sections"]] == ["A"]
    assert two["beats"] == []
    assert 0 < three["duration_s"] < 30
    assert len(run.complaints) == 3
    assert run.complaints[0].startswith(f"{text}: not audio")
    assert run.complaints[1].startswith(f"{gone}: no track of this library")
    assert "read only in part" in run.complaints[2]


def test_a_file_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINTER_DB", str(tmp_path / "none.db"))
    unnamed = Unnamed("", tmp_path)
    record = unnamed("analyze", MUSIC / "maxstack-through_space.opus", "--json").record
    assert record["query"] == str(MUSIC / "maxstack-through_space.opus")
    assert "no library" in unnamed("analyze", "1", status=4).err


class Unnamed(Program):
    """The command without --db, so that the environment names the library."""

    def line(self, *arguments: Any) -> list[Any]:
        return [each for each in super().line(*arguments) if each not in ("--db", self.url)]


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        ([], 2, "name tracks to analyse, or use --all"),
        (["1", "--all"], 2, "exactly one of the two"),
        (["--all", "--again"], 2, "--again needs track names"),
        (["1", "2", "-o", "a.png"], 2, "a picture shows one track"),
        (["1", "-o", "a.doc"], 2, "a.doc: no kind of picture"),
        (["999"], 3, "no track 999 in this library"),
    ],
)
def test_a_usage_error_is_one_line(
    sqlite_demo: Program, arguments: list[str], status: int, complaint: str
) -> None:
    assert complaint in sqlite_demo("analyze", *arguments, status=status).complaints[-1]


def test_a_missing_file(three_tracks: Program) -> None:
    with closing(sqlite3.connect(three_tracks.url)) as connection, connection:
        gone = "UPDATE file SET path = CAST('/gone.ogg' AS BLOB), checksum = NULL"
        connection.execute(f"{gone} WHERE track_id = 1")
    (line,) = three_tracks("analyze", "1", status=1).complaints
    assert "its file is gone; run `fingerprinter index`" in line
    run = three_tracks("analyze", "--all", "--jobs", "1", "--json", status=1)
    assert run.record["failed"] == 1
    assert run.complaints == ["/gone.ogg: no such file"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["harmonic", "percussive"]),
        (["--components", "3"], ["component-1", "component-2", "component-3"]),
    ],
)
def test_parts_add_up_to_the_track(
    sqlite_demo: Program, tmp_path: Path, options: list[str], names: list[str]
) -> None:
    clip = tmp_path / "clip.wav"
    write_wav(clip, read_samples(MUSIC / "kenta_cho-stg1.opus", 44_100)[: 44_100 * 2] / 2, 44_100)
    record = sqlite_demo("separate", clip, "-o", tmp_path / "parts", *options, "--json").record
    assert record["files"] == [str(tmp_path / "parts" / f"{name}.wav") for name in names]
    parts = [read_samples(file, 44_100) for file in record["files"]]
    np.testing.assert_allclose(np.sum(parts, axis=0), read_samples(clip, 44_100), atol=2e-4)


def test_errors_of_separate(sqlite_demo: Program, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    folder = tmp_path / "parts"
    assert "not audio" in sqlite_demo("separate", text, "-o", folder, status=1).err
    assert not folder.exists()
    folder.write_text("a file")
    run = sqlite_demo("separate", "1", "-o", folder, status=2)
    assert "name another folder" in run.err
    short = tmp_path / "short.wav"
    write_wav(short, np.full(20, 0.5), SR)
    run = sqlite_demo("separate", short, "-o", tmp_path / "p", "--components", "2", status=1)
    assert "too short to be separated" in run.err


def test_an_analysis_is_plotted(sqlite_demo: Program, tmp_path: Path) -> None:
    picture = tmp_path / "analysis.png"
    run = sqlite_demo("analyze", MUSIC / "kenta_cho-stg1.opus", "-o", picture, "--json")
    assert run.record["tempo_bpm"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    silent = tmp_path / "silent.wav"
    write_wav(silent, np.zeros(SR // 10), SR)
    sqlite_demo("analyze", silent, "-o", tmp_path / "silent.svg")
    assert (tmp_path / "silent.svg").exists()
