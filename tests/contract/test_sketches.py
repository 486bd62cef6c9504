"""Sketches in both databases, and short clips that are identified by them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from databases import Store, beside
from sqlalchemy import Connection, delete, update
from synthetic import play

from fingerprinter import open_library
from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.sketch import contrast, make_sketches
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.match.candidates import Candidate
from fingerprinter.errors import CorruptionError
from fingerprinter.evaluation.degrade import stretched
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.identify.sketch_index import (
    ListedSketches,
    SketchIndex,
    StoredSketches,
    read_sketches,
)
from fingerprinter.store.tables import feature_rows, library_metadata, schema, sketches, tracks
from fingerprinter.types import Tags

SR = 16_000
CODES = np.array([[0, 1], [1 << 63, (1 << 64) - 1], [5, 7]], np.uint64)


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


def test_sketches_are_read_under_their_version(store: Store) -> None:
    with store.write() as connection:
        one, two, none = (add(connection, f"c{n}") for n in range(3))
        assert sketches.put(connection, one, "v1", CODES)
        assert not sketches.put(connection, one, "v1", CODES[::-1])  # stored already
        assert sketches.put(connection, two, "v1", CODES[:0])
    with store.read() as connection:
        found = sketches.get_all(connection, "v1", 2)
        assert {key: codes.tolist() for key, codes in found.items()} == {
            one: CODES[::-1].tolist(),
            two: [],
        }
        assert sketches.get_all(connection, "v2", 2) == {}
        assert feature_rows.exist(connection, schema.sketch, "v1")
        assert not feature_rows.exist(connection, schema.sketch, "v2")
        [few] = sketches.get_many(connection, [one, none], "v1", 2).items()
        assert (few[0], few[1].tolist()) == (one, CODES[::-1].tolist())
        assert feature_rows.missing(connection, schema.sketch, "v1") == [none]
        assert feature_rows.missing(connection, schema.sketch, "v2") == [one, two, none]
        assert feature_rows.size(connection, schema.sketch.c.data) == CODES.nbytes


def test_another_version_replaces_the_stored_one(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c")
        sketches.put(connection, track_id, "v1", CODES)
        assert sketches.put(connection, track_id, "v2", CODES[:1])
        assert sketches.get_all(connection, "v1", 2) == {}
        tracks.remove(connection, track_id)
        assert feature_rows.size(connection, schema.sketch.c.data) == 0


def test_damaged_sketches_are_reported(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c")
        sketches.put(connection, track_id, "v", CODES)
        connection.execute(update(schema.sketch).values(data=b"eight by"))
        with pytest.raises(CorruptionError, match=f"sketch of track {track_id}"):
            sketches.get_all(connection, "v", 2)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(4):
        soundfile.write(folder / f"{seed}.flac", play(seed, 20), SR)
    return folder


def noisy_second(seed: int, start_s: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Noise twice as loud as the music."""
    clip = play(seed, 20)[round(start_s * SR) :][: round(1.5 * SR)]
    noise = np.random.default_rng(7).standard_normal(len(clip)).astype(np.float32)
    mixed: np.ndarray[tuple[int], np.dtype[np.float32]] = clip + noise * np.float32(
        2.0 * np.sqrt(np.mean(clip**2))
    )
    return mixed


def test_sketches_raise_the_score_of_a_short_clip_and_index_adds_missing_ones(
    library_url: str, music: Path
) -> None:
    with open_library(library_url) as library:
        library.index([music], embeddings=False)
        clip = noisy_second(2, 9.3), SR
        [with_them] = library.identify(clip, min_confidence=0.0)
        assert Path(str(with_them.track.path)).name == "2.flac"
        assert with_them.offset_s == pytest.approx(9.3, abs=0.05)
        listed = library.identify(clip, min_confidence=0.5, all_matches=True)
        assert [(each.track.id, each.score) for each in listed] == [
            (with_them.track.id, with_them.score)
        ]
        with beside(library) as connection:
            connection.execute(delete(schema.sketch))
            library_metadata.bump_revision(connection)  # so that the library reads them again
        without = library.identify(clip, min_confidence=0.0)
        assert not without or without[0].score < with_them.score - 3
        whole = library.identify(
            (play(2, 20)[5 * SR : 7 * SR], SR)
        )  # its null score is the one without likeness
        assert [Path(str(match.track.path)).name for match in whole] == ["2.flac"]
        report = library.index([music], embeddings=False)
        assert (report.indexed, report.updated, report.skipped) == (0, 4, 0)
        [again] = library.identify(clip, min_confidence=0.0)
        assert (again.track.id, again.score) == (with_them.track.id, with_them.score)
        assert library.index([music], embeddings=False).skipped == 4


@pytest.mark.parametrize("warp", [Warp(1.18, 1.0), Warp(0.88, 0.88), Warp(1.0, 1.12)])
def test_sketches_raise_the_score_of_a_changed_clip(
    library_url: str, music: Path, warp: Warp
) -> None:
    changed = stretched(play(3, 20)[4 * SR : 12 * SR], warp)[: 5 * SR]
    noise = np.random.default_rng(5).standard_normal(len(changed)).astype(np.float32)
    clip = changed + noise * np.float32(np.sqrt(np.mean(changed**2))), SR
    with open_library(library_url) as library:
        library.index([music], embeddings=False)
        with_them = library.identify(clip, min_confidence=0.0)[0]
        assert Path(str(with_them.track.path)).name == "3.flac"
        assert with_them.offset_s == pytest.approx(4.0, abs=0.1)
        assert (with_them.tempo, with_them.pitch) == pytest.approx((warp.tempo, warp.pitch), 0.01)
        with beside(library) as connection:
            connection.execute(delete(schema.sketch))
            library_metadata.bump_revision(connection)  # so that the library reads them again
        without = library.identify(clip, min_confidence=0.0)
        assert not without or without[0].score < with_them.score - 8


@pytest.mark.parametrize("profile, words", [("default", 6), ("compact", 2)])
def test_a_profile_sets_the_size_of_sketches(
    library_url: str, music: Path, profile: str, words: int
) -> None:
    with open_library(library_url, profile=profile) as library:
        library.index([music], embeddings=False)
        with beside(library) as connection:
            assert feature_rows.size(connection, schema.sketch.c.data) == 4 * 19 * words * 8  # 20 s
        [found] = library.identify((noisy_second(1, 5.2), SR), min_confidence=0.0)
        assert Path(str(found.track.path)).name == "1.flac"


def test_sketches_that_are_too_many_for_the_memory_are_read_for_candidates(
    library_url: str, music: Path, tmp_path: Path
) -> None:
    log_mag = log_spectrogram(play(2, 20)[5 * SR : 7 * SR], DEFAULT)
    clip = ClipSpectrum(contrast(log_mag, 0, len(log_mag)), log_mag)
    with open_library(library_url) as library:
        library.index([music], embeddings=False)
        places = [Candidate(n, 156.0) for n in (0, *(track.id for track in library.tracks()))]
        with beside(library) as connection:
            held = read_sketches(connection, 6, tmp_path)
            assert isinstance(held, SketchIndex)
            assert len(held) == 4
            listed = read_sketches(connection, 6, tmp_path, max_bytes=100)
            assert isinstance(listed, ListedSketches)
            read = StoredSketches(connection, 6, listed).likeness(clip, places, (-2.0, 0.0, 2.0))
            assert read.tolist() == held.likeness(clip, places, (-2.0, 0.0, 2.0)).tolist()
            assert read.max() > 10


def test_a_removed_track_is_not_found_and_a_new_one_is_at_once(
    library_url: str, music: Path
) -> None:
    with open_library(library_url) as library:
        library.index([music / "1.flac", music / "2.flac"], embeddings=False)
        clip = noisy_second(2, 4.1), SR
        assert library.identify(clip, min_confidence=0.0)[0].score > 0
        library.remove([music / "2.flac"])
        assert all(m.track.path != str(music / "2.flac") for m in library.identify(clip))
        library.index([music / "2.flac"], embeddings=False)
        [found] = library.identify(clip, min_confidence=0.0)
        assert Path(str(found.track.path)).name == "2.flac"


def test_a_track_without_sketches_has_no_likeness() -> None:
    log_mag = log_spectrogram(play(0, 5), DEFAULT)
    above = contrast(log_mag, 0, len(log_mag))
    empty = SketchIndex.empty()
    assert empty.nearest(above, 3) == []
    clip = ClipSpectrum(above, log_mag)
    unlike = empty.likeness(clip, [Candidate(5, 0.0), Candidate(6, 3.5)], (-2.0, 2.0))
    assert unlike.tolist() == [0, 0]
    known = SketchIndex({3: make_sketches(above, projections(6))}, 6)
    here, unknown = known.likeness(clip, [Candidate(3, 0.0), Candidate(4, 0.0)])
    assert here > 10
    assert unknown == 0
