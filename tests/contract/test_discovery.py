"""Paths, text search, recommendations, clusters and the map, on invented embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fake_library import FakeTrack, add_fake_tracks

from fingerprinter import open_library
from fingerprinter.core.spelling import normalize_name
from fingerprinter.errors import ModelError, UnknownTrackError, UsageError
from fingerprinter.library import Library
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses, names, tracks
from fingerprinter.types import Key, Loudness, MusicAnalysis, Neighbour, Tags


def titles(found: Sequence[Neighbour]) -> list[str | None]:
    return [each.track.title for each in found]


def file(title: str) -> str:
    """Return the path that a track of this title has in the library."""
    return f"/music/{title}.flac"


@pytest.fixture
def address(library_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new library, on both databases."""
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    return library_url


# Vectors along a quarter circle, and one far from it.
ARC = [
    FakeTrack("north", "A", vector=(0, 9)),
    FakeTrack("north by east", "B", vector=(3, 8)),
    FakeTrack("northeast", "B", vector=(6, 6)),
    FakeTrack("east by north", "b", vector=(8, 3)),
    FakeTrack("east", "C", vector=(9, 0)),
    FakeTrack("far off", "D", vector=(0, 0, 9)),
]


@pytest.fixture
def arc(address: str) -> Iterator[Library]:
    add_fake_tracks(address, ARC)
    with open_library(address) as library:
        yield library


def test_a_path_takes_small_steps(arc: Library) -> None:
    found = arc.path(file("north"), file("east"), 5)
    assert titles(found) == ["north", "north by east", "northeast", "east by north", "east"]
    assert found[0].similarity == 1
    assert all(0.5 < each.similarity < 1 for each in found[1:])
    assert titles(arc.path(file("north"), file("east"), 99))[-1] == "east"
    assert len(arc.path(file("north"), file("east"), 99)) == len(ARC)


def test_per_artist_allows_one_track_of_each_artist(arc: Library) -> None:
    artists = [
        normalize_name(each.track.artist or "")
        for each in arc.path(file("north"), file("east"), 6, per_artist=True)
    ]
    assert sorted(artists) == ["a", "b", "c", "d"]


def test_a_path_needs_two_different_ends(arc: Library) -> None:
    with pytest.raises(UsageError, match="two or more different tracks"):
        arc.path(file("north"), file("north"))
    with pytest.raises(UsageError, match="a path of 1 tracks cannot hold the 2"):
        arc.path(file("north"), file("east"), 1)
    with pytest.raises(UnknownTrackError):
        arc.path(file("north"), 99)


def add_without_embedding(address: str, *titles: str) -> list[int]:
    """Add tracks that have no embedding."""
    now = datetime.now(UTC)
    with Database.open(address) as database, database.begin() as connection:
        ids = [tracks.add_track(connection, name, Tags(name), 9.0, added_at=now) for name in titles]
        names.refresh(connection, ids)
        return ids


def test_a_path_needs_embeddings_of_both_ends(address: str, arc: Library) -> None:
    (silent,) = add_without_embedding(address, "silent")
    with pytest.raises(UnknownTrackError, match=f"track {silent} has no embedding"):
        arc.path(file("north"), silent)


def test_a_path_needs_a_library_with_embeddings(address: str) -> None:
    ids = add_without_embedding(address, "a", "b")
    with open_library(address) as library, pytest.raises(ModelError, match="`fingerprinter index`"):
        library.path(*ids)


FAKE_TRACKS = [
    FakeTrack("Rock", "Pebbles", tags={"sad": 4}),
    FakeTrack("Thunder", "Sigur Rós", "Heavy Weather", tags={"rock": 9, "metal": 9}),
    FakeTrack(
        "Lullaby", "Sigur Rós", genre="Ambient", tags={"Mellow": 9, "ambient": 8, "chill": 8}
    ),
    FakeTrack("Ballad", "Somebody", tags={"rock": 8, "metal": -4}),
    FakeTrack("Party", "Somebody", tags={"dance": 9, "House": 9}),
    FakeTrack("Rocking Chair", "Somebody"),
    FakeTrack("03_SteelDrum", "Nobody"),
]


@pytest.fixture
def fake_library(address: str) -> Iterator[Library]:
    add_fake_tracks(address, FAKE_TRACKS)
    with open_library(address) as library:
        yield library


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("rock", ["Rock", "Rocking Chair"]),  # tracks of that name, then tracks of that sound
        ("calm", ["Lullaby"]),
        ("rock no metal", ["Ballad"]),
        ("rock -metal", ["Ballad"]),
        ("sigur ros", ["Thunder", "Lullaby"]),
        ("SIGUR RÓS calm", ["Lullaby"]),
        ("heavy weather", ["Thunder"]),
        ("lullabi", ["Lullaby"]),
        ("somebody dance", ["Party"]),
        ("steel drum", ["03_SteelDrum"]),
        ("steeldrum", ["03_SteelDrum"]),
    ],
)
def test_tracks_are_found_by_words(fake_library: Library, words: str, first: list[str]) -> None:
    found = fake_library.search(words).results
    assert titles(found)[: len(first)] == first
    assert sorted((each.similarity for each in found), reverse=True) == [
        each.similarity for each in found
    ]
    assert all(0 < each.similarity <= 1 for each in found)


def test_a_search_notes_corrected_and_unknown_words(fake_library: Library) -> None:
    found = fake_library.search("lullabi quuxly", 1)
    assert found.notes == (
        "lullabi: taken for lullaby",
        "quuxly: no tag of the model and no name of the library",
    )
    assert titles(found.results) == ["Lullaby"]
    assert not fake_library.search("quuxly").results
    with pytest.raises(UsageError, match="no word to search for"):
        fake_library.search(" ... ")


def test_tracks_without_an_embedding_are_found_by_name(address: str, fake_library: Library) -> None:
    assert not fake_library.search("newcomer").results
    add_without_embedding(address, "Newcomer")
    with open_library(address) as again:
        assert titles(again.search("newcomer rock", 1).results) == ["Rock"]
        assert titles(again.search("newcomer").results) == ["Newcomer"]


def test_a_library_without_embeddings_is_searched_by_name(address: str) -> None:
    add_without_embedding(address, "Calm Sea", "Storm")
    with open_library(address) as library:
        assert titles(library.search("calm").results) == ["Calm Sea"]


def test_tracks_are_recommended_by_likes_and_dislikes(arc: Library) -> None:
    found = arc.recommend([file("north"), file("northeast")])
    assert titles(found)[0] == "north by east"
    assert not {"north", "northeast"} & set(titles(found))
    assert len(arc.recommend([file("north")], n=2)) == 2
    away = arc.recommend([file("northeast")], [file("north")])
    assert titles(away)[0] == "east by north"


def test_recommendations_need_a_liked_track(arc: Library) -> None:
    with pytest.raises(UsageError, match="--like TRACK"):
        arc.recommend([], [file("north")])
    with pytest.raises(UsageError, match="both liked and disliked"):
        arc.recommend([file("north")], [file("north")])


def test_one_listener_gets_tracks_similar_to_the_own_plays(arc: Library, tmp_path: Path) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text("user,track,plays\nann,A - north,9\nann,Nobody - Nothing,4\n", "utf-8")
    found = arc.recommend_from(plays)
    assert (found.user, found.songs, found.listeners) == ("ann", 2, 1)
    assert [(each.name, each.plays) for each in found.unmatched] == [("Nobody - Nothing", 4)]
    assert titles(found.results)[:2] == ["north by east", "northeast"]
    plays.write_text("user,track\nann,Nobody - Nothing\n", "utf-8")
    with pytest.raises(UsageError, match="none of 1 songs is in the library, Nobody - Nothing"):
        arc.recommend_from(plays)


def test_plays_of_many_listeners_recommend_to_one(address: str, tmp_path: Path) -> None:
    """Two groups of listeners each play their own half of the tracks, independent of the sound."""
    rng = np.random.default_rng(1)
    add_fake_tracks(
        address, [FakeTrack(str(n), vector=rng.standard_normal(9).tolist()) for n in range(24)]
    )
    rows = [
        f"{user},/music/{n}.flac,{rng.integers(1, 9)}"
        for user in range(120)
        for n in range(24)
        if n % 2 == user % 2 and rng.random() < 0.5
    ]
    plays = tmp_path / "plays.csv"
    plays.write_text("\n".join(["user,track,plays", *rows, "ann,/music/0.flac,5"]), "utf-8")
    with open_library(address) as library:
        found = library.recommend_from(plays, "ann", 9)
    assert found.listeners == 121
    assert all(int(title or "") % 2 == 0 for title in titles(found.results))
    assert "0" not in titles(found.results)


def three_groups() -> list[FakeTrack]:
    """Return three groups of eight tracks with similar vectors and tags."""
    rng = np.random.default_rng(0)
    kinds = (("metal", "rock"), ("jazz", "blues"), ("ambient", "chill"))
    return [
        FakeTrack(
            f"{strong} {n}",
            vector=(np.eye(9)[kind] * 20 + rng.standard_normal(9)).tolist(),
            tags={strong: 8 + rng.random(), weak: 5 + rng.random()},
        )
        for kind, (strong, weak) in enumerate(kinds)
        for n in range(8)
    ]


def test_clusters_are_named_by_their_tags(address: str) -> None:
    add_fake_tracks(address, three_groups())
    with open_library(address) as library:
        found = library.clusters()
        assert sorted(cluster.tags[0] for cluster in found) == ["ambient", "jazz", "metal"]
        for cluster in found:
            assert cluster.name == ", ".join(cluster.tags[:2])
            assert cluster.size == 8
            assert all(
                (each.track.title or "").startswith(cluster.tags[0]) for each in cluster.tracks
            )
            assert all(each.similarity > 0.5 for each in cluster.tracks)
        assert [cluster.size for cluster in library.clusters(1)] == [24]
        with pytest.raises(UsageError, match="25 clusters of 24 tracks; choose 1 to 24"):
            library.clusters(25)


def test_no_cluster_is_named_after_a_decade(address: str) -> None:
    tags = {"80s": 9.0, "jazz": 7.0}
    old = [FakeTrack(f"old {n}", vector=(20, n), tags=tags) for n in range(8)]
    new = [FakeTrack(f"new {n}", vector=(0, 0, 20, n)) for n in range(8)]
    add_fake_tracks(address, [*old, *new])
    with open_library(address) as library:
        assert {cluster.name for cluster in library.clusters(2)} >= {"jazz"}


def test_the_map_places_every_track(address: str) -> None:
    ids = add_fake_tracks(address, three_groups())
    with open_library(address) as library:
        found = library.map(3)
    assert found.ids.tolist() == ids
    assert found.places.shape == (24, 2)
    assert [cluster.id for cluster in found.clusters] == [0, 1, 2]
    for label in range(3):
        kinds = {
            int(np.flatnonzero(found.ids == i)[0]) // 8 for i in found.ids[found.labels == label]
        }
        assert len(kinds) == 1


def test_clusters_need_embeddings(address: str) -> None:
    with open_library(address) as library, pytest.raises(ModelError, match="`fingerprinter index`"):
        library.clusters()


def analysis(tempo_bpm: float, tonic: str) -> MusicAnalysis:
    loudness = Loudness(-14.0, 5.0, -1.0)
    return MusicAnalysis(tempo_bpm, 0.9, (), Key(tonic, "major", 0.9), (), loudness)


# Two tracks between start and end that are equally near to both.
BETWEEN = [
    FakeTrack("start", vector=(9, 0, 0, 1)),
    FakeTrack("left", vector=(6, 6, 1, 0)),
    FakeTrack("right", vector=(6, 6, -1, 0)),
    FakeTrack("end", vector=(0, 9, 0, 1)),
]


def store_analyses(address: str, ids: list[int], found: dict[str, MusicAnalysis]) -> None:
    """Store analyses by the titles of `BETWEEN`."""
    with Database.open(address) as database, database.begin() as connection:
        for track_id, track in zip(ids, BETWEEN, strict=True):
            if track.title in found:
                analyses.put(connection, track_id, "1", found[track.title])


def test_a_path_prefers_matching_tempo_and_key(address: str) -> None:
    """Tempo and key choose between equally similar tracks; the similarity is that of the sound."""
    ids = add_fake_tracks(address, BETWEEN)
    for fitting, other in (("left", "right"), ("right", "left")):
        fit, unfit = analysis(120, "C"), analysis(170, "F#")
        store_analyses(address, ids, {"start": fit, fitting: fit, other: unfit, "end": fit})
        with open_library(address) as library:
            path = library.path(file("start"), file("end"), 3)
            space = library.library_vectors()
        assert titles(path) == ["start", fitting, "end"]
        rows = space.vectors[[space.ids.tolist().index(each.track.id) for each in path]]
        similarities = [1, *np.vecdot(rows[:-1], rows[1:]).tolist()]
        assert [each.similarity for each in path] == pytest.approx(similarities, abs=1e-5)


@pytest.mark.parametrize("fitting", ["left", "right"])
def test_a_path_does_not_prefer_tracks_without_an_analysis(address: str, fitting: str) -> None:
    ids = add_fake_tracks(address, BETWEEN)
    store_analyses(
        address,
        ids,
        {"start": analysis(120, "C"), fitting: analysis(124, "G"), "end": analysis(120, "C")},
    )
    with open_library(address) as library:
        assert titles(library.path(file("start"), file("end"), 3)) == ["start", fitting, "end"]
