"""The sketches of a library that is too large for the memory, in a mapped file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from databases import beside
from synthetic import play

from fingerprinter import Library, open_library
from fingerprinter.core.fingerprint.clip_sketch import clip_sketch
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.sketch import Codes, contrast
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.match.policy import DEFAULT_POLICY, SearchPolicy
from fingerprinter.evaluation.degrade import stretched
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.identify.sketch_file import (
    FILE_NAME,
    open_sketches,
    write_sketches,
)
from fingerprinter.library.identify.sketch_index import ListedSketches, read_sketches

SR = 16_000
WORDS = DEFAULT.sketch_words


def tiny_memory(max_bytes: int = 100) -> SearchPolicy:
    return replace(DEFAULT_POLICY, sketch=replace(DEFAULT_POLICY.sketch, max_bytes=max_bytes))


def clip_contrast(track: int, first_s: float, seconds: float = 2.0) -> np.ndarray:
    samples = play(track, 20)[round(first_s * SR) : round((first_s + seconds) * SR)]
    log_mag = log_spectrogram(samples, DEFAULT)
    return contrast(log_mag, 0, len(log_mag))


def listed(library: Library, cache: Path, max_bytes: int = 100) -> ListedSketches:
    with beside(library) as connection:
        found = read_sketches(connection, WORDS, cache, max_bytes)
    assert isinstance(found, ListedSketches)
    return found


def names(library: Library, found: ListedSketches, track: int) -> list[str]:
    """The files of the places that are proposed for a clip of a track, the best first."""
    paths = {each.id: Path(str(each.path)).name for each in library.tracks()}
    return [paths[each.track_id] for each in found.nearest(clip_contrast(track, 5.0), 3)]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for track in range(4):
        soundfile.write(folder / f"{track}.flac", play(track, 20), SR)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_index_writes_a_file_that_proposes_places(
    library_url: str, music: Path, cache: Path
) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        path = library.cache_folder() / FILE_NAME
        assert path.is_file()
        found = listed(library, cache)
        assert names(library, found, 2)[0] == "2.flac"
        best = found.nearest(clip_contrast(2, 5.0), 3)[0]
        assert abs(best.offset - 5 * SR / DEFAULT.hop_length) < 3
        assert len(found.rest) == 0
        [match] = library.identify((play(2, 20)[5 * SR : 7 * SR], SR), min_confidence=0.0)
        assert Path(str(match.track.path)).name == "2.flac"


def test_a_library_that_fits_in_memory_has_no_file(
    library_url: str, music: Path, cache: Path
) -> None:
    with open_library(library_url) as library:
        library.index([music], embeddings=False)
        assert not (library.cache_folder() / FILE_NAME).exists()


def test_later_tracks_are_read_until_they_are_many(
    library_url: str, music: Path, cache: Path
) -> None:
    few = 19 * WORDS * 8  # bytes of the sketches of a track
    with open_library(library_url, policy=tiny_memory(few)) as library:
        library.index([music / "1.flac", music / "2.flac"], embeddings=False)
        path = library.cache_folder() / FILE_NAME
        before = path.read_bytes()
    with open_library(library_url, policy=tiny_memory(3 * few - 1)) as library:
        library.index([music / "3.flac"], embeddings=False)
        assert path.read_bytes() != before  # a track is more than a quarter
    with open_library(library_url, policy=tiny_memory(few)) as library:
        path.write_bytes(before)
        found = listed(library, cache, few)
        assert len(found.rest) == 1
        assert names(library, found, 3)[0] == "3.flac"
        assert "1.flac" in names(library, found, 1)
        assert len(listed(library, cache, few - 1).rest) == 0  # they do not fit either


@pytest.mark.parametrize("damage", ["missing", "cut", "byte", "text", "empty"])
def test_a_damaged_file_is_not_used_and_written_again(
    library_url: str, music: Path, cache: Path, damage: str
) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        path = library.cache_folder() / FILE_NAME
        whole = path.read_bytes()
        wrong = bytearray(whole)
        wrong[200] ^= 255  # in the ids of the tracks
        damages = {"cut": whole[:-8], "byte": wrong, "text": b"no such file", "empty": b""}
        path.unlink()
        if damage != "missing":
            path.write_bytes(damages[damage])
        found = listed(library, cache)
        assert found.file is None
        assert found.nearest(clip_contrast(2, 5.0), 3) == []
        library.index([music], embeddings=False)
        assert path.read_bytes() == whole


def test_an_open_library_uses_a_file_that_was_written_later(
    library_url: str, music: Path, cache: Path
) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        path = library.cache_folder() / FILE_NAME
        whole = path.read_bytes()
        clip = clip_contrast(2, 5.0)
        path.unlink()
        with library.snapshot() as (_, recognizer):
            assert recognizer.load_sketches().nearest(clip, 3) == []
        path.write_bytes(whole)
        with library.snapshot() as (_, recognizer):
            assert len(recognizer.load_sketches().nearest(clip, 3)) == 3


def test_the_file_of_another_library_or_version_is_not_used(
    library_url: str, music: Path, cache: Path
) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        folder, version = library.cache_folder(), projections(WORDS).digest
        assert open_sketches(folder, folder.name, version, WORDS) is not None
        assert open_sketches(folder, "another", version, WORDS) is None
        assert open_sketches(folder, folder.name, "another", WORDS) is None
        assert open_sketches(folder, folder.name, version, 2) is None


def test_a_removed_track_is_not_named(library_url: str, music: Path, cache: Path) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        library.remove([music / "2.flac"])
        clip = play(2, 20)[5 * SR : 7 * SR]
        matches = library.identify((clip, SR), min_confidence=0.0, all_matches=False)
        assert all(Path(str(match.track.path)).name != "2.flac" for match in matches)


def test_a_file_holds_the_sketches_of_all_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes: dict[int, Codes] = {
        7 * n: rng.integers(0, 1 << 64, (int(rng.integers(0, 40)), 2), np.uint64)
        for n in range(1, 90)
    }
    codes[70][3:6] = 0  # silence

    def read() -> Iterator[dict[int, Codes]]:
        for first in range(1, 90, 25):
            yield {7 * n: codes[7 * n] for n in range(first, min(90, first + 25))}

    write_sketches(tmp_path, "library", "v", 2, 5000, read)
    file = open_sketches(tmp_path, "library", "v", 2)
    assert file is not None
    assert file.ids.tolist() == list(codes)
    joined = np.concatenate(list(codes.values()))
    assert sorted(file.lists.rows.tolist()) == np.flatnonzero(joined.any(axis=1)).tolist()
    assert (file.lists.codes == joined[file.lists.rows]).all()
    assert file.lists.starts[-1] == len(joined)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_clip_at_the_start_of_a_recording_begins_before_it(
    library_url: str, music: Path, cache: Path
) -> None:
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        file = listed(library, cache).file
        assert file is not None
        silent_start = np.pad(clip_contrast(3, 0.0), ((20, 0), (0, 0)))
        clip = clip_sketch(silent_start, projections(WORDS))
        best = file.lists.nearest(clip, 1)[0]
        assert best.offset == pytest.approx(-20, abs=2)


@pytest.mark.parametrize("warp", [Warp(1.3, 0.8), Warp(0.65, 1.0), Warp(1.1, 1.1)])
def test_a_changed_clip_is_found_by_the_file(
    library_url: str, music: Path, cache: Path, warp: Warp
) -> None:
    passage = play(2, 20)[3 * SR : round((3 + 6 * warp.tempo + 0.5) * SR)]
    clip = stretched(passage, warp)[: 6 * SR]
    with open_library(library_url, policy=tiny_memory()) as library:
        library.index([music], embeddings=False)
        (match,) = library.identify((clip, SR))
        assert Path(str(match.track.path)).name == "2.flac"
        assert match.offset_s == pytest.approx(3.0, abs=0.06)
        assert (match.tempo, match.pitch) == pytest.approx((warp.tempo, warp.pitch), 0.01)
        (library.cache_folder() / FILE_NAME).unlink()
    with open_library(library_url, policy=tiny_memory()) as library:  # landmarks find the usual one
        found = library.identify((clip, SR))
        assert bool(found) == (warp == Warp(1.1, 1.1))
