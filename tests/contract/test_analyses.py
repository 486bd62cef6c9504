"""Analyses of tracks in both databases: whole, of one version, filtered."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from databases import Store
from sqlalchemy import Connection, update

from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import analyses, feature_rows, schema, tracks
from fingerprinter.store.tables.schema import analysis
from fingerprinter.types import Key, Loudness, MusicAnalysis, Section, Tags

SOME = MusicAnalysis(
    tempo_bpm=121.5,
    tempo_confidence=0.8,
    beats_s=(0.51, 1.004, 1.499),
    key=Key("A", "minor", 0.7),
    sections=(Section(0.0, 1.0, "A"), Section(1.0, 2.0, "B")),
    loudness=Loudness(-14.2, 6.1, -0.3),
)
SILENCE = MusicAnalysis(None, None, (), None, (), Loudness(None, None, None))


def add(connection: Connection, content_id: str) -> int:
    now = datetime.now(UTC)
    return tracks.add_track(connection, content_id, Tags(), 1.0, added_at=now)


@pytest.mark.parametrize("found", [SOME, SILENCE])
def test_an_analysis_comes_back_as_it_was(store: Store, found: MusicAnalysis) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        analyses.put(connection, track_id, "1", SILENCE)
        analyses.put(connection, track_id, "1", found)
    with store.read() as connection:
        assert analyses.get(connection, track_id, "1") == found


def test_versions_are_not_mixed(store: Store) -> None:
    with store.write() as connection:
        old, new, none = (add(connection, f"c{number}") for number in range(3))
        analyses.put(connection, old, "1", SOME)
        analyses.put(connection, new, "1", SOME)
        analyses.put(connection, new, "2", SILENCE)
    with store.read() as connection:
        assert analyses.get_many(connection, [old, new, none], "2") == {new: SILENCE}
        assert feature_rows.missing(connection, schema.analysis, "2") == [old, none]
        assert feature_rows.missing(connection, schema.analysis, "1") == [new, none]


@pytest.mark.parametrize("details", ["", "{}", "[1]", '{"tempo_bpm": 1}'])
def test_a_damaged_analysis_is_told(store: Store, details: str) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        analyses.put(connection, track_id, "1", SOME)
        connection.execute(update(analysis).values(details=details, checksum=None))
    with (
        store.read() as connection,
        pytest.raises(CorruptionError, match="its analysis is damaged"),
    ):
        analyses.get(connection, track_id, "1")


def test_a_chroma_sequence_comes_back_and_analyses_without_one_are_left_out(store: Store) -> None:
    sequence = np.arange(36, dtype=np.uint8).reshape(3, 12)
    with store.write() as connection:
        with_chroma, without, old = (add(connection, f"c{number}") for number in range(3))
        analyses.put(connection, with_chroma, "2", SOME, sequence)
        analyses.put(connection, without, "2", SOME)
        analyses.put(connection, old, "1", SOME, sequence)
    with store.read() as connection:
        [(track_id, found)] = analyses.chroma_sequences(connection, "2")
        assert track_id == with_chroma
        np.testing.assert_array_equal(found, sequence)
        assert list(analyses.chroma_sequences(connection, "2", [without, old])) == []
        assert feature_rows.missing(connection, analysis, "2") == [old]
        assert analyses.get(connection, with_chroma, "2") == SOME


@pytest.mark.parametrize("chroma", ['"AAAA"', '"?"', "7", "[]"])
def test_a_damaged_chroma_sequence_is_told(store: Store, chroma: str) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        analyses.put(connection, track_id, "1", SOME)
        damaged = f'{{"chroma":{chroma}}}'
        connection.execute(update(analysis).values(details=damaged, checksum=None))
    with (
        store.read() as connection,
        pytest.raises(CorruptionError, match="its chroma sequence is damaged"),
    ):
        list(analyses.chroma_sequences(connection, "1"))


def test_it_goes_with_its_track(store: Store) -> None:
    with store.write() as connection:
        track_id = add(connection, "c1")
        analyses.put(connection, track_id, "1", SOME)
        tracks.remove(connection, track_id)
    with store.read() as connection:
        assert connection.execute(analysis.select()).all() == []
