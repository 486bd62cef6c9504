"""Cue sheets: the tracks of a single-file album are tracks, on each database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mutagen.flac
import numpy as np
import pytest
import soundfile
from in_process import extract_in_process
from synthetic import SR, play

from fingerprinter import Library, open_library
from fingerprinter.audio import FilePart, content_id, open_audio, read_samples
from fingerprinter.library.indexing import indexer

PIECES, PIECE_S = 3, 6
SHEET = """REM DATE 1999
REM GENRE Ambient
PERFORMER "The Band"
TITLE "The Album"
FILE "album.wav" WAVE
  TRACK 01 AUDIO
    TITLE "One"
    PERFORMER "A Guest"
    ISRC GBAYE0000001
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Two"
    INDEX 00 00:05:70
    INDEX 01 00:06:00
  TRACK 03 AUDIO
    TITLE "Three"
    INDEX 01 00:12:00
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pieces in one file."""
    path = tmp_path_factory.mktemp("image") / "album.flac"
    soundfile.write(path, np.concatenate([play(n, PIECE_S) for n in range(PIECES)]), SR)
    return path


@pytest.fixture
def album(image: Path, tmp_path: Path) -> Path:
    """The file alone in a folder."""
    (tmp_path / "music").mkdir()
    return Path(shutil.copy(image, tmp_path / "music"))


@pytest.fixture
def library(library_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr(indexer, "run_in_order", extract_in_process)
    with open_library(library_url) as library:
        yield library


def index(library: Library, album: Path, *, prune: bool = False) -> tuple[int, int, int, int]:
    report = library.index([album.parent], embeddings=False, prune=prune, confirm=lambda _: True)
    assert not report.problems
    return report.indexed, report.updated, report.skipped, report.removed


def titles(library: Library) -> list[str | None]:
    return [track.title for track in library.tracks()]


def named(library: Library, seed: int) -> tuple[str | None, float]:
    """Title and position of seconds 2 to 5 of a piece."""
    (match,) = library.identify((play(seed, PIECE_S)[2 * SR : 5 * SR], SR))
    return match.track.title, match.offset_s


def test_the_tracks_of_a_sheet_are_tracks(library: Library, album: Path) -> None:
    album.with_suffix(".cue").write_text(SHEET)
    assert index(library, album) == (3, 0, 0, 0)
    one, two, three = library.tracks()
    assert (one.title, one.artist, one.isrc) == ("One", "A Guest", "GBAYE0000001")
    assert (two.title, two.artist, two.isrc) == ("Two", "The Band", None)
    assert [each.track_number for each in (one, two, three)] == [1, 2, 3]
    assert (one.start_s, one.end_s, two.start_s, two.end_s) == (0, 6, 6, 12)
    assert (three.start_s, three.end_s) == (12, None)
    for track in (one, two, three):
        assert (track.album, track.album_artist) == ("The Album", "The Band")
        assert (track.year, track.genre) == (1999, "Ambient")
        assert track.duration_s == pytest.approx(PIECE_S)
        assert track.content_id == content_id(FilePart(str(album), track.start_s, track.end_s))
    assert library.track(album) == one
    assert library.track(f"{album}#t=12.000") == three
    assert library.verify().is_whole


def test_answers_name_the_track_and_the_position_in_it(library: Library, album: Path) -> None:
    album.with_suffix(".cue").write_text(SHEET)
    index(library, album)
    for seed, title in enumerate(["One", "Two", "Three"]):
        assert named(library, seed) == (title, pytest.approx(2, abs=0.05))


def test_a_change_of_the_sheet_counts(library: Library, album: Path) -> None:
    assert index(library, album) == (1, 0, 0, 0)
    sheet = album.with_suffix(".cue")
    sheet.write_text(SHEET)
    os.utime(sheet, (0, 0))  # older than the album
    assert index(library, album) == (2, 1, 0, 0)  # the whole file is no track
    assert index(library, album) == (0, 0, 3, 0)
    sheet.write_text(SHEET.replace("Three", "Third"))
    assert index(library, album) == (0, 1, 2, 0)
    assert titles(library) == ["One", "Two", "Third"]
    sheet.write_text(SHEET.replace("00:06:00", "00:07:00"))
    assert index(library, album) == (1, 2, 0, 0)
    assert [track.end_s for track in library.tracks()].count(7) == 1
    sheet.unlink()
    assert index(library, album) == (0, 1, 0, 0)
    assert titles(library) == [None]
    assert library.verify().is_whole


def test_an_album_moves_with_its_sheet_and_is_forgotten_with_it(
    library: Library, album: Path
) -> None:
    album.with_suffix(".cue").write_text(SHEET)
    index(library, album)
    ids = [track.id for track in library.tracks()]
    moved = album.parent.rename(album.parent.with_name("elsewhere")) / album.name
    assert index(library, moved) == (0, 3, 0, 0)
    assert [(track.id, track.path) for track in library.tracks()] == [(i, str(moved)) for i in ids]
    moved.unlink()
    (moved.parent / "other.flac").write_bytes(b"")
    report = library.index([moved.parent], embeddings=False, prune=True, confirm=lambda _: True)
    assert report.removed == PIECES
    assert titles(library) == []


def test_a_sheet_inside_the_file(library: Library, album: Path) -> None:
    file = mutagen.flac.FLAC(album)
    file["cuesheet"] = SHEET
    file["title"] = "All of it"
    file["label"] = "Records"
    file.save()
    assert index(library, album) == (3, 0, 0, 0)
    assert titles(library) == ["One", "Two", "Three"]
    assert {track.label for track in library.tracks()} == {"Records"}
    assert index(library, album) == (0, 0, 3, 0)


def test_the_cue_block_of_flac(library: Library, album: Path) -> None:
    file = mutagen.flac.FLAC(album)
    block = mutagen.flac.CueSheet(None)
    block.lead_in_samples, block.compact_disc, block.media_catalog_number = 0, True, b""
    block.tracks = []
    for number, start_s in ((1, 0), (2, 6), (3, 12), (170, 18)):
        track = mutagen.flac.CueSheetTrack(
            number, start_s * SR, isrc=b"GBAYE000000%d" % (number % 10)
        )
        track.indexes = [mutagen.flac.CueSheetTrackIndex(1, 0)] if number != 170 else []
        block.tracks.append(track)
    file.metadata_blocks.append(block)
    file.cuesheet = block
    file["album"] = "The Album"
    file.save()
    assert index(library, album) == (3, 0, 0, 0)
    found = [(track.track_number, track.start_s, track.isrc) for track in library.tracks()]
    assert found == [(1, 0, "GBAYE0000001"), (2, 6, "GBAYE0000002"), (3, 12, "GBAYE0000003")]
    assert {track.album for track in library.tracks()} == {"The Album"}


def test_removed_and_indexed_again(library: Library, album: Path) -> None:
    album.with_suffix(".cue").write_text(SHEET)
    index(library, album)
    library.remove([f"{album}#t=6"])
    assert titles(library) == ["One", "Three"]
    assert index(library, album) == (0, 0, 2, 0)
    os.utime(album)
    assert index(library, album) == (1, 0, 2, 0)


def test_an_exported_part_comes_back(library: Library, album: Path, tmp_path: Path) -> None:
    album.with_suffix(".cue").write_text(SHEET)
    index(library, album)
    library.export_to(tmp_path / "all.fpx")
    with open_library(tmp_path / "other.db") as other:
        other.import_from(tmp_path / "all.fpx")
        assert [each.start_s for each in other.tracks()] == [0, 6, 12]
        assert index(other, album) == (0, 0, 3, 0)


def test_a_part_is_read_sample_for_sample(album: Path) -> None:
    whole = read_samples(album)
    part = FilePart(str(album), 6.0, 12.0)
    np.testing.assert_array_equal(read_samples(part), whole[6 * SR : 12 * SR])
    with open_audio(part, start_s=5.0) as audio:
        assert audio.duration_s == pytest.approx(6)
        np.testing.assert_array_equal(
            np.concatenate(list(audio.blocks())), whole[11 * SR : 12 * SR]
        )
        assert audio.problem is None
