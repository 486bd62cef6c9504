"""`duplicates`: copies of real music in groups, as a table and as JSON; what ends it early."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from program import Program, Terminal

from fingerprinter.audio import read_samples, write_wav
from fingerprinter.evaluation.degrade import mp3

MUSIC = Path(__file__).resolve().parents[1] / "music"
SR = 16_000
EVIDENCE_KEYS = ["a", "b", "offset_s", "overlap_s", "confidence", "start_s", "speed"]

Entry = dict[str, Any]


@pytest.fixture(scope="module")
def indexed_copies(
    indexed_demo: Path, inside: list[Entry], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The library with two copies of its first track, and an excerpt of its fifth."""
    first, fifth = (read_samples(MUSIC / inside[n]["file"], SR) for n in (0, 4))
    folder = tmp_path_factory.mktemp("copies")
    write_wav(folder / "1 mp3.wav", mp3(first), SR)
    write_wav(folder / "2 quiet.wav", 0.1 * first, SR)
    write_wav(folder / "3 excerpt.wav", fifth[round(9.01 * SR) : 20 * SR], SR)
    library = Program(str(shutil.copy(indexed_demo, folder / "copies.db")), folder)
    library("index", "--no-embeddings", folder)
    return Path(library.url)


@pytest.fixture
def copies(indexed_copies: Path, tmp_path: Path) -> Program:
    """A copy of that library, which a test may change."""
    return Program(str(shutil.copy(indexed_copies, tmp_path / "copies.db")), tmp_path)


def test_groups_have_tracks_and_evidence(copies: Program, inside: list[Entry]) -> None:
    same, part = copies("duplicates", "--json").records
    assert [list(group) for group in (same, part)] == [["kind", "tracks", "evidence"]] * 2
    n = len(inside)
    assert (same["kind"], [track["id"] for track in same["tracks"]]) == ("same", [1, n + 1, n + 2])
    assert (part["kind"], [track["id"] for track in part["tracks"]]) == ("part", [5, n + 3])
    assert same["tracks"][0] == copies("list", "--json").records[0]
    for row in [*same["evidence"], *part["evidence"]]:
        assert list(row) == EVIDENCE_KEYS
        assert 0.9 <= row["confidence"] < 1
        assert row["speed"] == 1.0
    assert all(abs(row["offset_s"]) < 0.05 for row in same["evidence"])
    (row,) = part["evidence"]
    assert (row["a"], row["b"]) == (5, n + 3)
    assert row["offset_s"] == pytest.approx(9.01, abs=0.02)
    assert row["overlap_s"] == pytest.approx(11, abs=1)


def test_groups_are_printed_as_a_table(copies: Program, inside: list[Entry]) -> None:
    header, *lines = copies("duplicates").out.splitlines()
    assert header.split() == ["group", "kind", "id", "title", "artist", "length", "aligned", "file"]
    assert [line.split()[:3] for line in lines] == [
        ["1", "same", "1"],
        ["1", "same", str(len(inside) + 1)],
        ["1", "same", str(len(inside) + 2)],
        ["2", "part", "5"],
        ["2", "part", str(len(inside) + 3)],
    ]
    assert "0:09." in lines[-1] and " of 5" in lines[-1]
    assert lines[0].endswith(inside[0]["file"])


def test_music_without_copies_has_no_groups(demo_library: Program) -> None:
    run = demo_library("duplicates")
    assert (run.out, run.complaints) == ("", ["no two tracks hold the same recording"])
    assert demo_library("duplicates", "--json").err == ""


def test_nothing_is_deleted(copies: Program) -> None:
    before = copies("list", "--json").out, Path(copies.url).read_bytes()
    copies("duplicates")
    assert (copies("list", "--json").out, Path(copies.url).read_bytes()) == before


def test_damaged_peaks_are_reported_in_one_line(copies: Program) -> None:
    with closing(sqlite3.connect(copies.url)) as connection, connection:
        connection.execute("UPDATE constellation SET data = x'00ff' WHERE track_id = 2")
    run = copies("duplicates", "--json", status=1)
    assert len(run.records) == 2
    (line,) = run.complaints
    assert line.startswith("peaks of track 2: 2 bytes are too few for a block; remove the track")


MANY_TRACKS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
INSERT INTO track (content_id, duration_s, added_at)
SELECT content_id || '/' || i, duration_s, added_at FROM track, n;
INSERT INTO constellation (track_id, data)
SELECT copy.id, data FROM constellation JOIN track ON track.id = track_id
JOIN track AS copy ON copy.content_id LIKE track.content_id || '/%';
"""


def test_ctrl_c_ends_it_in_one_line(copied_demo: Program) -> None:
    with closing(sqlite3.connect(copied_demo.url)) as connection, connection:
        connection.executescript(MANY_TRACKS)
    terminal = Terminal()
    process = copied_demo.start("duplicates", stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.wait_for_tracks(1)
    os.kill(process.pid, signal.SIGINT)
    shown = terminal.read_to_end()
    assert process.wait() == 130
    assert shown.rstrip().endswith("interrupted")
    assert "Traceback" not in shown


def test_a_missing_library_is_reported(program: Program) -> None:
    (line,) = program("duplicates", status=4).complaints
    assert "no library there" in line
