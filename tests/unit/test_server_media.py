"""What the service sends to players: copies in Opus."""

from __future__ import annotations

import os
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fingerprinter.audio import read_samples
from fingerprinter.errors import AudioError
from fingerprinter.server import media
from fingerprinter.server.problems import MissingError
from fingerprinter.types import Track

SR, SECONDS = 22_050, 4
EVERY_FORMAT_IS_COPIED = frozenset[str]()


def track_of(path: Path, start_s: float = 0.0, end_s: float | None = None) -> Track:
    return Track(
        1, str(path), None, None, None, None, None, None, SECONDS, "c" * 32, None,
        datetime(2026, 11, 29, tzinfo=UTC), start_s=start_s, end_s=end_s,
    )  # fmt: skip


@pytest.mark.parametrize("n_channels", [1, 2, 6, 11])
def test_the_part_that_a_track_is_becomes_opus(tmp_path: Path, n_channels: int) -> None:
    loud = np.zeros((SECONDS * SR, n_channels), np.int16)
    loud[round(1.5 * SR) : round(2.5 * SR)] = 8000  # a step, which Opus keeps as a click
    loud *= np.where(np.arange(len(loud)) % 50 < 25, 1, -1)[:, None].astype(np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes(loud.tobytes())
    track = track_of(tmp_path / "a.wav", start_s=1.0, end_s=3.0)
    copy = media.playable(track, tmp_path, codecs=EVERY_FORMAT_IS_COPIED)
    sound = read_samples(copy.path, 8000)
    assert copy.media_type == "audio/ogg"
    assert len(sound) / 8000 == pytest.approx(2.0, abs=0.05)
    times = np.flatnonzero(np.abs(sound) > 0.1) / 8000
    assert (times[0], times[-1]) == pytest.approx((0.5, 1.5), abs=0.03)


def test_what_cannot_be_decoded_leaves_no_copy(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF no audio")
    with pytest.raises(AudioError):
        media.playable(track_of(tmp_path / "a.wav"), tmp_path / "c", codecs=EVERY_FORMAT_IS_COPIED)
    assert list((tmp_path / "c").iterdir()) == []


def test_the_copies_that_were_not_used_for_longest_are_deleted(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        file = tmp_path / f"{name}.opus"
        file.write_bytes(bytes(10))
        os.utime(file, (1000 - age, 1000 - age))
    media.limit_size(tmp_path, 30)
    assert len(list(tmp_path.iterdir())) == 3
    media.limit_size(tmp_path, 15)
    assert [file.name for file in tmp_path.iterdir()] == ["new.opus"]


def test_what_cannot_be_looked_at_is_missing(tmp_path: Path) -> None:
    """A name that is too long, or a folder without permission, was an error 500."""
    for path in (Path("/" + "x" * 300), tmp_path / "\0.wav", tmp_path / "gone.wav"):
        with pytest.raises(MissingError, match="its file is not there"):
            media.source_of(track_of(path))


def test_a_picture_in_the_folder_that_is_no_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    os.mkfifo(tmp_path / "cover.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "front.jpg").symlink_to("front.jpg")
    with pytest.raises(MissingError, match="no cover"):
        media.cover(track_of(tmp_path / "a.wav"))
    (tmp_path / "cover.png").write_bytes(b"\x89PNG picture")
    assert media.cover(track_of(tmp_path / "a.wav")).media_type == "image/png"
