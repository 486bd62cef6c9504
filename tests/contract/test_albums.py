"""Albums, artists, genres and pages of tracks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import Store
from sqlalchemy import Connection

from fingerprinter.store.tables import albums, files, names, tracks
from fingerprinter.types import Album, Artist, Genre, Tags

NOW = datetime(2026, 11, 29, tzinfo=UTC)
TAGS = [
    Tags("Second", "Guest", "Sampler", 2, 2001, "Rock", album_artist="Various", disc_number=1),
    Tags("First", "Björk", "Sampler", 1, 2000, "Pop", album_artist="Various", disc_number=1),
    Tags("Bonus", "Band", "Sampler", 1, 2001, "Rock", album_artist="Various", disc_number=2),
    Tags("Alone", "Band", "Debut", 1, 1990, "Rock"),
    Tags("Other", "Singer", "Debut", 1, 1995),
    Tags(),
]


@pytest.fixture
def ids(store: Store) -> list[int]:
    with store.write() as connection:
        return [add(connection, number, tags) for number, tags in enumerate(TAGS)]


def add(connection: Connection, number: int, tags: Tags) -> int:
    track_id = tracks.add_track(connection, f"c{number}", tags, 10, added_at=NOW)
    files.set_file(connection, f"/m/{number} file.mp3", track_id, size=1, mtime_ns=1)
    names.refresh(connection, [track_id])
    return track_id


def test_albums_are_titles_of_an_album_artist(store: Store, ids: list[int]) -> None:
    with store.read() as connection:
        found = albums.albums(connection, limit=10)
        assert found == [
            Album("Debut", "Band", 1990, 1, 10.0, None, ids[3]),
            Album("Debut", "Singer", 1995, 1, 10.0, None, ids[4]),
            Album("Sampler", "Various", 2000, 3, 30.0, None, ids[0]),
        ]
        assert albums.albums(connection, limit=1, offset=1) == found[1:2]
        assert albums.albums(connection, "Various", limit=10) == found[2:]


def test_artists_and_genres_have_counts(store: Store, ids: list[int]) -> None:
    with store.read() as connection:
        assert albums.artists(connection, limit=10) == [
            Artist("Band", 1, 1),
            Artist("Singer", 1, 1),
            Artist("Various", 1, 3),
        ]
        assert albums.genres(connection) == [Genre("Rock", 2, 3), Genre("Pop", 1, 1)]


def test_the_tracks_of_an_album_are_in_the_order_of_discs(store: Store, ids: list[int]) -> None:
    with store.read() as connection:
        found, total = albums.page(
            connection, album="Sampler", artist="Various", order="album", limit=2
        )
        assert ([track.id for track in found], total) == ([ids[1], ids[0]], 3)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("bjork", [1]), ("samp fir", [1]), ("various", [0, 1, 2]), ("5 file", [5]), ("nobody", [])],
)
def test_words_select_tracks_by_all_their_names(
    store: Store, ids: list[int], words: str, expected: list[int]
) -> None:
    with store.read() as connection:
        found, total = albums.page(connection, words=words, limit=10)
        assert [track.id for track in found] == [ids[number] for number in expected]
        assert total == len(expected)


@pytest.mark.parametrize("order", ["added", "newest", "title", "artist", "album", "year"])
def test_pages_of_any_order_hold_each_track_once(store: Store, ids: list[int], order: str) -> None:
    with store.read() as connection:
        pages = [
            albums.page(connection, order=order, limit=2, offset=offset)[0]  # type: ignore[arg-type]
            for offset in range(0, len(TAGS), 2)
        ]
        assert sorted(track.id for page in pages for track in page) == sorted(ids)
