"""The operations of `Library` on all databases, with synthetic music."""

from __future__ import annotations

import doctest
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from databases import DIALECTS, LIBRARIES, beside
from in_process import extract_in_process, load_model_once
from sqlalchemy import select, text, update
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.core.fingerprint.params import COMPACT, DEFAULT
from fingerprinter.errors import (
    AudioError,
    CorruptionError,
    ModelError,
    UnknownTrackError,
    UsageError,
    VersionError,
)
from fingerprinter.library import Library
from fingerprinter.library import library as library_module
from fingerprinter.library.base.progress import Progress
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.extract import ExtractedFile
from fingerprinter.library.indexing.ingest import FoundFile
from fingerprinter.library.indexing.workers import ExtractJob
from fingerprinter.library.maintain import lists as lists_module
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import sizes
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import library_metadata, schema
from fingerprinter.types import IndexReport

PIECES = 4
PIECE_S = 6


# Tests of files, tags and embeddings do not ask where the landmarks lie.
in_one_place = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(params=LIBRARIES)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pieces 0.flac, 1.flac, ..., titled by their number."""
    folder = tmp_path_factory.mktemp("pieces")
    for seed in range(PIECES):
        soundfile.write(folder / f"{seed}.flac", play(seed, PIECE_S), SR)
        tag(folder / f"{seed}.flac", f"Piece {seed}")
    return folder


@pytest.fixture
def music(pieces: Path, tmp_path: Path) -> Path:
    """The same files in a folder that the test may change."""
    return Path(shutil.copytree(pieces, tmp_path / "music"))


@pytest.fixture
def library(library_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr(indexer, "run_in_order", extract_in_process)
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    with open_library(library_url) as library:
        yield library


def tag(path: Path, title: str) -> None:
    file = mutagen.File(path)
    file["title"] = title
    file.save()


def index(library: Library, *paths: Path, **options: Any) -> IndexReport:
    return library.index(paths, embeddings=False, **options)


def done(report: IndexReport) -> tuple[int, int, int, int]:
    return report.indexed, report.updated, report.skipped, report.failed


def clip(seed: int) -> tuple[npt.NDArray[np.float32], int]:
    """Seconds 2 to 4 of a piece."""
    return play(seed, PIECE_S)[2 * SR : 4 * SR], SR


def identified(library: Library, *seeds: int) -> list[str | None]:
    """The title that a clip of each piece is identified as, or None."""
    answers = [library.identify(clip(seed)) for seed in seeds]
    return [matches[0].track.title if matches else None for matches in answers]


def damage(url: str, table: str) -> int:
    """Flip a bit in the first row of packed data of a table, and return the key of the row."""
    rows = schema.metadata.tables[table]
    key = next(iter(rows.primary_key))
    with Database.open(url) as database, database.begin() as connection:
        id_, data = connection.execute(select(key, rows.c.data).order_by(key).limit(1)).one()
        damaged = bytes([*data[:-3], data[-3] ^ 1, *data[-2:]])
        connection.execute(update(rows).where(key == id_).values(data=damaged))
    return int(id_)


def test_indexed_music_is_identified(library: Library, music: Path) -> None:
    report = index(library, music)
    assert done(report) == (PIECES, 0, 0, 0)
    assert report.audio_s == pytest.approx(PIECES * PIECE_S)
    for seed in range(PIECES):
        (match,) = library.identify(clip(seed))
        assert match.track.path == str(music / f"{seed}.flac")
        assert match.offset_s == pytest.approx(2, abs=0.05)
        assert (match.tempo, match.pitch) == (1, 1)
    assert identified(library, 100) == [None]


def test_the_examples_in_the_documentation(library: Library, music: Path) -> None:
    if not library.stats().address.endswith(".db"):
        pytest.skip("the examples name tracks by the ids that a new SQLite library gives them")
    library.index([music])
    names = {"library": library, "music": music}
    for module, least in ((library_module, 20), (lists_module, 10)):
        result = doctest.testmod(module, extraglobs=names)
        assert (result.failed, result.attempted > least) == (0, True)


def test_threads_share_one_library(library: Library, music: Path) -> None:
    """All threads see each change."""
    index(library, music)
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda seed: identified(library, seed), range(PIECES))] == [
            [f"Piece {seed}"] for seed in range(PIECES)
        ]
        library.remove([music / "1.flac"])
        found = [*pool.map(lambda seed: identified(library, seed), [0, 1] * 4)]
    assert found == [["Piece 0"], [None]] * 4


def test_stats_count_tracks_and_landmarks(library: Library, music: Path) -> None:
    index(library, music)
    stats = library.stats()
    assert (stats.tracks, stats.files, stats.embeddings, stats.segments) == (PIECES, PIECES, 0, 1)
    assert stats.audio_s == pytest.approx(PIECES * PIECE_S)
    assert stats.params_id == DEFAULT.id
    assert stats.landmarks > 100 * PIECES * PIECE_S
    assert stats.landmark_bytes < 4 * stats.landmarks
    held = list(library.tracks())
    assert [track.title for track in held] == [f"Piece {seed}" for seed in range(PIECES)]
    assert library.track(held[1].id) == library.track(music / "1.flac") == held[1]
    assert library.files(held[1]) == [str(music / "1.flac")]


def test_disk_use_adds_up(library: Library, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(library, music)
    stats, disk = library.stats(), library.disk_use()
    assert disk.parts is not None
    assert sum(part.bytes for part in disk.parts.values()) + (disk.free_bytes or 0) == (
        disk.disk_bytes
    )
    packed = {"landmarks": stats.landmark_bytes, "peaks": stats.constellation_bytes}
    for name, part in disk.parts.items():
        assert packed.get(name, 1) <= part.bytes < disk.disk_bytes
        assert part.mb_per_hour == pytest.approx(part.bytes / 1e6 / (stats.audio_s / 3600))
    assert stats.dead_share == 0
    library.remove([track.id for track in library.tracks()][:1])
    assert library.stats().dead_share == pytest.approx(1 / PIECES, rel=0.01)

    monkeypatch.setattr(sizes, "HAS_DBSTAT", text("SELECT 1 WHERE 1 = 0"))
    if not stats.address.startswith("postgresql"):  # SQLite of another build
        without = library.disk_use()
        assert (without.disk_bytes, without.parts) == (disk.disk_bytes, None)


def test_every_table_belongs_to_a_part() -> None:
    tables = {table.name for table in schema.metadata.sorted_tables}
    assert tables - sizes._PART_OF.keys() == {"setting"}


def test_an_empty_library_has_no_answer(library: Library) -> None:
    assert library.identify(clip(0)) == []
    assert list(library.tracks()) == []
    assert library.stats().mb_per_hour is None
    assert library.reindex() == 0


@in_one_place
def test_unchanged_and_touched_files_are_skipped(library: Library, music: Path) -> None:
    index(library, music)
    assert done(index(library, music, music / "0.flac")) == (0, 0, PIECES, 0)
    os.utime(music / "0.flac", ns=(1, 1))
    report = index(library, music)
    assert (done(report), report.audio_s) == ((0, 0, PIECES, 0), 0)
    assert done(index(library, music)) == (0, 0, PIECES, 0)


@in_one_place
def test_a_retagged_file_is_not_analyzed_again(library: Library, music: Path) -> None:
    index(library, music)
    before = library.track(music / "2.flac")
    tag(music / "2.flac", "Another title")
    report = index(library, music)
    assert (done(report), report.audio_s) == ((0, 1, PIECES - 1, 0), 0)
    after = library.track(music / "2.flac")
    assert (after.id, after.added_at, after.title) == (before.id, before.added_at, "Another title")
    assert identified(library, 2) == ["Another title"]


@in_one_place
def test_a_moved_file_is_not_analyzed_again(library: Library, music: Path) -> None:
    index(library, music)
    before = library.track(music / "2.flac")
    (music / "2.flac").rename(music / "moved.flac")
    report = index(library, music)
    assert (done(report), report.audio_s) == ((0, 1, PIECES - 1, 0), 0)
    assert library.files(before) == [str(music / "moved.flac")]


@in_one_place
def test_files_that_swap_their_names_keep_their_tracks(library: Library, music: Path) -> None:
    index(library, music)
    ids = [library.track(music / f"{seed}.flac").id for seed in (0, 1)]
    (music / "0.flac").rename(music / "x.flac")
    (music / "1.flac").rename(music / "0.flac")
    (music / "x.flac").rename(music / "1.flac")
    report = index(library, music)
    assert (done(report), report.audio_s) == ((0, 2, PIECES - 2, 0), 0)
    assert [library.track(music / f"{seed}.flac").id for seed in (1, 0)] == ids
    assert identified(library, 0, 1) == ["Piece 0", "Piece 1"]


def test_a_file_with_other_sound_replaces_its_track(library: Library, music: Path) -> None:
    index(library, music)
    before = library.track(music / "2.flac")
    soundfile.write(music / "2.flac", play(50, PIECE_S), SR)
    tag(music / "2.flac", "New sound")
    report = index(library, music)
    assert done(report) == (0, 1, PIECES - 1, 0)
    assert report.audio_s == pytest.approx(PIECE_S)
    assert identified(library, 2, 50) == [None, "New sound"]
    with pytest.raises(UnknownTrackError, match=f"no track {before.id}"):
        library.track(before)


@pytest.mark.parametrize("at_once", [True, False])
def test_one_recording_under_two_paths_is_one_track(
    library: Library, music: Path, at_once: bool
) -> None:
    if not at_once:
        index(library, music)
    shutil.copy(music / "0.flac", music / "copy.flac")
    index(library, music)
    assert library.stats().tracks == PIECES
    assert library.files(music / "copy.flac") == [
        str(music / name) for name in ("0.flac", "copy.flac")
    ]
    assert done(index(library, music)) == (0, 0, PIECES + 1, 0)


@in_one_place
def test_only_pruning_forgets_files_that_are_gone(library: Library, music: Path) -> None:
    shutil.copy(music / "0.flac", music / "copy.flac")
    index(library, music)
    for name in ("0.flac", "1.flac"):
        (music / name).unlink()
    assert index(library, music).removed == 0
    assert index(library, music, prune=True).removed == 1
    assert library.files(music / "copy.flac") == [str(music / "copy.flac")]
    assert identified(library, 0, 1) == ["Piece 0", None]


@in_one_place
def test_a_folder_that_is_gone_is_not_pruned(library: Library, music: Path) -> None:
    """It may be on a disk that is not mounted."""
    index(library, music)
    music.rename(music.parent / "elsewhere")
    report = index(library, music, prune=True)
    assert (report.removed, report.failed) == (0, 1)
    assert library.stats().tracks == PIECES


@in_one_place
def test_a_folder_without_audio_is_pruned_on_demand_only(library: Library, music: Path) -> None:
    """It may be the mount point of a disk that is not mounted."""
    index(library, music)
    music.rename(music.parent / "elsewhere")
    music.mkdir()
    report = index(library, music, prune=True, confirm=lambda _: True)
    assert (report.removed, report.failed) == (0, 1)
    assert "--prune-empty-root" in report.problems[0].message
    report = index(library, music, prune=True, prune_empty_root=True, confirm=lambda _: True)
    assert (report.removed, report.failed) == (PIECES, 0)


@in_one_place
def test_pruning_asks_before_it_forgets_more_than_half(library: Library, music: Path) -> None:
    index(library, music)
    for number in range(1, PIECES):
        (music / f"{number}.flac").unlink()
    asked: list[str] = []
    report = index(library, music, prune=True, confirm=lambda text: bool(asked.append(text)))
    assert (report.removed, report.failed) == (0, 1)
    assert asked == [f"{music}: {PIECES - 1} of {PIECES} files are gone; forget them?"]
    assert index(library, music, prune=True).removed == 0
    assert index(library, music, prune=True, confirm=lambda _: True).removed == PIECES - 1


@in_one_place
def test_pruning_keeps_what_cannot_be_looked_at(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may look at everything, so the system's answer is replaced."""
    index(library, music)
    hidden, lstat = str(music / "0.flac"), os.lstat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if os.fsdecode(path) == hidden:
            raise PermissionError(13, "Permission denied")
        return lstat(path, **options)

    (music / "0.flac").unlink()
    monkeypatch.setattr(os, "lstat", refuse)
    assert index(library, music, prune=True).removed == 0
    monkeypatch.undo()
    assert index(library, music, prune=True).removed == 1


def test_a_removed_track_is_not_identified(library: Library, music: Path) -> None:
    index(library, music)
    (removed,) = library.remove([music / "1.flac"])
    assert identified(library, 0, 1) == ["Piece 0", None]
    assert library.stats().removed_tracks == 1
    assert done(index(library, music)) == (1, 0, PIECES - 1, 0)
    assert identified(library, 1) == ["Piece 1"]
    assert library.track(music / "1.flac").id > removed.id


def test_removal_is_all_or_nothing(library: Library, music: Path) -> None:
    index(library, music)
    with pytest.raises(UnknownTrackError, match="nowhere"):
        library.remove([music / "0.flac", "nowhere.flac"])
    assert library.stats().tracks == PIECES
    twice = library.track(music / "0.flac")
    library.remove([music / "0.flac", twice])
    assert library.stats().tracks == PIECES - 1


@in_one_place
def test_unreadable_files_do_not_stop_the_others(library: Library, music: Path) -> None:
    (music / "0a.mp3").write_text("no sound in here")
    (music / "1a.wav").touch()
    whole = (music / "2.flac").read_bytes()
    (music / "2.flac").write_bytes(whole[: len(whole) // 2])
    report = index(library, music, music / "nowhere.flac")
    assert done(report) == (PIECES, 0, 0, 3)
    found = {Path(problem.path).name: problem.message for problem in report.problems}
    assert set(found) == {"0a.mp3", "1a.wav", "2.flac", "nowhere.flac"}
    assert "indexed in part" in found["2.flac"]
    assert library.stats().tracks_in_part == 1
    assert identified(library, 0, 3) == ["Piece 0", "Piece 3"]


@in_one_place
def test_progress_counts_every_file(library: Library, music: Path) -> None:
    (music / "0a.mp3").write_text("no sound in here")
    steps: list[Progress] = []
    library.index([music], embeddings=False, on_progress=steps.append)
    assert [(step.done, step.total) for step in steps] == [(n + 1, 5) for n in range(5)]
    assert steps[-1].audio_s == pytest.approx(PIECES * PIECE_S)


def test_a_track_that_is_removed_during_a_run_is_reported(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(library, music)

    def extract_too_late(
        files: Sequence[FoundFile], job: ExtractJob, jobs: int
    ) -> Iterator[tuple[FoundFile, ExtractedFile | AudioError]]:
        results = list(extract_in_process(files, job, jobs))
        library.remove([music / "0.flac"])
        yield from results

    tag(music / "0.flac", "Another title")
    with monkeypatch.context() as patch:
        patch.setattr(indexer, "run_in_order", extract_too_late)
        report = index(library, music)
    assert done(report) == (0, 0, PIECES - 1, 1)
    assert "removed meanwhile; run `index` again" in report.problems[0].message
    assert done(index(library, music)) == (1, 0, PIECES - 1, 0)


def test_reindex_rebuilds_the_same_landmarks(library: Library, music: Path) -> None:
    index(library, music)
    library.remove([music / "3.flac"])
    assert library.reindex() == PIECES - 1
    assert identified(library, 0, 1, 2, 3) == ["Piece 0", "Piece 1", "Piece 2", None]
    assert library.stats().removed_tracks == 0


def test_damaged_landmarks_are_noticed_and_rebuilt(
    library: Library, library_url: str, music: Path
) -> None:
    index(library, music)
    damage(library_url, "posting_block")
    with pytest.raises(CorruptionError, match=r"landmark segment .* run `fingerprinter reindex`"):
        identified(library, *range(PIECES))
    library.reindex()
    assert identified(library, 0, 1) == ["Piece 0", "Piece 1"]


def test_damaged_peaks_are_noticed_and_change_nothing(
    library: Library, library_url: str, music: Path
) -> None:
    index(library, music)
    track_id = damage(library_url, "constellation")
    before = library.stats()
    with pytest.raises(CorruptionError, match=f"peaks of track {track_id}: checksum .* again"):
        library.reindex()
    assert library.stats() == before
    library.remove([track_id])
    index(library, music)
    assert library.reindex() == PIECES


@in_one_place
def test_a_damaged_embedding_is_named_and_made_again(library: Library, music: Path) -> None:
    """`verify` names the steps that help: to index again without removing does not."""
    library.index([music])
    damaged = library.track(music / "1.flac").id
    mine = schema.embedding.c.track_id == damaged
    with beside(library) as connection:
        connection.execute(update(schema.embedding).where(mine).values(vector=b"1234"))
        library_metadata.bump_revision(connection)
    for mend in (lambda: library.index([music]), library.reindex):
        mend()
        with pytest.raises(CorruptionError, match=f"embedding of track {damaged} .*er verify`"):
            library.library_vectors()
    library.remove([damaged])
    library.index([music])
    assert len(library.library_vectors()) == PIECES


def test_an_open_library_keeps_up_with_another_writer(
    library: Library, library_url: str, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It also sees a merge of segments that it has read."""
    with open_library(library_url) as other, monkeypatch.context() as patch:
        patch.setattr(postings, "MERGE_FACTOR", 1000)  # merges nothing
        for seed in range(PIECES):
            index(other, music / f"{seed}.flac")
            assert identified(library, seed) == [f"Piece {seed}"]
    with Database.open(library_url) as database:
        merge_segments(database, DEFAULT)
    assert library.stats().segments == 1
    assert identified(library, 0, 3) == ["Piece 0", "Piece 3"]


@in_one_place
def test_embeddings_may_come_later(library: Library, music: Path) -> None:
    index(library, music)
    with pytest.raises(ModelError, match="no track has an embedding"):
        library.similar(music / "0.flac")
    report = library.index([music])
    assert done(report) == (0, PIECES, 0, 0)
    assert done(library.index([music])) == (0, 0, PIECES, 0)
    assert library.stats().embeddings == PIECES
    neighbours = library.similar(music / "0.flac", n=2)
    assert len(neighbours) == 2
    assert neighbours[0].similarity >= neighbours[1].similarity
    assert "Piece 0" not in {neighbour.track.title for neighbour in neighbours}


@in_one_place
def test_the_vector_index_follows_the_library(library: Library, music: Path) -> None:
    library.index([music])
    piece = library.track(music / "0.flac")
    assert len(library.similar(piece)) == PIECES - 1
    library.remove([music / "1.flac"])
    assert "Piece 1" not in {each.track.title for each in library.similar(piece)}
    (music / "1.flac").rename(music / "again.flac")
    library.index([music])
    assert "Piece 1" in {each.track.title for each in library.similar(piece)}


@in_one_place
def test_similar_takes_any_file(library: Library, music: Path, tmp_path: Path) -> None:
    library.index([music])
    again = tmp_path / "again.wav"
    soundfile.write(again, play(2, PIECE_S), SR)
    nearest = library.similar(again, n=1)[0]
    assert nearest.track.title == "Piece 2"
    assert nearest.similarity > 0.99
    with pytest.raises(UnknownTrackError, match="nowhere"):
        library.similar("nowhere.wav")


@in_one_place
def test_the_whole_library_as_arrays(library: Library, music: Path) -> None:
    assert len(library.library_vectors()) == 0
    library.index([music])
    space = library.library_vectors()
    assert space.ids.tolist() == [track.id for track in library.tracks()]
    assert space.tags.shape == (PIECES, len(load_model_once().tags))
    for id_, row in zip(space.ids.tolist(), space.vectors @ space.vectors.T, strict=True):
        for neighbour in library.similar(id_):
            cosine = row[space.ids == neighbour.track.id]
            assert cosine == pytest.approx(neighbour.similarity, abs=0.1)  # but for hubs


def test_the_sound_is_decoded_once_for_both_analyses() -> None:
    """The embedding model takes the samples at the rate of the landmarks."""
    assert load_model_once().sr == DEFAULT.sr


@in_one_place
def test_a_library_of_other_parameters_is_refused(library: Library, library_url: str) -> None:
    with Database.open(library_url) as database, database.begin() as connection:
        library_metadata.put(connection, library_metadata.PARAMS_ID, "0123456789abcdef")
    with pytest.raises(VersionError, match=f"params_id 0123456789abcdef.*{DEFAULT.id}"):
        open_library(library_url)


@in_one_place
def test_less_than_one_job_is_refused(library: Library, music: Path) -> None:
    with pytest.raises(UsageError, match="jobs is 0"):
        library.index([music], jobs=0)


def test_a_compact_library_is_smaller_and_answers(
    library_url: str, pieces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "run_in_order", extract_in_process)
    with open_library(library_url, profile="compact") as library:
        index(library, pieces)
    with open_library(library_url) as library:
        assert identified(library, *range(PIECES)) == [f"Piece {seed}" for seed in range(PIECES)]
        stats = library.stats()
        assert (stats.profile, stats.params_id) == ("compact", COMPACT.id)
        assert stats.landmarks < 0.6 * PIECES * PIECE_S * DEFAULT.peaks_per_s * DEFAULT.fan_out
    with pytest.raises(UsageError, match=r"has the profile compact; .*--db.* for default"):
        open_library(library_url, profile="default")


def test_an_unknown_profile_is_named(library_url: str) -> None:
    with pytest.raises(UsageError, match="tiny: no such profile; there are default, compact"):
        open_library(library_url, profile="tiny")
