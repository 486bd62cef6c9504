"""Cue sheets that are damaged or crafted: one line each, and the file is one track."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from in_process import extract_in_process
from synthetic import SR, play

from fingerprinter import Library, open_library
from fingerprinter.audio.cue_sheet import parse_sheet
from fingerprinter.library.indexing import indexer
from fingerprinter.types import IndexReport

HEAD = 'FILE "a.flac" WAVE\n'
TWO = "TRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\nINDEX 01 00:01:00\n"
MANY = "".join(
    f"TRACK {n % 100:02} AUDIO\nINDEX 01 {n // 60:02}:{n % 60:02}:00\n" for n in range(10_000)
)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr(indexer, "run_in_order", extract_in_process)
    with open_library(tmp_path / "library.db") as library:
        yield library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one audio file of 3 s."""
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "a.flac", play(0, 3), SR)
    soundfile.write(tmp_path / "outside.flac", play(1, 3), SR)
    return tmp_path / "music"


def index(library: Library, folder: Path) -> IndexReport:
    return library.index([folder], embeddings=False)


@pytest.mark.parametrize(
    ("sheet", "reason"),
    [
        ("", "no track of a file in it"),
        ("\x00\xff\n" * 100, "no track of a file in it"),
        (HEAD, "no track of a file in it"),
        (TWO, "no track of a file in it"),
        (HEAD + TWO + "TRACK 03 AUDIO\n", "track 3 has no beginning (INDEX 01)"),
        (
            HEAD + TWO.replace("00:01:00", "00:00:00"),
            "track 2 does not begin after the one before it",
        ),
        (HEAD + TWO + TWO.replace("00:01:00", "00:00:74"), "track 1 does not begin after"),
        (HEAD + TWO.replace("00:01:00", "00:61:00"), "'00:61:00' is no time like 03:20:15"),
        (HEAD + TWO.replace("00:01:00", "9" * 5000), "is no time like 03:20:15"),
        (HEAD + TWO.replace("00:01:00", "00:-1:٣"), "is no time like 03:20:15"),
        (HEAD + TWO.replace("02", "9" * 5000), "a track with the number '999"),
        (HEAD + TWO.replace("00:01:00", "10:00:00"), "a track from 600 s on: no sample in it"),
        (HEAD + MANY, "more than 999 tracks"),
        (HEAD + TWO + "REM x\n" * 200_000, "more than 1 MiB"),
        ('FILE "gone.wav" WAVE\n' + TWO, "it names 'gone.wav', and there is no such file"),
        ('FILE "../outside.flac" WAVE\n' + TWO, "it names '../outside.flac', a file outside"),
        ('FILE "/etc/passwd" WAVE\n' + TWO, "it names '/etc/passwd', a file outside"),
        ('FILE "C:\\a.flac" WAVE\n' + TWO, "a file outside of its folder"),
        ('FILE "\x1b[31m.wav" WAVE\n' + TWO, "it names '\\\\x1b[31m.wav'"),
    ],
)
def test_what_is_no_sheet(library: Library, folder: Path, sheet: str, reason: str) -> None:
    (folder / "sheet.cue").write_text(sheet, encoding="utf-8", newline="")
    report = index(library, folder)
    (problem,) = report.problems
    assert (report.indexed, report.failed) == (1, 0)
    assert problem.message.startswith(f"{folder / 'sheet.cue'}: ")
    assert reason in problem.message
    assert problem.message.isprintable()
    (track,) = library.tracks()
    assert (track.path, track.is_part) == (str(folder / "a.flac"), False)


def test_a_sheet_that_is_no_file(library: Library, folder: Path) -> None:
    os.mkfifo(folder / "pipe.cue")
    (folder / "folder.cue").mkdir()
    (folder / "dead.cue").symlink_to("nowhere")
    (folder / "._a.cue").write_text(HEAD + TWO)
    report = index(library, folder)
    reasons = [problem.message.split(": ", 1)[1] for problem in report.problems]
    end = "; this cue sheet is not used"
    assert reasons == [
        f"{each}{end}"
        for each in ("No such file or directory", "Is a directory", "not a regular file")
    ]
    assert report.indexed == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = HEAD + TWO.replace("INDEX", 'TITLE "Café\x07 – Über"\r\nINDEX')
    (file,) = parse_sheet(text.encode(encoding))
    assert [track.tags.title for track in file.tracks] == ["Café – Über"] * 2


def test_a_sheet_of_one_track_a_file_changes_nothing(library: Library, folder: Path) -> None:
    one = "TRACK 01 AUDIO\nINDEX 01 00:00:00\n"
    gap = "TRACK 02 AUDIO\nINDEX 00 00:02:00\n"
    (folder / "a.cue").write_text(f'{HEAD}{one}{gap}FILE "b.flac" WAVE\nINDEX 01 00:00:00\n')
    report = index(library, folder)
    assert (report.indexed, report.problems) == (1, ())
    assert not library.track(folder / "a.flac").is_part


def test_the_sheet_with_the_name_of_the_file_counts(library: Library, folder: Path) -> None:
    for name, title in (("0", "wrong"), ("a.flac", "right"), ("b", "wrong")):
        (folder / f"{name}.cue").write_text(HEAD + TWO.replace("INDEX", f"TITLE {title}\nINDEX"))
    assert index(library, folder).problems == ()
    assert {track.title for track in library.tracks()} == {"right"}


def test_data_tracks_are_left_out_and_end_the_sound_before_them() -> None:
    data = "TRACK 02 MODE1/2352\nINDEX 01 00:02:00\nTRACK 03 AUDIO\nINDEX 01 00:03:00"
    (file,) = parse_sheet(f"{HEAD}TRACK 01 AUDIO\nINDEX 01 00:00:00\n{data}")
    assert [(track.start_s, track.end_s) for track in file.tracks] == [(0, 2), (3, None)]
