from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone

import pytest
from databases import Store
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from fingerprinter.errors import UnknownTrackError
from fingerprinter.store.tables import constellations, feature_rows, files, schema, tracks
from fingerprinter.store.tables.schema import tombstone
from fingerprinter.types import Tags

NOW = datetime(2024, 2, 29, 23, 30, 15, 123456, tzinfo=UTC)
TAGS = Tags("Title", "Artist", "Album", 7, 1999, "Genre", "5b11f4ce-a62d-471e-81fc-a69a8278c7da")
UNKNOWN_IDS = [0, -1, 999, 2**63 - 1, 2**63, 10**30]


def add(connection: Connection, content_id: str = "c1", tags: Tags = TAGS, **more: object) -> int:
    values = {"duration_s": 12.5, "added_at": NOW, **more}
    return tracks.add_track(connection, content_id, tags, **values)  # type: ignore[arg-type]


def test_a_track_comes_back_as_it_was_added(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, problem="3 s could not be decoded", duration_s=0.1)
        files.set_file(connection, "/music/a.flac", track_id, size=1, mtime_ns=2)
    with store.read() as connection:
        track = tracks.get(connection, track_id)
    assert (track.id, track.content_id, track.path) == (track_id, "c1", "/music/a.flac")
    assert Tags(*(getattr(track, name) for name in Tags.__slots__)) == TAGS
    assert track.duration_s == 0.1
    assert track.problem == "3 s could not be decoded"
    assert track.added_at == NOW


def test_absent_knowledge_is_none(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, tags=Tags())
    with store.read() as connection:
        track = tracks.get(connection, track_id)
    assert track.path is None
    assert track.problem is None
    assert Tags(*(getattr(track, name) for name in Tags.__slots__)) == Tags()


def test_added_at_is_in_utc_whatever_zone_it_came_in(store: Store) -> None:
    with store.write() as connection:
        east = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
        track_id = add(connection, added_at=east)
    with store.read() as connection:
        added_at = tracks.get(connection, track_id).added_at
    assert added_at == NOW
    assert added_at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="has no time zone"), store.write() as connection:
        add(connection, added_at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ænima — ツ 🎵 e\u0301", "Ænima — ツ 🎵 e\u0301"),
        ('it\'s "quoted" \\ %s :name {x} ; --', 'it\'s "quoted" \\ %s :name {x} ; --'),
        ("two\nlines\ttab\x01\x7f", "two\nlines\ttab\x01\x7f"),
        ("One\0Two\0", "One; Two"),  # how ID3v2.4 parts values
        ("\0", ""),
        ("caf\udce9", "caf\ufffd"),  # from a Latin-1 file name
        ("x" * 100_000, "x" * 100_000),
    ],
)
def test_tags_of_any_text(store: Store, given: str, kept: str) -> None:
    with store.write() as connection:
        track_id = add(connection, tags=Tags(title=given, genre=given), problem=given)
    with store.read() as connection:
        track = tracks.get(connection, track_id)
    assert (track.title, track.genre, track.problem) == (kept, kept, kept)


@pytest.mark.parametrize(
    ("given", "kept"), [(0, 0), (-5, -5), (2**31 - 1, 2**31 - 1), (2**31, None), (10**40, None)]
)
def test_tags_of_any_number(store: Store, given: int, kept: int | None) -> None:
    with store.write() as connection:
        track_id = add(connection, tags=Tags(track_number=given, year=given))
    with store.read() as connection:
        track = tracks.get(connection, track_id)
    assert (track.track_number, track.year) == (kept, kept)


def test_found_by_content_and_path(store: Store) -> None:
    with store.write() as connection:
        first, second = add(connection, "c1"), add(connection, "c2")
        files.set_file(connection, "/a", second, size=1, mtime_ns=2)
    with store.read() as connection:
        assert tracks.by_content(connection, "c1") == tracks.get(connection, first)
        assert tracks.by_content(connection, "c3") is None
        assert tracks.by_path(connection, "/a") == tracks.get(connection, second)
        assert tracks.by_path(connection, "/b") is None


def test_a_content_is_one_track(store: Store) -> None:
    with store.write() as connection:
        add(connection, "c1")
    with pytest.raises(IntegrityError), store.write() as connection:
        add(connection, "c1")
    with store.read() as connection:
        assert tracks.counts(connection).tracks == 1


def test_the_path_of_a_track_is_its_first_file(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection)
        for path in ("/z", "/a"):
            files.set_file(connection, path, track_id, size=1, mtime_ns=2)
    with store.read() as connection:
        assert tracks.get(connection, track_id).path == "/z"
    with store.write() as connection:
        files.forget_file(connection, "/z")
    with store.read() as connection:
        assert tracks.get(connection, track_id).path == "/a"


def test_many_tracks_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "ROWS_PER_READ", 10)
    with store.write() as connection:
        ids = [add(connection, f"c{n}") for n in range(25)]
    with store.read() as connection:
        listed = list(tracks.iterate(connection))
        many = tracks.get_many(connection, [*ids, *UNKNOWN_IDS[:2], 2**70])
    assert [track.id for track in listed] == ids == sorted(ids)
    assert many == {track.id: track for track in listed}


def test_get_many_of_none(store: Store) -> None:
    with store.read() as connection:
        assert tracks.get_many(connection, []) == {}
        assert list(tracks.iterate(connection)) == []


def test_tags_are_replaced(store: Store) -> None:
    with store.write() as connection:
        one, other = add(connection, "c1"), add(connection, "c2")
        tracks.update_tags(connection, one, Tags(title="New"))
    with store.read() as connection:
        assert tracks.get(connection, one).title == "New"
        assert tracks.get(connection, one).artist is None
        assert tracks.get(connection, one).added_at == NOW
        assert tracks.get(connection, other).title == "Title"


@pytest.mark.parametrize("track_id", UNKNOWN_IDS)
def test_an_unknown_track_is_named(store: Store, track_id: int) -> None:
    with store.read() as connection, pytest.raises(UnknownTrackError, match=f"track {track_id} "):
        tracks.get(connection, track_id)
    with store.write() as connection:
        with pytest.raises(UnknownTrackError, match=f"track {track_id} "):
            tracks.update_tags(connection, track_id, TAGS)
        with pytest.raises(UnknownTrackError, match=f"track {track_id} "):
            tracks.remove(connection, track_id)


def test_a_removed_track_takes_everything_but_its_tombstone(store: Store) -> None:
    with store.write() as connection:
        gone, stays = add(connection, "c1"), add(connection, "c2")
        for track_id in (gone, stays):
            files.set_file(connection, f"/{track_id}", track_id, size=1, mtime_ns=2)
            feature_rows.put(connection, schema.constellation, track_id, data=b"peaks")
        tracks.remove(connection, gone)
    with store.read() as connection:
        assert [track.id for track in tracks.iterate(connection)] == [stays]
        assert list(files.file_stamps(connection)) == [os.fsencode(f"/{stays}")]
        assert list(constellations.iterate(connection)) == [(stays, b"peaks")]
        assert list(connection.scalars(select(tombstone.c.track_id))) == [gone]


def test_an_id_is_never_given_twice(store: Store) -> None:
    with store.write() as connection:
        gone = add(connection)
        tracks.remove(connection, gone)
    with store.write() as connection:
        assert add(connection) > gone


def test_orphans_are_the_tracks_without_files(store: Store) -> None:
    with store.write() as connection:
        one, two, three = (add(connection, f"c{n}") for n in range(3))
        files.set_file(connection, "/two", two, size=1, mtime_ns=2)
        files.set_file(connection, "/also two", two, size=1, mtime_ns=2)
    with store.read() as connection:
        assert tracks.orphans(connection) == [one, three]


def test_counts(store: Store) -> None:
    with store.read() as connection:
        assert tracks.counts(connection) == tracks.Counts(0, 0, 0.0, 0)
    with store.write() as connection:
        track_id = add(connection, "c1", duration_s=100.25)
        add(connection, "c2", duration_s=0.5, problem="broken at 0:12")
        for path in ("/a", "/b", "/c"):
            files.set_file(connection, path, track_id, size=1, mtime_ns=2)
    with store.read() as connection:
        assert tracks.counts(connection) == tracks.Counts(2, 3, 100.75, 1)
