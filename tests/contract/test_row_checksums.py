"""Every row that answers are made of carries a checksum of its values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from databases import Store
from sqlalchemy import Connection, select, text, update
from sqlalchemy.exc import IntegrityError

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import CorruptionError
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import checks
from fingerprinter.store.tables import (
    analyses,
    facets,
    files,
    names,
    schema,
    sections,
    sketches,
    tracks,
    vectors,
)
from fingerprinter.store.tables.sections import Sections
from fingerprinter.types import AudioFormat, Landmarks, Loudness, MusicAnalysis, Tags

NOW = datetime(2026, 11, 29, 21, tzinfo=UTC)
TAGS = Tags("Nul\0l", "Ä", "Album", 2**40, 1999, "Rock", album_artist="Various", cover="ab" * 32)


def fill(connection: Connection) -> int:
    """Writes a row to each table that has checksums; returns the id of its track."""
    ones = np.ones(8, np.float32)
    track_id = tracks.add_track(connection, "c1", TAGS, 9, added_at=NOW)
    files.set_file(connection, "/a", track_id, size=1, mtime_ns=2, audio=AudioFormat("mp3", 1))
    vectors.put(connection, track_id, "m", ones, ones)
    sections.put(connection, track_id, "m", Sections(ones[:2], np.ones((2, 4), np.float32)))
    facets.put(connection, track_id, "1", ones)
    sketches.put(connection, track_id, "1", np.ones((2, 6), np.uint64))
    loudness = Loudness(-14.0, None, None)
    found = MusicAnalysis(120, 0.5, (), None, (), loudness)
    analyses.put(connection, track_id, "1", found)
    marks = Landmarks(np.arange(9, dtype=np.uint32), np.arange(9, dtype=np.int32))
    for _ in range(postings.MERGE_FACTOR):
        postings.add_segment(connection, DEFAULT, [(track_id, 100, marks)])
    return track_id


def ignore(_: int) -> None:
    """Ignores the number of tracks that were checked."""


def test_what_is_written_has_its_checksum(store: Store) -> None:
    with store.write() as connection:
        track_id = fill(connection)
        tracks.update_tags(connection, track_id, replace(TAGS, title="new", year=2**35))
        assert postings.merge_due(connection, DEFAULT)
    with store.read() as connection:
        assert list(checks.unreadable_rows(connection, [track_id], ignore)) == []
        ids = checks.segment_ids(connection)
        assert all(not checks.check_segment(connection, id_).problem for id_ in ids)
        checked = [t for t in schema.metadata.sorted_tables if "checksum" in t.c]
        filled = [t for t in checked if connection.scalar(select(t.c.checksum).limit(1))]
        assert {*checked} - {*filled} == {schema.waveform, schema.tombstone}


@pytest.mark.parametrize("table", ["track", "file", "embedding", "analysis"])
def test_a_changed_value_is_noticed(store: Store, table: str) -> None:
    changes = {"track": {"year": 1998}, "embedding": {"model": "n"}, "analysis": {"tempo_bpm": 121}}
    changes["file"] = {"bit_rate": 2}
    with store.write() as connection:
        track_id = fill(connection)
        connection.execute(update(schema.metadata.tables[table]).values(**changes[table]))
    with store.read() as connection:
        (damaged,) = checks.unreadable_rows(connection, [track_id], ignore)
        assert (damaged.table, damaged.track_id) == (table, track_id)
        assert "checksum" in damaged.found


def test_no_answer_names_a_file_that_is_not_what_was_written(store: Store) -> None:
    with store.write() as connection:
        track_id = fill(connection)
        files.set_file(connection, "/a", track_id, size=3, mtime_ns=4)  # another checksum
        assert tracks.get(connection, track_id).path == "/a"
        connection.execute(update(schema.file).values(path=b"/b"))
    with (
        store.read() as connection,
        pytest.raises(CorruptionError, match="the checksum of file of track"),
    ):
        tracks.get(connection, track_id)


def test_a_damaged_tombstone_hides_no_track(store: Store) -> None:
    with store.write() as connection:
        removed, kept = (
            tracks.add_track(connection, f"c{n}", Tags(), 9, added_at=NOW) for n in (1, 2)
        )
        tracks.remove(connection, removed)
        assert tracks.removed(connection) == {removed}
        connection.execute(update(schema.tombstone).values(track_id=kept))
    with store.read() as connection:
        with pytest.raises(CorruptionError, match=f"of tombstone of track {kept} "):
            tracks.removed(connection)
        assert checks.tombstones(connection)[1] == [kept]


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_new_sqlite_library_refuses_values_of_another_type(store: Store) -> None:
    with store.write() as connection:
        fill(connection)
        for statement in (
            "UPDATE track SET duration_s = 'long'",
            "UPDATE segment SET track_ids = 'text'",
            "UPDATE file SET size = x'00'",
        ):
            with pytest.raises(IntegrityError, match="cannot store"):
                connection.execute(text(statement))


def test_names_follow_tags_and_files(store: Store) -> None:
    stored = select(schema.track_name.c.names)
    with store.write() as connection:
        track_id = tracks.add_track(connection, "c", Tags("LoveSong", "Björk"), 1, added_at=NOW)
        files.set_file(connection, "/m/01 - lovesong.mp3", track_id, size=1, mtime_ns=1)
        names.refresh(connection, [track_id])
    with store.read() as connection:
        assert connection.scalars(stored).all() == [" lovesong  bjork  01 lovesong  love song "]
        assert names.matching_ids(connection, "bjo") == [track_id]
    with store.write() as connection:
        tracks.update_tags(connection, track_id, Tags(album_artist="Sigur Rós"))
        names.refresh(connection, [track_id])
        assert names.matching_ids(connection, "bjo") == []
        assert names.matching_ids(connection, "ros sig") == [track_id]
        tracks.remove(connection, track_id)
        assert names.matching_ids(connection, "sigur") == []
        assert connection.scalars(stored).all() == []
