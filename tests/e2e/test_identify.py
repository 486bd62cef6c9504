"""`identify`, over SQLite and PostgreSQL: real clips, honest silence, bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
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
NEVER_NEEDED = {"librosa", "scipy", "faiss", "onnxruntime", "alembic", "mutagen", "numba"}

Entry = dict[str, Any]


def test_clean_clips_are_found_where_they_were_cut(
    box: Program, inside: list[Entry], clips: Any
) -> None:
    paths = [clips.clean(entry) for entry in inside]
    for entry, path, record in zip(
        inside, paths, box("identify", "--json", *paths).records, strict=True
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


def test_clips_as_noisy_as_loud_are_found(box: Program, inside: list[Entry], clips: Any) -> None:
    found = box("identify", "--json", *map(clips.noisy, inside)).records
    titles = [match["track"]["title"] for record in found for match in record["matches"]]
    assert titles == [entry["title"] for entry in inside]


def test_music_from_outside_has_no_match(
    box: Program, outside: Entry, inside: list[Entry], clips: Any
) -> None:
    stranger = [clips.clean(outside, 10.0), clips.noisy(outside)]
    assert [record["matches"] for record in box("identify", "--json", *stranger).records] == [
        [],
        [],
    ]
    table = box("identify", stranger[0], clips.clean(inside[0])).out.splitlines()
    assert table[0].split() == ["clip", "title", "artist", "position", "confidence", "changed"]
    assert table[1].split("  ")[1] == "no match"
    assert [inside[0]["title"], inside[0]["artist"], "0:12.3"] == [
        cell.strip() for cell in table[2].split("  ") if cell.strip()
    ][1:4]
