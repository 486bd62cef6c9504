"""Lists of tracks, albums, artists and genres."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from databases import Store
from sqlalchemy import Connection

from fingerprinter.store.tables import analyses, files, lists, names, tracks
from fingerprinter.store.tables.lists import NO_FILTER, ORDERS, TrackFilter
from fingerprinter.types import Album, Artist, Genre, Key, Loudness, MusicAnalysis, Tags

NOW = datetime(2026, 11, 29, tzinfo=UTC)
TAGS = [
    Tags("Second", "Guest", "Sampler", 2, 2001, "Rock", album_artist="Various", disc_number=1),
    Tags(
        "First",
        "Björk",
        "Sampler",
        1,
        2000,
        "Pop",
        album_artist="Various",
        disc_number=1,
        cover="c" * 64,
    ),
    Tags("Bonus", "Band", "Sampler", 1, 2001, "Rock", album_artist="Various", disc_number=2),
    Tags("Alone", "Band", "Debut", 1, 1990, "Rock"),
    Tags("Other", "Singer", "Debut", 1, 1995),
    Tags(),
]


@pytest.fixture
def ids(store: Store) -> list[int]:
    with store.write() as connection:
        added = [add(connection, number, tags) for number, tags in enumerate(TAGS)]
        for track_id, tempo_bpm, key in (
            (added[0], 60.0, Key("A", "minor", 1.0)),
            (added[1], 121.5, Key("C", "major", 1.0)),
        ):
            found = MusicAnalysis(tempo_bpm, 1.0, (), key, (), Loudness(None, None, None))
            analyses.put(connection, track_id, "1", found)
        return added


def add(connection: Connection, number: int, tags: Tags) -> int:
    track_id = tracks.add_track(connection, f"c{number}", tags, 10, added_at=NOW)
    files.set_file(connection, f"/m/{number} file.mp3", track_id, size=1, mtime_ns=1)
    names.refresh(connection, [track_id])
    return track_id


def test_albums_are_titles_of_an_album_artist(store: Store, ids: list[int]) -> None:
    found = [
        Album("Debut", "Band", 1990, 1, 10.0, ids[3]),
        Album("Debut", "Singer", 1995, 1, 10.0, ids[4]),
        Album("Sampler", "Various", 2000, 3, 30.0, ids[1]),
    ]
    with store.read() as connection:
        assert lists.albums(connection, limit=10) == (3, found)
        assert lists.albums(connection, limit=1, offset=1) == (3, found[1:2])
        assert lists.albums(connection, limit=1, offset=5) == (3, [])
        assert lists.albums(connection, "guest", limit=10) == (1, found[2:])


def test_artists_and_genres_have_counts(store: Store, ids: list[int]) -> None:
    found = [
        Artist("Band", 2, 2, 20.0),
        Artist("Björk", 1, 1, 10.0),
        Artist("Guest", 1, 1, 10.0),
        Artist("Singer", 1, 1, 10.0),
    ]
    with store.read() as connection:
        assert lists.artists(connection, limit=10) == (4, found)
        assert lists.artists(connection, limit=2, offset=2) == (4, found[2:])
        assert lists.artists(connection, "debut", limit=10) == (2, [found[0], found[3]])
        assert lists.genres(connection) == [Genre("Rock", 3, 2), Genre("Pop", 1, 1)]


def test_the_tracks_of_an_album_are_in_the_order_of_discs(store: Store, ids: list[int]) -> None:
    wanted = TrackFilter(album="Sampler", album_artist="Various", exact=True)
    with store.read() as connection:
        assert list(lists.track_ids(connection, wanted, "album")) == [ids[1], ids[0], ids[2]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TrackFilter("bjork"), [1]),
        (TrackFilter("samp fir"), [1]),
        (TrackFilter("various"), [0, 1, 2]),
        (TrackFilter("5 file"), [5]),
        (TrackFilter("nobody"), []),
        (TrackFilter(artist="BJÖ"), [1]),
        (TrackFilter(artist="BJÖ", exact=True), []),
        (TrackFilter(genre="rock", year=(1991, None)), [0, 2]),
        (TrackFilter(duration_s=(None, 9.0)), []),
        (TrackFilter(album="SAMP", album_artist="various"), [0, 1, 2]),
        (TrackFilter(tempo_bpm=(60.0, 121.5)), [0, 1]),
        (TrackFilter(tempo_bpm=(60.1, None)), [1]),
        (TrackFilter(keys=("A minor", "D minor")), [0]),
        (TrackFilter(keys=()), []),
        (TrackFilter(tempo_bpm=(None, 100.0), keys=("C major",)), []),
        (TrackFilter(keys=("C major",), artist="björk"), [1]),
    ],
)
def test_tracks_are_selected_by_words_and_tags(
    store: Store, ids: list[int], wanted: TrackFilter, expected: list[int]
) -> None:
    with store.read() as connection:
        found = lists.track_ids(connection, wanted, "id")
    assert list(found) == [ids[number] for number in expected]


def test_the_best_names_come_first(store: Store) -> None:
    titles = ["Moonlight", "Blue Moon", "Moon River", "Sun", "Moon"]
    with store.write() as connection:
        ids = [add(connection, number, Tags(title)) for number, title in enumerate(titles)]
    with store.read() as connection:
        found = [
            lists.track_ids(connection, TrackFilter("moon"), f"{dash}match") for dash in ("", "-")
        ]
    assert list(found[0]) == [ids[4], ids[2], ids[1], ids[0]]
    assert list(found[1]) == [ids[0], ids[1], ids[2], ids[4]]


@pytest.mark.parametrize("order", [*ORDERS, *(f"-{name}" for name in ORDERS)])
def test_lists_of_any_order_hold_each_track_once(store: Store, ids: list[int], order: str) -> None:
    with store.read() as connection:
        found = list(lists.track_ids(connection, NO_FILTER, order))
    assert sorted(found) == ids
    if order.endswith("title"):  # the track without a title is the last both ways
        assert found[-1] == ids[-1]
