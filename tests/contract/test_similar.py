"""`Library.similar`: results, filters, parts of recordings and explanations."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from databases import Store
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.audio import read_samples
from fingerprinter.embedding import load_model
from fingerprinter.errors import UnknownTrackError, UsageError
from fingerprinter.library import Library
from fingerprinter.library.music.analyze import analysis_id
from fingerprinter.library.similar.explain import shared_tags
from fingerprinter.library.similar.filters import TrackFilter, admitted_ids
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses, tracks
from fingerprinter.types import Key, Loudness, MusicAnalysis, Neighbour, Tags

PIECES = 6
PIECE_S = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of pieces by two artists, and a shifted, quieter copy of the first piece."""
    folder = tmp_path_factory.mktemp("similar")
    for seed in range(PIECES):
        samples = play(seed, PIECE_S + 2 * seed)
        write(folder / f"{seed}.flac", samples, title=f"Piece {seed}")
    write(folder / "copy.flac", play(0, PIECE_S)[SR // 50 :] * 0.9, title="Copy of 0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
        with open_library(folder / "library.db") as library:
            library.index([folder], jobs=1)
    return folder


def write(path: Path, samples: np.ndarray, title: str) -> None:
    soundfile.write(path, samples, SR)
    number = int(path.stem) if path.stem.isdecimal() else 0
    file = mutagen.File(path)
    file.update(
        {
            "title": title,
            "artist": "Odd" if number % 2 else "even ",
            "genre": "Hard Rock" if number < 3 else "Ambient",
            "date": str(1990 + number),
            "album": f"Album {number // 4}",
        }
    )
    file.save()


@pytest.fixture
def library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(folder / "cache"))
    with open_library(folder / "library.db", read_only=True) as library:
        yield library


def titles(found: list[Neighbour]) -> list[str | None]:
    return [each.track.title for each in found]


def test_a_copy_of_the_query_is_not_a_result(library: Library, folder: Path) -> None:
    found = library.similar(folder / "0.flac")
    assert sorted(titles(found)) == [f"Piece {seed}" for seed in range(1, PIECES)]
    everything = library.similar(folder / "0.flac", copies=True)
    assert titles(everything)[0] == "Copy of 0"
    assert everything[0].similarity > 0.7


def test_a_recording_is_listed_once_with_its_copies(library: Library, folder: Path) -> None:
    found = library.similar(folder / "1.flac")
    (with_copy,) = [each for each in found if each.copies]
    original, copy = library.track(folder / "0.flac"), library.track(folder / "copy.flac")
    assert {with_copy.track.id, *with_copy.copies} == {original.id, copy.id}
    assert len(found) == PIECES - 1


def test_recommendations_have_no_copies_and_no_liked_recording(
    library: Library, folder: Path
) -> None:
    liked = titles(library.recommend([folder / "copy.flac"]))
    assert sorted(liked) == [f"Piece {seed}" for seed in range(1, PIECES)]
    (with_copy,) = [each for each in library.recommend([folder / "1.flac"]) if each.copies]
    assert with_copy.track.title in {"Piece 0", "Copy of 0"}


def test_recommend_and_similar_report_the_same_similarity(library: Library, folder: Path) -> None:
    expected = {each.track.id: each.similarity for each in library.similar(folder / "1.flac")}
    for each in library.recommend([folder / "1.flac"]):
        assert each.similarity == pytest.approx(expected[each.track.id], abs=1e-4)


def test_a_cache_folder_that_cannot_be_written_only_warns(
    library: Library,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "file" / "cache"))
    with open_library(folder / "library.db", read_only=True) as without_cache:
        assert without_cache.similar(1, why=True) == library.similar(1, why=True)
        assert without_cache.recommend([1]) == library.recommend([1])
    (warning,) = caplog.messages  # once: the index stays in memory
    assert "the vector index was not written" in warning


def test_verify_rebuilds_the_vector_index_or_says_that_it_could_not(
    library: Library, folder: Path
) -> None:
    library.similar(1)
    damaged = max((folder / "cache").rglob("*.*"), key=lambda each: each.stat().st_size)
    damaged.unlink()
    damaged.mkdir()  # so that it cannot be written, by root either
    (finding,) = library.verify(repair=True).findings
    assert (finding.kind, finding.repaired) == ("vector index", False)
    assert finding.next_step is not None
    assert "writable" in finding.next_step

    damaged.rmdir()
    (finding,) = library.verify(repair=True).findings
    assert (finding.found, finding.repaired) == ("its files are damaged", True)
    assert library.verify().findings == ()


def test_a_selective_filter_still_fills_the_list(library: Library) -> None:
    first = next(library.tracks())
    found = library.similar(first, n=2, only=TrackFilter(genre="ambient"))
    assert len(found) == 2
    assert {each.track.genre for each in found} == {"Ambient"}


@pytest.mark.parametrize(
    ("only", "pieces"),
    [
        (TrackFilter(artist="ODD"), {3, 5}),
        (TrackFilter(genre="rock"), {0, 2}),
        (TrackFilter(year=(1993, 1994)), {3, 4}),
        (TrackFilter(year=(1994, None)), {4, 5}),
        (TrackFilter(duration_s=(None, 29)), {0, 2}),
        (TrackFilter(artist="even", year=(1993, None)), {4}),
        (TrackFilter(genre="polka"), set()),
    ],
)
def test_filters(library: Library, folder: Path, only: TrackFilter, pieces: set[int]) -> None:
    found = library.similar(folder / "1.flac", only=only)
    numbers = {int((each.track.title or "")[-1]) for each in found}
    assert numbers == pieces


def test_filters_ignore_the_case_of_all_letters(store: Store) -> None:
    artists = ["BJÖRK", "Strasse", None, "\N{KELVIN SIGN}"]
    with store.write() as connection:
        now = datetime.now(UTC)
        ids = [
            tracks.add_track(connection, str(n), Tags(artist=artist), 1.0, added_at=now)
            for n, artist in enumerate(artists)
        ]
    with store.read() as connection:
        for artist, expected in [("björk", ids[:1]), ("straße", ids[1:2]), ("K", [ids[0], ids[3]])]:
            found = admitted_ids(connection, TrackFilter(artist=artist))
            assert found is not None
            assert found.tolist() == expected


def test_tempo_and_key_filters_use_stored_analyses(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "library.db", tmp_path)
    found = MusicAnalysis(124.0, 1.0, (), Key("A", "minor", 1.0), (), Loudness(-14.0, None, -1.0))
    with Database.open(str(tmp_path / "library.db")) as database, database.begin() as connection:
        analyses.put(connection, 3, analysis_id(), found)
        for only, expected in [
            (TrackFilter(tempo_bpm=(120, 130)), [3]),
            (TrackFilter(keys=("A minor",), tempo_bpm=(None, 124)), [3]),
            (TrackFilter(keys=("C major",)), []),
            (TrackFilter(keys=("A minor",), genre="polka"), []),
        ]:
            ids = admitted_ids(connection, only)
            assert ids is not None
            assert ids.tolist() == expected
        assert admitted_ids(connection, TrackFilter()) is None


def test_recommendations_are_filtered_and_limited_as_similar_tracks(
    library: Library, folder: Path
) -> None:
    def recommended(**options: Any) -> set[str | None]:
        return {each.track.title for each in library.recommend([folder / "1.flac"], **options)}

    assert recommended(only=TrackFilter(year=(1993, 1994))) == {"Piece 3", "Piece 4"}
    assert recommended(only=TrackFilter(genre="polka")) == set()
    assert len(recommended(per_artist=1)) == 2
    assert len(recommended(per_album=1)) == 4
    assert recommended(not_same_album=True) == recommended() - {"Piece 3"}


def test_per_artist_limits_the_results_of_each_artist(library: Library, folder: Path) -> None:
    found = library.similar(folder / "1.flac", per_artist=1)
    assert sorted(str(each.track.artist).strip() for each in found) == ["Odd", "even"]
    unlimited = library.similar(folder / "1.flac")
    assert found[0] == unlimited[0]


def test_several_queries_and_no_query(library: Library, folder: Path) -> None:
    asked = [folder / "1.flac", library.track(folder / "2.flac").id]
    found = library.similar(asked)
    assert not {"Piece 1", "Piece 2"} & set(titles(found))
    similarities = [each.similarity for each in found]
    assert similarities == sorted(similarities, reverse=True)
    with pytest.raises(UsageError, match="the query is empty"):
        library.similar([])
    with pytest.raises(UnknownTrackError):
        library.similar([folder / "1.flac", 4711])


def test_samples_and_encoded_bytes_are_queries(library: Library, folder: Path) -> None:
    samples = play(3, PIECE_S + 6)
    for sound in ((samples, SR), (folder / "3.flac").read_bytes()):
        nearest = library.similar(sound, n=1)[0]
        assert nearest.track.title == "Piece 3"
        assert nearest.similarity > 0.95


def test_each_part_of_a_recording_is_a_query_of_its_own(library: Library, folder: Path) -> None:
    """The query joins two pieces; each of its parts finds its own piece."""
    parts = [(folder / "2.flac", (0.0, 20.0)), (folder / "4.flac", (25.0, 45.0))]
    joined = np.concatenate([play(2, PIECE_S + 4)[: 25 * SR], play(4, PIECE_S + 8)[: 25 * SR]])
    for path, (start_s, end_s) in parts:
        nearest = library.similar((joined, SR), n=1, start_s=start_s, end_s=end_s)[0]
        assert nearest.track.path == str(path)


def test_a_part_of_a_track_needs_no_file(library: Library, folder: Path) -> None:
    path = folder / "5.flac"
    whole, again = library.similar(path), library.similar(path, start_s=0)
    assert titles(whole) == titles(again)
    part = library.similar(path, start_s=0, end_s=6)
    assert [each.similarity for each in part] != [each.similarity for each in whole]
    short = library.similar(path, start_s=0.1, end_s=0.2)
    assert titles(short)


@pytest.mark.parametrize("part", [(5.0, 5.0), (5.0, 2.0), (-1.0, None)])
def test_an_invalid_time_range_is_a_usage_error(
    library: Library, part: tuple[float, float | None]
) -> None:
    with pytest.raises(UsageError, match="is no part of a recording"):
        library.similar(1, start_s=part[0], end_s=part[1])


def test_a_time_range_after_the_end_is_a_usage_error(library: Library) -> None:
    with pytest.raises(UsageError, match="none of it is after 900 s"):
        library.similar(1, start_s=900)


def test_explanations_are_percentiles_within_the_library(library: Library, folder: Path) -> None:
    copy, *others = library.similar(folder / "0.flac", copies=True, why=True)
    assert copy.why is not None
    for facet in ("timbre", "rhythm", "harmony", "tags"):
        percentiles = [getattr(each.why, facet) for each in (copy, *others)]
        assert all(0 <= percentile < 1 for percentile in percentiles)
        assert percentiles[0] == max(percentiles) > 0.5  # of seven tracks
    assert all(tag in load_model().tags for each in others for tag in each.why.shared_tags)


def test_decades_are_no_shared_tags() -> None:
    names = load_model().tags
    deviations = np.zeros(len(names), np.float32)
    for rank, tag in enumerate(("60s", "oldies", "guitar", "jazz", "rock", "metal")):
        deviations[names.index(tag)] = 3 - rank / 10
    assert shared_tags(deviations, names) == ("guitar", "jazz", "rock")


def test_results_are_explained_only_on_request(library: Library) -> None:
    assert {each.why for each in library.similar(1)} == {None}


def test_a_part_is_decoded_from_the_file_if_no_sections_are_stored(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    first = next(library.tracks())
    assert first.path is not None
    alone = library.similar((read_samples(first.path), SR), n=1, start_s=0, end_s=20, copies=True)
    assert alone[0].similarity > 0.7
    other = Path(shutil.copy(folder / "library.db", tmp_path))
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("DELETE FROM section")
    with open_library(other, read_only=True) as without_sections:
        found = without_sections.similar(first, start_s=0, end_s=20, copies=True)
    assert len(found) == PIECES
    assert first not in {each.track for each in found}
