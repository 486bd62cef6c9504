"""Results of `analyze` in the tags of files, and as a collection for DJ programs."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo_music import MUSIC
from mediafile import MediaFile
from program import Program

from fingerprinter.audio.content import content_id
from fingerprinter.library.music.rekordbox import beat_grid


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose only track is analysed."""
    folder = tmp_path_factory.mktemp("analyzed")
    program = Program(str(folder / "library.db"), folder)
    program("index", MUSIC / "kenta_cho-stg1.opus", "--no-embeddings")
    program("analyze", "1")
    return Path(program.url)


@pytest.fixture
def song(program: Program, analyzed: Path, tmp_path: Path) -> Path:
    """A file of the analysed track, which a test may change; the only one of its library."""
    shutil.copyfile(analyzed, program.url)
    song = tmp_path / "music" / "stage <1> & “one”.opus"
    song.parent.mkdir()
    shutil.copyfile(MUSIC / "kenta_cho-stg1.opus", song)
    path = os.fsencode(song)
    with closing(sqlite3.connect(program.url)) as connection, connection:
        connection.execute("UPDATE file SET path = ?, checksum = NULL", (path,))
    program("index", song.parent, "--no-embeddings")  # notes size and time of the copy
    return song


def test_results_go_into_the_tags_and_the_sound_stays(program: Program, song: Path) -> None:
    before, sound = MediaFile(song), content_id(song)
    assert before.bpm is None and before.rg_track_gain is None
    changes = program("analyze", "--write", "bpm,gain", "--all", "--json").records
    assert {change["tag"] for change in changes} == {"bpm", "rg_track_gain", "rg_track_peak"}
    after = MediaFile(song)
    assert after.bpm == 130
    assert -12 < after.rg_track_gain < -2
    assert after.title == before.title
    assert content_id(song) == sound
    assert [path.name for path in song.parent.iterdir()] == [song.name]


def test_a_written_file_is_not_read_again(program: Program, song: Path) -> None:
    program("analyze", "--write", "bpm", "1")
    report = program("index", song.parent, "--no-embeddings", "--json").record
    assert (report["skipped"], report["updated"], report["indexed"]) == (1, 0, 0)
    assert (
        "0 files changed, 1 have these tags already"
        in program("analyze", "--write", "bpm", "1").out
    )


def test_a_dry_run_changes_nothing(program: Program, song: Path) -> None:
    stat = song.stat()
    out = program("analyze", "--write", "bpm", "--dry-run", "1").out
    assert "bpm none -> 130" in out
    assert "1 files would change" in out
    assert song.stat() == stat


def test_what_cannot_be_written_is_named(program: Program, song: Path) -> None:
    assert (
        "choose some of bpm, key, gain" in program("analyze", "--write", "mood", "1", status=2).err
    )
    song.unlink()
    assert song.name in program("analyze", "--write", "bpm", "1", status=1).err


def test_a_collection_for_dj_programs(program: Program, song: Path, tmp_path: Path) -> None:
    file = tmp_path / "collection.xml"
    program("export", "--rekordbox", file)
    root = ElementTree.parse(file).getroot()
    assert root.attrib == {"Version": "1.0.0"}
    collection = root.find("COLLECTION")
    assert collection is not None and collection.attrib == {"Entries": "1"}
    track = collection[0]
    assert float(track.attrib["AverageBpm"]) == pytest.approx(130, abs=0.3)
    assert track.attrib["Location"].startswith("file://localhost/")
    assert track.attrib["Location"].endswith("stage%20%3C1%3E%20%26%20%E2%80%9Cone%E2%80%9D.opus")
    tempo = track.find("TEMPO")
    assert tempo is not None and float(tempo.attrib["Bpm"]) == pytest.approx(130, abs=1)
    cues = [float(mark.attrib["Start"]) for mark in track.findall("POSITION_MARK")]
    assert cues[0] == 0 and cues == sorted(cues)


def test_a_grid_follows_a_change_of_tempo_but_not_one_odd_beat() -> None:
    steady = [0.5 * k for k in range(12)]
    assert beat_grid(tuple(steady)) == [(0.0, 120.0)]
    slower = steady + [steady[-1] + k for k in range(1, 9)]
    assert beat_grid(tuple(slower)) == [(0.0, 120.0), (5.5, 60.0)]
    assert beat_grid(()) == beat_grid((1.0,)) == []
