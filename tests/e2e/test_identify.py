"""`identify` over SQLite and PostgreSQL: clean, noisy, changed and unknown clips."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pytest
from program import COMMAND, Program

from fingerprinter.audio import read_samples, write_wav

CLIP_KEYS = ["clip", "duration_s", "elapsed_s", "matches"]
MATCH_KEYS = [
    "track",
    "score",
    "confidence",
    "offset_s",
    "clip_start_s",
    "clip_end_s",
    "tempo",
    "pitch",
]
LOOPING = "Kenta Cho"  # several offsets in his pieces are equally right
NEVER_NEEDED = {
    "av",  # only the process that decodes
    "librosa",
    "scipy",
    "faiss",
    "onnxruntime",
    "alembic",
    "mediafile",
    "mutagen",
    "numba",
}

Entry = dict[str, Any]


def test_clean_clips_are_found_where_they_were_cut(
    demo_library: Program, inside: list[Entry], clips: Any
) -> None:
    paths = [clips.clean(entry) for entry in inside]
    for entry, path, record in zip(
        inside, paths, demo_library("identify", "--json", *paths).records, strict=True
    ):
        assert list(record) == CLIP_KEYS
        assert (record["clip"], record["duration_s"]) == (str(path), 5.0)
        (match,) = record["matches"]
        assert list(match) == MATCH_KEYS
        assert match["track"]["title"] == entry["title"]
        assert match["track"]["artist"] == entry["artist"]
        assert match["confidence"] >= 0.99
        assert (match["tempo"], match["pitch"]) == (1.0, 1.0)
        assert 0 <= match["clip_start_s"] < match["clip_end_s"] <= 5.0
        if entry["artist"] != LOOPING:
            assert match["offset_s"] == pytest.approx(clips.start_s, abs=0.05)


def test_a_folder_of_clips_is_named_by_several_processes_as_by_one(
    sqlite_demo: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    (folder / "more").mkdir(parents=True)
    for number, entry in enumerate(inside[:3]):
        copyfile(clips.clean(entry), folder / f"{number}.wav")
    (folder / "more" / "3.wav").write_bytes(b"RIFF")
    (folder / "notes.txt").write_text("no clip")
    (tmp_path / "empty").mkdir()
    (folder / "more" / "gone.wav").symlink_to("nowhere")
    runs = [
        sqlite_demo("identify", "--json", "--jobs", n, folder, tmp_path / "empty", status=1)
        for n in (1, 2)
    ]
    for run in runs:
        assert [Path(record["clip"]).name for record in run.records] == ["0.wav", "1.wav", "2.wav"]
        titles = [record["matches"][0]["track"]["title"] for record in run.records]
        assert titles == [entry["title"] for entry in inside[:3]]
        gone, empty, broken = run.complaints
        assert gone == f"{folder / 'more' / 'gone.wav'}: no such file or folder"
        assert empty == f"{tmp_path / 'empty'}: no audio file in it"
        assert broken.startswith(f"{folder / 'more' / '3.wav'}: ")
    one, two = ([record["matches"] for record in run.records] for run in runs)
    assert one == two
    nothing = sqlite_demo("identify", tmp_path / "empty", status=1)
    assert (nothing.out, nothing.complaints) == ("", [empty])


def test_clips_as_noisy_as_loud_are_found(
    demo_library: Program, inside: list[Entry], clips: Any
) -> None:
    found = demo_library("identify", "--json", *map(clips.noisy, inside)).records
    titles = [match["track"]["title"] for record in found for match in record["matches"]]
    assert titles == [entry["title"] for entry in inside]


def test_music_from_outside_has_no_match(
    demo_library: Program, outside: Entry, inside: list[Entry], clips: Any
) -> None:
    stranger = [clips.clean(outside, 10.0), clips.noisy(outside)]
    assert [
        record["matches"] for record in demo_library("identify", "--json", *stranger).records
    ] == [
        [],
        [],
    ]
    table = demo_library("identify", stranger[0], clips.clean(inside[0])).out.splitlines()
    assert table[0].split() == ["clip", "title", "artist", "position", "confidence", "changed"]
    assert table[1].split("  ")[1] == "no match"
    assert [inside[0]["title"], inside[0]["artist"], "0:12.3"] == [
        cell.strip() for cell in table[2].split("  ") if cell.strip()
    ][1:4]


def test_a_recording_of_two_tracks_is_a_track_list(
    demo_library: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    parts = [read_samples(clips.clean(entry, 15.0)) for entry in (inside[0], inside[4])]
    write_wav(tmp_path / "radio.wav", np.concatenate(parts), 16_000)
    first, second = demo_library("identify", "--all", "--json", tmp_path / "radio.wav").record[
        "matches"
    ]
    assert [first["track"]["title"], second["track"]["title"]] == ["WinGame", inside[4]["title"]]
    assert (first["clip_start_s"], first["clip_end_s"]) == pytest.approx((0, 15), abs=0.8)
    assert (second["clip_start_s"], second["clip_end_s"]) == pytest.approx((15, 30), abs=0.8)
    assert second["offset_s"] == pytest.approx(clips.start_s - 15, abs=0.05)
    (only,) = demo_library("identify", "--json", tmp_path / "radio.wav").record["matches"]
    assert only["track"]["title"] in {"WinGame", inside[4]["title"]}


def test_a_clip_comes_from_standard_input(
    sqlite_demo: Program, inside: list[Entry], clips: Any
) -> None:
    data = clips.clean(inside[1]).read_bytes()
    record = sqlite_demo("identify", "--json", "-", stdin=data).record
    assert record["clip"] == "-"
    assert [match["track"]["title"] for match in record["matches"]] == [inside[1]["title"]]


def test_a_clip_that_is_faster_says_so(
    sqlite_demo: Program, inside: list[Entry], clips: Any, tmp_path: Path
) -> None:
    samples = read_samples(clips.clean(inside[6], 10.0), 16_000)
    write_wav(tmp_path / "fast.wav", samples, 16_640)
    (match,) = sqlite_demo("identify", "--json", tmp_path / "fast.wav").record["matches"]
    assert match["track"]["title"] == inside[6]["title"]
    assert match["tempo"] == pytest.approx(1.04, abs=0.005)
    assert match["pitch"] == pytest.approx(1.04, abs=0.005)


def test_identify_loads_only_what_it_needs(
    sqlite_demo: Program, inside: list[Entry], clips: Any
) -> None:
    """Imports are most of the time that a user waits for a short clip."""
    python, *command = COMMAND
    arguments = ["--db", sqlite_demo.url, "identify", clips.clean(inside[0])]
    run = subprocess.run(
        [python, "-X", "importtime", *command, *arguments],
        env=sqlite_demo.env,
        capture_output=True,
        check=True,
    )
    imports = [line.rpartition("|")[2] for line in run.stderr.decode().splitlines()]
    loaded = {name.strip().partition(".")[0] for name in imports}
    assert {"numpy", "sqlalchemy"} <= loaded
    assert not loaded & NEVER_NEEDED
