from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import Store
from sqlalchemy import Connection

from fingerprinter.store.tables import files, tracks
from fingerprinter.types import Tags

ODD_NAMES = [
    b"/music/caf\xe9 \xff\xfe.mp3",  # Latin-1, not UTF-8
    "/music/ツ 🎵.flac".encode(),
    b"/music/two\nlines.ogg",
    b'/music/it\'s "odd" \\ %s :name ?.wav',
    b"/music/" + b"x" * 4000,
]


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_paths_survive(store: Store, name: bytes) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        files.set_file(connection, name, track_id, size=2**40, mtime_ns=2**62)
    with store.read() as connection:
        assert files.file_stamps(connection) == {name: (2**40, 2**62, (track_id,))}
        track = tracks.by_path(connection, name)
        assert track is not None
        assert os.fsencode(track.path or "") == name
        assert tracks.by_path(connection, os.fsdecode(name)) == track
        assert tracks.by_path(connection, Path(os.fsdecode(name))) == track


def test_a_file_is_set_again(store: Store) -> None:
    with store.write() as connection:
        one, two = add(connection, "c1"), add(connection, "c2")
        assert files.set_file(connection, "/a", one, size=1, mtime_ns=1) is None
        assert files.set_file(connection, "/a", one, size=2, mtime_ns=2) is None
    with store.write() as connection:
        assert files.set_file(connection, "/a", two, size=3, mtime_ns=3) == one
    with store.read() as connection:
        assert files.file_stamps(connection) == {b"/a": (3, 3, (two,))}


def test_a_forgotten_file(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        files.set_file(connection, "/a", track_id, size=1, mtime_ns=1)
        assert files.forget_file(connection, "/a") == [track_id]
        assert files.forget_file(connection, "/a") == []
    with store.read() as connection:
        assert files.file_stamps(connection) == {}
        assert tracks.get(connection, track_id).path is None


PATHS = ["/m/a", "/m/a/1", "/m/a/b/2", "/m/a b/3", "/m/a0", "/m/ab", "/m/a\udcff/4", "/n"]


@pytest.mark.parametrize(
    ("places", "below"),
    [
        (["/m/a"], ["/m/a", "/m/a/1", "/m/a/b/2"]),
        (["/m/a/"], ["/m/a/1", "/m/a/b/2"]),
        (["/m/a/b", "/n"], ["/m/a/b/2", "/n"]),
        (["/m/a\udcff"], ["/m/a\udcff/4"]),
        (["/"], PATHS),
        (["/m", "/m/a", "/m/a/1"], PATHS[:-1]),
        ([f"/x/{n}" for n in range(1500)] + ["/n"], ["/n"]),
        (["/m/a/1/deeper", "/x"], []),
        ([], []),
    ],
)
def test_stamps_of_files_below_some_folders(
    store: Store, places: list[str], below: list[str]
) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        for path in PATHS:
            files.set_file(connection, path, track_id, size=1, mtime_ns=2)
    with store.read() as connection:
        found = files.file_stamps(connection, places)
        assert sorted(found) == sorted(os.fsencode(path) for path in below)
        assert files.file_stamps(connection).keys() == {os.fsencode(path) for path in PATHS}
