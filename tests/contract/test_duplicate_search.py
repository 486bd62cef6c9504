"""Duplicate search on all databases: copies, edits, parts and mixes of synthetic music."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from in_process import extract_in_process
from sqlalchemy import select, update
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.library import Library
from fingerprinter.library.duplicates.search import SearchProgress
from fingerprinter.library.indexing import indexer
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import files, schema
from fingerprinter.types import DuplicateGroup, Track

Floats = npt.NDArray[np.float32]
Pieces = dict[str, Floats]
Fill = Callable[[Pieces], Library]

PIECE_S = 30


@pytest.fixture
def fill(library_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Return a function that indexes pieces in order and returns the library."""
    monkeypatch.setattr(indexer, "run_in_order", extract_in_process)
    with open_library(library_url) as library:

        def filled(pieces: Pieces) -> Library:
            for name, samples in pieces.items():
                soundfile.write(tmp_path / f"{name}.flac", samples, SR)
            paths = [tmp_path / f"{name}.flac" for name in pieces]
            assert library.index(paths, embeddings=False).indexed == len(pieces)
            return library

        yield filled


def piece(seed: int, start_s: float = 0, end_s: float = PIECE_S) -> Floats:
    return play(seed, PIECE_S)[round(start_s * SR) : round(end_s * SR)]


def names(group: DuplicateGroup) -> tuple[str, ...]:
    return group.kind, *(Path(track.path or "").stem for track in group.tracks)


def found(library: Library) -> list[tuple[str, ...]]:
    return [names(group) for group in library.duplicates().groups]


def named(library: Library, name: str) -> Track:
    (track,) = [each for each in library.tracks() if Path(each.path or "").stem == name]
    return track


def others(*seeds: int) -> Pieces:
    return {f"other{seed}": piece(seed) for seed in seeds}


def test_copies_form_one_group_and_other_music_none(fill: Fill) -> None:
    noise = np.random.default_rng(0).standard_normal(len(piece(1))).astype(np.float32)
    narrow = soxr.resample(soxr.resample(piece(1), SR, 8000), 8000, SR)
    library = fill(
        {
            "original": piece(1),
            **others(3, 4),
            "quiet": 0.1 * piece(1),
            "narrow": narrow,
            "hissing": piece(1) + 0.001 * noise,
        }
    )
    (group,) = library.duplicates().groups
    assert names(group) == ("same", "original", "quiet", "narrow", "hissing")
    ids = [track.id for track in group.tracks]
    assert {row.a for row in group.evidence} | {row.b for row in group.evidence} == set(ids)
    for row in group.evidence:
        assert row.offset_s == pytest.approx(0, abs=0.05)
        assert row.speed == 1.0
        assert row.overlap_s == pytest.approx(PIECE_S, abs=1.5)
        assert 0.9 <= row.confidence < 1


def test_edits_are_copies_with_one_passage_per_part(fill: Fill) -> None:
    cut = np.concatenate([piece(1, 0, 12), piece(1, 15)])
    (group,) = fill({"whole": piece(1), **others(3), "cut": cut}).duplicates().groups
    assert names(group) == ("same", "whole", "cut")
    whole, cut_one = group.tracks
    assert [(row.a, row.b) for row in group.evidence] == [(whole.id, cut_one.id)] * 2
    first, second = group.evidence
    assert (first.offset_s, second.offset_s) == pytest.approx((0, 3), abs=0.05)
    assert first.start_s == pytest.approx(0, abs=1)
    assert first.start_s + first.overlap_s == pytest.approx(12, abs=1)
    assert second.start_s == pytest.approx(15, abs=1)


def test_a_part_is_a_pair_and_no_copy(fill: Fill) -> None:
    (group,) = (
        fill({"part": piece(1, 10.2, 20), **others(3), "whole": piece(1)}).duplicates().groups
    )
    assert names(group) == ("part", "whole", "part")
    (row,) = group.evidence
    assert (row.a, row.b) == tuple(track.id for track in group.tracks)
    assert row.offset_s == pytest.approx(10.2, abs=0.05)


def test_a_mix_joins_nothing(fill: Fill) -> None:
    mix = np.concatenate([piece(1), piece(2)])
    library = fill({"first": piece(1), "second": piece(2), "mix": mix, "copy": 0.5 * piece(1)})
    assert found(library) == [
        ("same", "first", "copy"),
        ("part", "mix", "first"),
        ("part", "mix", "second"),
    ]


def test_tracks_that_share_less_than_most_are_no_pair(fill: Fill) -> None:
    ends_with_half = np.concatenate([piece(1), piece(2, 0, 20)])
    assert found(fill({"mix": ends_with_half, "second": piece(2), **others(3)})) == []


def test_versions_are_different_recordings(fill: Fill) -> None:
    library = fill({name: piece(1) + piece(seed) for name, seed in [("a", 2), ("b", 3), ("c", 4)]})
    assert found(library) == []


def test_a_shared_jingle_is_no_duplicate(fill: Fill) -> None:
    jingle = piece(1, 0, 6)
    library = fill(
        {f"show{seed}": np.concatenate([jingle, piece(seed, 0, 24)]) for seed in (2, 3, 4)}
    )
    assert found(library) == []


def test_a_copy_at_another_speed_is_found(fill: Fill) -> None:
    library = fill({"record": piece(1), "fast": play(1, PIECE_S, 1.03, 1.03), **others(3)})
    (group,) = library.duplicates().groups
    assert names(group) == ("same", "record", "fast")
    (row,) = group.evidence
    factor = 1.03 if row.b == group.tracks[1].id else 1 / 1.03
    assert row.speed == pytest.approx(factor, abs=5e-4)
    assert row.offset_s == pytest.approx(0, abs=0.05)


def test_a_removed_track_is_no_duplicate(fill: Fill) -> None:
    library = fill({"one": piece(1), "two": 0.3 * piece(1)})
    assert found(library) == [("same", "one", "two")]
    library.remove([named(library, "two")])
    assert found(library) == []


def test_a_damaged_track_is_named_and_left_out(fill: Fill, library_url: str) -> None:
    library = fill({"one": piece(1), "two": 0.3 * piece(1), "three": 0.5 * piece(1)})
    damaged = named(library, "two").id
    damage_peaks(library_url, damaged)
    report = library.duplicates()
    assert [names(group) for group in report.groups] == [("same", "one", "three")]
    (problem,) = report.problems
    assert problem.path.endswith("two.flac")
    assert f"peaks of track {damaged}: checksum" in problem.message
    assert "remove the track and index it again" in problem.message


def test_a_library_with_only_damaged_tracks_is_searched(fill: Fill, library_url: str) -> None:
    library = fill({"one": piece(1)})
    damage_peaks(library_url, named(library, "one").id)
    report = library.duplicates()
    assert (report.groups, len(report.problems)) == ((), 1)


def damage_peaks(url: str, track_id: int) -> None:
    """Flip a bit in the peaks of a track."""
    table = schema.constellation
    mine = table.c.track_id == track_id
    with Database.open(url) as database, database.begin() as connection:
        data = connection.execute(select(table.c.data).where(mine)).scalar_one()
        damaged = bytes([*data[:-3], data[-3] ^ 1, *data[-2:]])
        connection.execute(update(table).where(mine).values(data=damaged))


def test_silence_and_tones_are_no_duplicates(fill: Fill) -> None:
    t = np.arange(20 * SR) / SR
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    library = fill(
        {"silence": np.zeros(20 * SR, np.float32), "stillness": np.zeros(9 * SR, np.float32)}
        | {"tone": tone, "shorter": tone[: 12 * SR]}
    )
    assert found(library) == []


def test_exact_copies_of_a_file_come_first(fill: Fill, tmp_path: Path) -> None:
    """Files of one track, and not a file that holds the track twice, as by its cue sheet."""
    library = fill({"quiet": 0.1 * piece(1), "loud": piece(1), **others(3)})
    shutil.copy(tmp_path / "loud.flac", tmp_path / "again.flac")
    library.index([tmp_path / "again.flac"], embeddings=False)
    with Database.open(library.stats().address) as database, database.begin() as connection:
        again = {"size": 1, "mtime_ns": 1, "start_s": 9.0, "end_s": 12.0}
        files.set_file(connection, tmp_path / "other3.flac", named(library, "other3").id, **again)
    assert found(library) == [("exact", "loud", "again"), ("same", "quiet", "loud")]
    (group,) = library.exact_copies()
    (whole,) = group.evidence
    assert {track.id for track in group.tracks} == {whole.a} == {whole.b}
    assert (whole.overlap_s, whole.confidence) == (pytest.approx(PIECE_S), 1.0)


def test_progress_counts_every_track(fill: Fill) -> None:
    seen: list[SearchProgress] = []
    fill(others(2, 3, 4)).duplicates(on_progress=seen.append)
    assert seen == [SearchProgress(3, 3)]


def test_an_empty_library_has_no_duplicates(fill: Fill) -> None:
    report = fill({}).duplicates()
    assert (report.groups, report.problems) == ((), ())


def test_the_minimum_confidence_is_inclusive(fill: Fill) -> None:
    library = fill({"one": piece(1), "part": piece(1, 4, 13)})
    (group,) = library.duplicates(min_confidence=0.5).groups
    certain = group.evidence[0].confidence
    assert library.duplicates(min_confidence=certain).groups == (group,)
    assert library.duplicates(min_confidence=np.nextafter(certain, 1)).groups == ()
