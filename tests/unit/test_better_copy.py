"""Which copy of a recording is the one to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fingerprinter.library.duplicates.better_copy import rank_copies
from fingerprinter.types import Track


@pytest.fixture
def track(tmp_path: Path) -> Track:
    (tmp_path / "a.mp3").touch()
    return Track(
        1, str(tmp_path / "a.mp3"), "Title", None, None, None, None, None, 200.0, "0" * 32, None,
        datetime(2026, 1, 1, tzinfo=UTC), codec="mp3", bit_rate=128_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("better", "reason"),
    [
        ({"codec": "flac", "bit_rate": 700_000}, "lossless"),
        ({"bit_rate": 320_000, "title": None}, "higher bit rate for its codec"),
        ({"codec": "vorbis", "bit_rate": 110_000}, "higher bit rate for its codec"),
        ({"codec": "opus", "bit_rate": 96_000}, "higher bit rate for its codec"),
        ({"artist": "Artist"}, "more tags"),
        ({"duration_s": 210.0, "bit_rate": 64_000}, "longer"),
    ],
)
def test_the_first_merit_that_differs_decides(
    track: Track, better: dict[str, Any], reason: str
) -> None:
    other = replace(track, id=2, **better)
    best, worse = rank_copies([track, other])
    assert (best.track, best.is_best, best.reason) == (other, True, reason)
    assert (worse.track, worse.is_best, worse.reason) == (track, False, reason)


def test_a_track_without_its_file_is_worse_and_among_equals_the_first_is_kept(track: Track) -> None:
    gone = replace(track, id=2, path="/nowhere/b.flac", codec="flac")
    assert [each.track.id for each in rank_copies([gone, track])] == [1, 2]
    twin = replace(track, id=3)
    assert [each.reason for each in rank_copies([twin, track])] == ["added first", "added first"]


def test_encoders_may_cut_a_second(track: Track) -> None:
    lossless = replace(track, id=2, codec="alac", duration_s=199.5)
    assert rank_copies([track, lossless])[0].track is lossless
