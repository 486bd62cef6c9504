"""A damaged or crafted SQLite library ends in one line, and never in another answer."""

from __future__ import annotations

import gzip
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from fingerprinter import open_library
from fingerprinter.audio import read_samples
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import CorruptionError, FingerprinterError, LibraryError, UsageError
from fingerprinter.library import Library, schema_status, upgrade_schema
from fingerprinter.store.engine import engine
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import library_metadata, schema
from fingerprinter.store.tables.schema import SCHEMA_HEAD

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / f"library-{SCHEMA_HEAD}.db.gz"
CLIP = TESTS / "music" / "kenta_cho-stg3.ogg"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return read_samples(CLIP, DEFAULT.sr)[12 * DEFAULT.sr : 17 * DEFAULT.sr]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library with two tracks and everything that can be stored about them."""
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "music.db").write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    return tmp_path / "music.db"


def execute(path: Path, *statements: str) -> None:
    """Changes a library as an enemy would, with no regard to types and constraints."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(replace(sql, ') STRICT', ')'), ' NOT NULL', '')"
            " WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        )
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def answers(path: Path, clip: np.ndarray) -> Iterator[Callable[[], object]]:
    """What is asked of a library, one thing after another."""

    def asked(question: Callable[[Library], object]) -> Callable[[], object]:
        def ask() -> object:
            with open_library(path, create=False, read_only=True) as library:
                return question(library)

        return ask

    yield asked(lambda library: list(library.tracks()))
    yield asked(lambda library: library.identify((clip, DEFAULT.sr)))
    yield asked(lambda library: [library.files(track) for track in library.tracks()])
    yield asked(lambda library: library.similar(next(library.tracks()), why=True))
    yield asked(lambda library: library.stats())
    yield asked(lambda library: library.search("cho"))
    yield asked(lambda library: library.duplicates())
    yield asked(lambda library: library.lists.beats([track.id for track in library.tracks()]))
    yield asked(lambda library: library.export_to(path.with_suffix(".fpx")))


def complaints(path: Path, clip: np.ndarray) -> list[FingerprinterError]:
    """The errors with which questions end; any other exception fails the test."""
    found = []
    for ask in answers(path, clip):
        try:
            ask()
        except FingerprinterError as error:
            assert "\n" not in str(error)
            found.append(error)
    return found


CRAFTED = [
    "UPDATE track SET duration_s = 'long'",
    "UPDATE track SET duration_s = 9e999",
    "UPDATE track SET added_at = 'yesterday'",
    "UPDATE track SET added_at = '0001-01-01 00:00:00.000000'",
    "UPDATE track SET title = x'ff'",
    "UPDATE track SET title = CAST(x'ff' AS TEXT)",
    "UPDATE track SET content_id = NULL",
    "UPDATE file SET path = id",
    "UPDATE constellation SET data = 'text'",
    "UPDATE embedding SET vector = x'001122'",
    "UPDATE section SET vectors = x'001122'",
    "UPDATE facet SET data = 3",
    "UPDATE sketch SET data = x'00'",
    "UPDATE analysis SET details = '[]'",
    'UPDATE analysis SET details = replace(details, \'"tempo_bpm":\', \'"tempo_bpm":"x","y":\')',
    "UPDATE analysis SET tempo_bpm = 'fast'",
    "UPDATE segment SET track_ids = x'0011'",
    "UPDATE segment SET prefix_bits = 99",
    "UPDATE segment SET frame_count = 'x'",
    "UPDATE posting_block SET data = 'text'",
    "UPDATE setting SET value = 'x' WHERE name = 'revision'",
    "UPDATE setting SET value = x'00'",
]


@pytest.mark.parametrize("statement", CRAFTED)
def test_a_value_that_no_column_has(path: Path, clip: np.ndarray, statement: str) -> None:
    """Also with a checksum that is right, or none."""
    table = statement.split()[1]
    has_checksum = "checksum" in schema.metadata.tables[table].c
    execute(path, statement, *([f"UPDATE {table} SET checksum = NULL"] if has_checksum else []))
    found = complaints(path, clip)
    try:
        with open_library(path, create=False, read_only=True) as library:
            assert not library.verify().is_whole
    except LibraryError:
        assert found


@pytest.mark.parametrize(
    ("table", "column"), [("track", "title"), ("embedding", "model"), ("sketch", "version")]
)
def test_a_changed_value_is_named_and_not_ranked(
    path: Path, clip: np.ndarray, table: str, column: str
) -> None:
    execute(path, f"UPDATE {table} SET {column} = {column} || 'x' WHERE rowid = 1")
    execute(path, f"UPDATE {table} SET {column} = substr({column}, 1, length({column}) - 1) || 'y'")
    with open_library(path, create=False, read_only=True) as library:
        assert "checksum" in " ".join(map(str, library.verify().findings))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO track_name_words (track_name_words, rowid, names)"
        " SELECT 'delete', track_id, names FROM track_name WHERE track_id = 1",
        "UPDATE track_name_words_data SET block = zeroblob(length(block)) WHERE id > 10",
        "UPDATE track_name_words_data SET block = x'00'",
        "DELETE FROM setting WHERE name = 'params_id'",
    ],
)
def test_damage_that_would_leave_tracks_out_is_named(path: Path, statement: str) -> None:
    """A search reads the index of names before the row of a track, whose checksum is read."""
    execute(path, statement)
    try:
        with open_library(path, read_only=True) as library:
            (finding,) = library.verify().findings
            assert finding.kind == "names"
        with open_library(path) as library:
            assert library.verify(repair=True).is_whole
            assert library.verify().findings == ()
            assert library.search("kenta").results
    except CorruptionError as error:
        assert "does not name" in str(error)


STRANGERS = {
    "view track": ["DROP TABLE track", f"CREATE VIEW track AS {ENDLESS} AS id FROM n"],
    "view alembic_version": [
        "DROP TABLE alembic_version",
        f"CREATE VIEW alembic_version AS {ENDLESS} AS version_num FROM n",
    ],
    "trigger t": ["CREATE TRIGGER t AFTER INSERT ON track BEGIN DELETE FROM file; END"],
    "virtual table x": ["CREATE VIRTUAL TABLE x USING fts5(y)"],
    "table json_each": ["CREATE TABLE json_each (value)"],
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_runs_sql_of_others_is_refused(path: Path, stranger: str) -> None:
    execute(path, "PRAGMA foreign_keys = OFF", *STRANGERS[stranger])
    for options in ({}, {"read_only": True}, {"create": True}):
        with pytest.raises(LibraryError, match=f"holds the {stranger}, which fingerprinter did"):
            Database.open(str(path), **options)
    with pytest.raises(LibraryError, match="do not trust this file"):
        upgrade_schema(path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TABLE tombstone", "the table tombstone is missing"),
        ("ALTER TABLE setting RENAME COLUMN value TO v", "column value of the table setting is"),
        ("ALTER TABLE alembic_version RENAME COLUMN version_num TO v", "its schema is missing"),
        ("DELETE FROM alembic_version", "revision of its schema is damaged"),
        ("INSERT INTO alembic_version VALUES ('0003')", "revision of its schema is damaged"),
        ("UPDATE alembic_version SET version_num = x'00'", "revision of its schema is damaged"),
        ("UPDATE alembic_version SET version_num = 'four'", "database of another program"),
        ("UPDATE alembic_version SET version_num = '9999'", "knows only up to"),
    ],
)
def test_a_schema_that_is_none(path: Path, statement: str, message: str) -> None:
    execute(path, statement)
    with pytest.raises(LibraryError, match=message):
        Database.open(str(path))


def test_an_upgrade_that_stopped_in_the_middle(path: Path) -> None:
    execute(path, "UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(CorruptionError, match="its tables are not those of its schema"):
        upgrade_schema(path)
    assert schema_status(path).revision == "0004"


def test_sixty_four_damaged_bytes_never_change_an_answer(path: Path, clip: np.ndarray) -> None:
    whole = path.read_bytes()
    expected = [str(ask()) for ask in answers(path, clip)]
    silent = []
    for seed in range(20):
        chance = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(64):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        for number, ask in enumerate(answers(path, clip)):
            try:
                found = str(ask())
            except FingerprinterError as error:
                assert "\n" not in str(error)
            else:
                silent += [(seed, number)] if found != expected[number] else []
    assert silent == []


def test_verify_repairs_what_is_derived(path: Path, clip: np.ndarray) -> None:
    execute(
        path,
        "UPDATE setting SET value = 'many' WHERE name = 'revision'",
        "UPDATE posting_block SET data = 'text' WHERE id = (SELECT min(id) FROM posting_block)",
        "UPDATE analysis SET tempo_bpm = 1",
    )
    with open_library(path, create=False) as library:
        report = library.verify(repair=True)
        assert {each.kind for each in report.findings} >= {"setting", "segment", "analysis"}
        assert report.is_whole
        assert library.verify().is_whole
        assert library.identify((clip, DEFAULT.sr))[0].offset_s == pytest.approx(12, abs=0.1)


def test_a_statement_without_end_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TURN_S", 0.1)
    with (
        Database.open(str(path)) as database,
        pytest.raises(LibraryError, match="a statement took too long"),
        database.connect() as connection,
    ):
        connection.execute(text(f"{ENDLESS} AS endless FROM n WHERE i < 0")).all()
    with Database.open(str(path)) as database, database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM track")) == 2


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_export(path: Path, tmp_path: Path, share: float) -> None:
    export = tmp_path / "music.fpx"
    with open_library(path, create=False) as library:
        library.export_to(export)
    export.write_bytes(export.read_bytes()[: round(export.stat().st_size * share)])
    refusal = pytest.raises((UsageError, CorruptionError), match=r"music.fpx: .*export")
    with open_library(tmp_path / "new.db") as library, refusal:
        library.import_from(export)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, which a test fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("has_log", [False, True])
def test_reading_needs_no_space(
    path: Path, clip: np.ndarray, full_disk: Path, has_log: bool
) -> None:
    library = Path(shutil.copy(path, full_disk / "music.db"))
    if has_log:  # of a process that was killed
        with Database.open(str(path)) as database, database.begin() as connection:
            library_metadata.put(connection, "note", "in the log")
            connection.commit()
            for name in ("music.db", "music.db-wal"):
                shutil.copy(path.with_name(name), full_disk / name)
    refusal = pytest.raises(OSError, match="space")
    with (full_disk / "other").open("wb", buffering=0) as file, refusal:
        while True:
            file.write(bytes(4096))
    with open_library(library, create=False, read_only=True) as opened:
        assert len(list(opened.tracks())) == 2
        assert opened.identify((clip, DEFAULT.sr))
    with pytest.raises(LibraryError, match="the disk is full"), Database.open(str(library)) as full:
        full.change(lambda connection: library_metadata.put(connection, "note", "x" * 100_000))


CUT_OFF_WHILE_READ = """
import os, sys
from sqlalchemy import text
from fingerprinter.store.engine import address, engine

path = sys.argv[1]
reader = engine.open_engine(address.Address.parse(path), engine.Access.READ)
with engine.reading(reader) as connection:
    connection.execute(text("SELECT count(*) FROM track")).all()
    os.truncate(path, 32_768)
    connection.execute(text("SELECT sum(length(data)) FROM posting_block")).all()
"""


def test_a_file_that_is_cut_off_while_it_is_read_ends_no_process(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUT_OFF_WHILE_READ, path], capture_output=True, text=True
    )
    assert done.returncode == 1, done.returncode  # and not a signal
    assert "disk image is malformed" in done.stderr
