"""A single-file album with a cue sheet, from `index` to every command that reads the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from program import Program

from fingerprinter.audio import read_samples, write_wav

MUSIC = Path(__file__).resolve().parents[1] / "music"
SR, PART_S = 16_000, 34
NAMES = ("kenta_cho-stg1.opus", "manuel_marino-geoscape.ogg")
SHEET = """PERFORMER "Two of them"
TITLE "The Album"
FILE "image.wav" WAVE
  TRACK 01 AUDIO
    TITLE "Stage"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Geoscape"
    INDEX 01 00:34:00
"""


@pytest.fixture
def album(tmp_path: Path) -> Path:
    parts = [np.resize(read_samples(MUSIC / name), PART_S * SR) for name in NAMES]
    (tmp_path / "album").mkdir()
    write_wav(tmp_path / "album" / "image.wav", np.concatenate(parts), SR)
    (tmp_path / "album" / "image.cue").write_text(SHEET)
    return tmp_path / "album"


def test_commands_work_on_a_track_of_a_sheet(program: Program, album: Path, tmp_path: Path) -> None:
    assert program("index", "--json", album).record["indexed"] == 2
    match = program("identify", "--json", MUSIC / NAMES[1]).record["matches"][0]
    assert match["track"]["title"] == "Geoscape"
    assert match["offset_s"] == pytest.approx(0, abs=0.05)
    assert "start     34.0" in program("show", "2").out
    playlist = tmp_path / "list.m3u8"
    assert "Geoscape" in program("similar", "1", "--m3u", playlist).out
    assert "#EXTVLCOPT:start-time=34.000" in playlist.read_text()
    assert "Stage" in program("similar", f"@{playlist}").out
    music = program("analyze", "--json", "2").record
    assert max(section["end_s"] for section in music["sections"]) <= PART_S + 0.1
    assert "no tag of it is changed" in program("analyze", "--write", "key", "2", status=1).err
    assert "left out 2 tracks" in program("export", "--rekordbox", tmp_path / "r.xml").err
