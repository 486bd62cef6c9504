"""`verify`, `export` and `import` on both databases: damage, merging, refusals, failures."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from databases import beside
from sqlalchemy import Engine, delete, event, insert, select, text, update
from synthetic import SR, play

from fingerprinter import open_library
from fingerprinter.core.fingerprint.params import COMPACT, DEFAULT
from fingerprinter.embedding import load_model
from fingerprinter.errors import CorruptionError, LibraryError, UsageError, VersionError
from fingerprinter.library import Library
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.library.indexing.extract import extract_file
from fingerprinter.library.indexing.ingest import FoundFile, ingest
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import archive, checks
from fingerprinter.store.tables import library_metadata, schema, vectors

PIECES, PIECE_S = 4, 6


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Pieces 0, 1, ... , extracted as the workers do."""
    folder = tmp_path_factory.mktemp("pieces")
    found = []
    for seed in range(PIECES):
        path = folder / f"{seed}.flac"
        soundfile.write(path, play(seed, PIECE_S), SR)
        file = FoundFile(path, path.stat().st_size, path.stat().st_mtime_ns)
        found.append((file, extract_file(path, DEFAULT, None, ())))
    return found


def fill(database: Database, items: list[Any], *, apart: bool = False) -> None:
    """Ingest files, into one segment or into one each."""
    for portion in [[item] for item in items] if apart else [items]:
        with database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, DEFAULT.id)
            ingest(connection, DEFAULT, None, portion)


@pytest.fixture
def library(
    library_url: str, extracted: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    """Pieces 0, 1, ... as tracks 1, 2, ..., piece 0 and the others in a segment each."""
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    with Database.open(library_url) as database:
        fill(database, extracted[:1])
        fill(database, extracted[1:])
    with open_library(library_url) as library:
        yield library


@pytest.fixture
def other(tmp_path: Path, sqlite_template: Path) -> Iterator[Library]:
    """An empty library in SQLite."""
    path = shutil.copyfile(sqlite_template, tmp_path / "other.db")
    with open_library(path) as library:
        yield library


def ids(library: Library) -> list[int]:
    """Ids of the tracks. PostgreSQL continues with the ids after those of an earlier test."""
    return [track.id for track in library.tracks()]


def first_segment(library: Library) -> int:
    with beside(library) as connection:
        return checks.segment_ids(connection)[0]


def identified(library: Library) -> list[str | None]:
    """The content id that a clip of each piece is identified as, or None."""
    clips = [(play(seed, PIECE_S)[2 * SR : 4 * SR], SR) for seed in range(PIECES)]
    answers = [library.identify(clip) for clip in clips]
    return [matches[0].track.content_id if matches else None for matches in answers]


def change(library: Library, *statements: Any) -> None:
    with beside(library) as connection:
        for statement in statements:
            connection.execute(statement)


def flipped(library: Library, table: Any, which: Any) -> None:
    """Flip a bit in the packed data of a row."""
    key = next(iter(table.primary_key))
    with beside(library) as connection:
        rows = select(key, table.c.data).where(which).order_by(key).limit(1)
        id_, data = connection.execute(rows).one()
        bad = bytes([*data[:-3], data[-3] ^ 1, *data[-2:]])
        connection.execute(update(table).where(key == id_).values(data=bad))


def kinds(library: Library, *, repair: bool = False) -> list[str]:
    report = library.verify(repair=repair)
    assert all("\n" not in str(finding) for finding in report.findings)
    return [finding.kind for finding in report.findings if finding.damage]


# --- verify ---------------------------------------------------------------------------


def test_an_intact_library_has_no_findings(library: Library) -> None:
    report = library.verify()
    assert report.is_whole
    assert (report.tracks, report.segments, report.findings) == (PIECES, 2, ())
    assert report.blocks >= 2
    library.remove(ids(library)[:1])
    assert library.verify().findings == ()
    assert library.verify(repair=True).findings == ()


DAMAGES = {
    "segment": [lambda lib: flipped(lib, schema.posting_block, schema.posting_block.c.id > 0)],
    "landmarks": [
        lambda lib: change(
            lib,
            delete(schema.posting_block).where(
                schema.posting_block.c.id < (first_segment(lib) + 1) << 24
            ),
            delete(schema.segment).where(schema.segment.c.id == first_segment(lib)),
        )
    ],
    "cut": [lambda lib: change(lib, update(schema.segment).values(prefix_bits=-1))],
    "count": [lambda lib: change(lib, update(schema.segment).values(landmark_count=7))],
    "blocks": [
        lambda lib: change(
            lib, insert(schema.posting_block).values(id=999_999 << 24, data=b"x" * 20)
        )
    ],
    "tombstone": [lambda lib: change(lib, insert(schema.tombstone).values(track_id=ids(lib)[0]))],
    "names": [lambda lib: change(lib, update(schema.track_name).values(names=" other "))],
    "twice": [
        lambda lib: change(
            lib,
            update(schema.segment)
            .where(schema.segment.c.id == first_segment(lib))
            .values(track_ids=np.array(ids(lib)[1:2], "<i8").tobytes()),
        )
    ],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_derived_data_is_repaired(library: Library, damage: str) -> None:
    before = identified(library)
    assert None not in before
    DAMAGES[damage][0](library)
    found = library.verify()
    assert not found.is_whole
    assert all(finding.next_step for finding in found.findings)
    repaired = library.verify(repair=True)
    assert repaired.is_whole
    assert [f.kind for f in repaired.findings] == [f.kind for f in found.findings]
    assert library.verify().findings == ()
    assert identified(library) == before


def test_blocks_are_read_in_portions(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes blocks after the last one that a look-up can ask for."""
    whole = library.verify()
    monkeypatch.setattr(checks, "BLOCKS_PER_READ", 2)
    assert library.verify().blocks == whole.blocks > 4
    last = (first_segment(library) + 1 << postings.PREFIX_SHIFT) - 1
    change(library, insert(schema.posting_block).values(id=last, data=b"x" * 20))
    assert kinds(library) == ["segment"]


def test_rows_without_a_track_are_deleted(other: Library) -> None:
    with closing(sqlite3.connect(other.stats().address)) as connection, connection:
        connection.execute("INSERT INTO constellation VALUES (77, x'00')")
    assert kinds(other) == ["rows"]
    assert other.verify(repair=True).is_whole
    assert kinds(other) == []


def test_other_damage_is_reported_and_left(library: Library) -> None:
    constellation = schema.constellation
    _, second, third, _ = ids(library)
    flipped(library, constellation, constellation.c.track_id == second)
    change(library, delete(constellation).where(constellation.c.track_id == third))
    before = rows_of(library)
    report = library.verify(repair=True)
    assert not report.is_whole
    assert [finding.thing for finding in report.findings] == [
        f"track {third}",
        f"track {second}",
    ]
    path = library.track(second).path
    step = f"run `fingerprinter remove {second}` and `fingerprinter index {path}`"
    assert str(report.findings[1]) == f"track {second}: its peaks are damaged; {step}"
    assert rows_of(library) == before


def test_vectors_of_another_length_are_reported(library: Library) -> None:
    digest, known = load_model().digest, ids(library)
    with beside(library) as connection:
        for track_id, width in zip(known, (212, 212, 100), strict=False):
            row = np.zeros(width, np.float32)
            vectors.put(connection, track_id, digest, row, np.zeros(50, np.float32))
    (finding,) = library.verify(repair=True).findings
    assert finding.thing == f"track {known[2]}"
    assert finding.found == "its embedding has 400 bytes of vector, others 848"
    assert "then run `fingerprinter index " in str(finding.next_step)
    assert finding.repaired
    assert library.verify().findings == ()


# --- export and import ----------------------------------------------------------------


def rows_of(library: Library) -> list[archive.Record]:
    with beside(library) as connection:
        return [archive.without_id(r) for r in archive.records(connection, None)]


def test_every_table_of_a_track_is_exported(other: Library, tmp_path: Path) -> None:
    of_a_track = {"file", "constellation", "embedding", "section", "facet", "analysis"}
    assert {table.name for table in checks.OF_A_TRACK} >= of_a_track
    other.export_to(tmp_path / "all.fpx")
    with closing(sqlite3.connect(tmp_path / "all.fpx")) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE %'")
        names = {name for (name,) in found}
    assert names - {"sqlite_sequence"} == {
        "header",
        "track",
        *(table.name for table in checks.OF_A_TRACK if table is not schema.track_name),
    }


def test_a_library_is_exported_and_imported_back(
    library: Library, other: Library, tmp_path: Path
) -> None:
    vector, known = np.arange(212, dtype=np.float32), ids(library)
    with beside(library) as connection:
        vectors.put(connection, known[1], "model", vector, vector[:50])
    assert library.export_to(tmp_path / "there.fpx") == PIECES
    report = other.import_from(tmp_path / "there.fpx")
    assert (report.added, report.merged, report.files) == (PIECES, 0, PIECES)
    assert rows_of(other) == rows_of(library)
    assert identified(other) == identified(library)
    assert other.verify().is_whole

    other.export_to(tmp_path / "back.fpx")
    again = library.import_from(tmp_path / "back.fpx")
    assert (again.added, again.merged, again.unchanged) == (0, 0, PIECES)
    library.remove(known[:2])
    again = library.import_from(tmp_path / "back.fpx")
    assert (again.added, again.merged, again.unchanged) == (2, 0, PIECES - 2)
    assert identified(library) == identified(other)
    assert library.verify().is_whole


def test_an_import_merges(library: Library, other: Library, tmp_path: Path) -> None:
    known = ids(library)
    assert library.export_to(tmp_path / "some.fpx", known[:2]) == 2
    other.import_from(
        tmp_path / "some.fpx", moved=[(str(Path(library.track(known[0]).path).parent), "/m")]
    )
    assert [track.path for track in other.tracks()] == ["/m/0.flac", "/m/1.flac"]
    track = schema.track
    change(library, update(track).where(track.c.id == known[0]).values(title="there", year=1999))
    change(other, update(track).where(track.c.id == 1).values(title="here"))
    library.export_to(tmp_path / "all.fpx")
    report = other.import_from(tmp_path / "all.fpx")
    assert (report.added, report.merged, report.unchanged) == (PIECES - 2, 2, 0)
    assert (other.track(1).title, other.track(1).year) == ("here", 1999)
    assert len(other.files(1)) == 2
    change(other, update(schema.file).where(schema.file.c.track_id == 3).values(track_id=4))
    assert other.import_from(tmp_path / "all.fpx").files_kept == 1


def test_a_damaged_track_is_left_out(library: Library, other: Library, tmp_path: Path) -> None:
    path, known = tmp_path / "all.fpx", ids(library)
    library.export_to(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE constellation SET data = x'0011' WHERE track_id = ?", known[1:2])
    report = other.import_from(path)
    assert (report.added, report.failed) == (PIECES - 1, 1)
    assert "index its file again" in report.problems[0].message
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM track WHERE id = ?", known[2:3])
    with pytest.raises(CorruptionError, match="list of tracks is not what was written"):
        other.import_from(path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE header SET value = '2' WHERE name = 'format'", "upgrade fingerprinter"),
        ("UPDATE header SET value = '9999' WHERE name = 'schema'", "upgrade fingerprinter"),
        ("UPDATE header SET value = 'x' WHERE name = 'params_id'", "parameters x, which this"),
    ],
)
def test_another_version_is_refused(
    library: Library, other: Library, tmp_path: Path, statement: str, message: str
) -> None:
    path = tmp_path / "all.fpx"
    library.export_to(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(VersionError, match=message):
        other.import_from(path)
    assert list(other.tracks()) == []


def test_other_parameters_are_refused(library: Library, other: Library, tmp_path: Path) -> None:
    library.export_to(tmp_path / "all.fpx")
    with beside(other) as connection:
        library_metadata.claim(connection, library_metadata.PARAMS_ID, COMPACT.id)
    message = "the profile default, and the library has the profile compact; import it into a new"
    with pytest.raises(VersionError, match=message):
        other.import_from(tmp_path / "all.fpx")


def test_files_that_are_no_exports(other: Library, tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "song.mp3", "no export of a library"),
        (tmp_path / "none.fpx", "No such file"),
        (Path(other.stats().address), "no export of a library"),
    ):
        with pytest.raises(UsageError, match=message):
            other.import_from(path)
    for path, message in (
        (tmp_path / "song.mp3", "a file that is no export; name another"),
        (Path(other.stats().address), "a file that is no export; name another"),
        (tmp_path / "no" / "x.fpx", "its folder is missing or cannot be written; name another"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(UsageError, match=message):
            other.export_to(path)
    for name, message in (("song.mp3", "no collection"), ("pipe", "not a regular file")):
        with pytest.raises(UsageError, match=message):
            other.export_rekordbox(tmp_path / name)
    assert (tmp_path / "song.mp3").read_bytes() == b"ID3"
    assert not list(tmp_path.glob("*.part"))


# --- failures during work ---------------------------------------------------------------


def test_a_disk_that_fills_up_loses_nothing(
    sqlite_template: Path, tmp_path: Path, extracted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "run_in_order", lambda *_: (item for item in extracted))
    monkeypatch.setattr(postings, "MERGE_FACTOR", 2)  # of four pieces, too: it needs pages
    monkeypatch.setattr(Library, "batch_limits", BatchLimits(elapsed_s=0.0))
    path, pieces = tmp_path / "full.db", extracted[0][0].path.parent
    shutil.copyfile(sqlite_template, path)
    with closing(sqlite3.connect(path)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()

    def fill_disk(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", fill_disk)
    try:
        message = "disk is full; free some space and run the command aga"
        with open_library(path) as library, pytest.raises(LibraryError, match=message):
            library.index([pieces], embeddings=False)
    finally:
        event.remove(Engine, "connect", fill_disk)
    with open_library(path) as library:
        assert library.verify().is_whole
        library.index([pieces], embeddings=False)
        assert None not in identified(library)


def test_a_connection_lost_in_mid_batch_loses_nothing(
    postgresql_server: Any, extracted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_server.url(postgresql_server.empty_library())
    add, cut = indexer.postings.add_segment, []

    def cut_off(connection: Any, *rest: Any) -> None:
        add(connection, *rest)
        if not cut:
            cut.append(connection.scalar(text("SELECT pg_backend_pid()")))
            postgresql_server.execute(f"SELECT pg_terminate_backend({cut[0]}, 5000)")

    monkeypatch.setattr(indexer.postings, "add_segment", cut_off)
    monkeypatch.setattr(indexer, "run_in_order", lambda *_: (item for item in extracted))
    with open_library(url) as library:
        report = library.index([extracted[0][0].path.parent], embeddings=False)
        assert (report.indexed, len(cut)) == (PIECES, 1)
        assert library.verify().is_whole
        assert None not in identified(library)
