"""`plot`: pictures of real clips and tracks, with and without a library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from demo_music import MUSIC
from program import Program

PNG = b"\x89PNG\r\n\x1a\n"

Entry = dict[str, Any]


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG, in pixels."""
    head = picture.read_bytes()[:24]
    assert head.startswith(PNG)
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_a_clip_is_drawn_with_its_match(
    demo_library: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    clip, picture = clips.noisy(inside[2]), tmp_path / "clip.png"
    picture.write_text("what was there before")
    record = demo_library("plot", clip, "-o", picture, "--json").record
    assert list(record) == ["plot", "query", "match"]
    assert (record["plot"], record["query"]) == (str(picture), str(clip))
    assert record["match"] == demo_library("identify", "--json", clip).record["matches"][0]
    assert size(picture) == (1500, 1425)


def test_a_line_says_what_was_drawn(
    sqlite_demo: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    clip, picture = clips.clean(inside[4], 2.0), tmp_path / "clip.png"
    said = sqlite_demo("plot", clip, "-o", picture).out
    title = f"{inside[4]['artist']} - {inside[4]['title']}"
    assert said.startswith(f"{picture}: {clip} matches {title} at 0:12.3, confidence ")


def test_a_clip_that_is_not_known_is_drawn_alone(
    sqlite_demo: Program, outside: Entry, clips: Any, tmp_path: Path
) -> None:
    clip, picture = clips.clean(outside), tmp_path / "clip.png"
    assert sqlite_demo("plot", clip, "-o", picture).out == f"{picture}: {clip}, no match\n"
    assert size(picture) == (1500, 690)
    record = sqlite_demo("plot", clip, "-o", picture, "--json", "--no-match").record
    assert record == {"plot": str(picture), "query": str(clip), "match": None}


def test_a_track_is_drawn_alone_unless_a_match_is_asked_for(
    sqlite_demo: Program, inside: list[Entry], tmp_path: Path
) -> None:
    path, picture = MUSIC / inside[3]["file"], tmp_path / "track.svg"
    part = ["--from", "0:10", "--to", "12.5"]
    record = sqlite_demo("plot", path, "-o", picture, *part, "--json").record
    track_id = record["query"]["id"]
    assert (record["query"]["path"], record["match"]) == (str(path), None)
    assert picture.read_bytes().startswith(b"<?xml")
    record = sqlite_demo("plot", str(track_id), "-o", picture, *part, "--match", "--json").record
    assert record["query"]["id"] == record["match"]["track"]["id"] == track_id
    assert 10 <= record["match"]["clip_start_s"] < record["match"]["clip_end_s"] <= 12.6


def test_a_clip_needs_no_library(
    program: Program, outside: Entry, clips: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, picture = clips.clean(outside), tmp_path / "clip.png"
    monkeypatch.setenv("FINGERPRINTER_DB", str(tmp_path / "none.db"))
    unnamed = Unnamed(program.url, program.folder)
    run = unnamed("plot", clip, "-o", picture)
    assert run.out == f"{picture}: {clip}\n"
    (complaint,) = run.complaints
    assert complaint.startswith(f"{clip}: not identified: {tmp_path / 'none.db'}: no library")
    assert size(picture) == (1500, 690)
    assert unnamed("plot", clip, "-o", picture, "--no-match").err == ""
    assert "no library" in unnamed("plot", clip, "-o", picture, "--match", status=4).err
    assert "no library" in unnamed("plot", "12", "-o", picture, status=4).err
    assert "no library" in program("plot", clip, "-o", picture, status=4).err


class Unnamed(Program):
    """The command with a library that only the environment names."""

    def line(self, *arguments: Any) -> list[Any]:
        return [each for each in super().line(*arguments) if each not in ("--db", self.url)]


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["{clip}", "-o", "picture.doc"], 2, "picture.doc: no kind of picture; name it .png"),
        (["{clip}", "-o", "none/a.png"], 2, "none/a.png: No such file or directory"),
        (
            ["{clip}", "-o", "a.png", "--to", "late"],
            2,
            "late: not a time; write 83, 1:23 or 1:02:03",
        ),
        (["{clip}", "-o", "a.png", "--from", "9", "--to", "3"], 2, "from 9 s to 3 s is no part"),
        (["{clip}", "-o", "a.png", "--from", "1:00:00"], 1, "no sample at or after 3600 s"),
        (["{clip}"], 2, "Missing option '-o'"),
        (["999", "-o", "a.png"], 3, "no track 999 in this library"),
        (["gone.wav", "-o", "a.png"], 3, "gone.wav: no track of this library"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    sqlite_demo: Program,
    inside: list[Entry],
    clips: Any,
    arguments: list[str],
    status: int,
    complaint: str,
) -> None:
    clip = str(clips.clean(inside[0]))
    run = sqlite_demo("plot", *[each.format(clip=clip) for each in arguments], status=status)
    assert run.out == ""
    assert complaint in run.complaints[-1]


def test_without_matplotlib_the_next_step_is_named(
    sqlite_demo: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run = sqlite_demo.process("plot", "1", "-o", "a.png", status=2)
    (complaint,) = run.complaints
    assert complaint.startswith("error: matplotlib is not installed")
    assert "pip install matplotlib" in complaint
