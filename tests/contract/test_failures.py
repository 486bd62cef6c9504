"""What a user can meet and mend ends in one line that names the next step."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from databases import PostgresServer, Store
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fingerprinter.errors import (
    ConnectionLostError,
    CorruptionError,
    FingerprinterError,
    LibraryError,
)
from fingerprinter.store.engine import database as database_module
from fingerprinter.store.engine import migration
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import library_metadata, tracks
from fingerprinter.types import Tags


def refusal(url: str, **options: bool) -> str:
    with pytest.raises(LibraryError) as caught:
        Database.open(url, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- SQLite: paths --------------------------------------------------------------------


def test_no_library_there(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    for options in ({}, {"read_only": True}):
        message = f"{path}: no library there; run `fingerprinter index FOLDER` to make one"
        assert refusal(str(path), **options).startswith(message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{}, {"create": True}, {"read_only": True}])
class TestPlacesOfSqlite:
    def test_no_folder(self, tmp_path: Path, options: dict[str, bool]) -> None:
        path = tmp_path / "no" / "music.db"
        assert f"{path}: there is no folder {path.parent}; make it" in refusal(str(path), **options)

    def test_a_folder(self, tmp_path: Path, options: dict[str, bool]) -> None:
        assert f"{tmp_path}: is a folder; name a file in it" in refusal(str(tmp_path), **options)
        for place in (".", "/"):
            assert "is a folder; name a file in it" in refusal(place, **options)

    def test_another_kind_of_file(self, tmp_path: Path, options: dict[str, bool]) -> None:
        path = tmp_path / "cover.jpg"
        path.write_bytes(picture := b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(5000))
        assert refusal(str(path), **options) == (
            f"{path}: not an SQLite database; name another file"
        )
        assert path.read_bytes() == picture

    def test_another_program(self, tmp_path: Path, options: dict[str, bool]) -> None:
        path = tmp_path / "photos.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE photo (id)")
        message = refusal(str(path), **options)
        assert "another program" in message or "holds no library" in message
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("photo",)]


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    path.touch()
    assert "holds no library; run `fingerprinter index FOLDER`" in refusal(str(path))
    Database.open(str(path), create=True).close()
    Database.open(str(path)).close()


# --- SQLite: permissions, which do not bind root --------------------------------------


def as_ordinary_user(function: Callable[[], object]) -> str:
    """What a function returns, or how it fails, in a process of nobody's."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            answer = str(function())
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.wait()
    return answer


def lock(path: Path) -> None:
    """Makes a library, the files next to it and its folder read-only."""
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)


def unlock(path: Path) -> None:
    path.parent.chmod(0o755)
    path.chmod(0o644)


@pytest.fixture
def locked_library() -> Iterator[Path]:
    """A library of one track in a folder that may be read, but not be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "music.db")
        with Database.open(str(path), create=True) as database, database.begin() as connection:
            now = datetime.now(UTC)
            tracks.add_track(connection, "c1", Tags(), 1.0, added_at=now)
        lock(path)
        yield path
        unlock(path)


def count(path: Path) -> int:
    with Database.open(str(path), read_only=True) as database, database.connect() as connection:
        return tracks.counts(connection).tracks


def write(path: Path) -> None:
    with Database.open(str(path)) as database, database.begin() as connection:
        library_metadata.bump_revision(connection)


def test_a_library_on_a_read_only_medium_is_read(locked_library: Path) -> None:
    assert as_ordinary_user(lambda: count(locked_library)) == "1"
    answer = as_ordinary_user(lambda: write(locked_library))
    assert answer.startswith(f"ReadOnlyError: {locked_library}: it can only be read")


def test_a_reader_without_rights_follows_a_live_writer(locked_library: Path) -> None:
    unlock(locked_library)
    with Database.open(str(locked_library)) as writer:
        with writer.begin() as connection:
            now = datetime.now(UTC)
            tracks.add_track(connection, "c2", Tags(), 1.0, added_at=now)
        lock(locked_library)
        assert as_ordinary_user(lambda: count(locked_library)) == "2"


def test_the_log_of_a_read_only_library_is_not_ignored(locked_library: Path) -> None:
    unlock(locked_library)
    locked_library.with_name("music.db-wal").write_bytes(bytes(32))
    lock(locked_library)
    answer = as_ordinary_user(lambda: count(locked_library))
    assert answer.startswith(f"ReadOnlyError: {locked_library}: ")


def test_a_read_only_file_in_an_open_folder(locked_library: Path) -> None:
    locked_library.parent.chmod(0o777)
    assert as_ordinary_user(lambda: count(locked_library)) == "1"
    assert "it can only be read" in as_ordinary_user(lambda: write(locked_library))


def test_a_folder_that_cannot_be_written(locked_library: Path) -> None:
    path = locked_library.with_name("new.db")
    answer = as_ordinary_user(lambda: Database.open(str(path), create=True))
    assert f"no library there, and the folder {path.parent} cannot be written" in answer


def test_a_file_that_cannot_be_read(locked_library: Path) -> None:
    locked_library.chmod(0)
    answer = as_ordinary_user(lambda: count(locked_library))
    assert answer == f"LibraryError: {locked_library}: permission denied: the file cannot be read"


def test_a_folder_that_cannot_be_entered(locked_library: Path) -> None:
    locked_library.parent.chmod(0)
    answer = as_ordinary_user(lambda: count(locked_library))
    assert answer == (
        f"LibraryError: {locked_library}: permission denied: {locked_library} cannot be reached"
    )


# --- SQLite: while working ------------------------------------------------------------


@pytest.fixture
def sqlite_library(tmp_path: Path) -> Path:
    path = tmp_path / "music.db"
    Database.open(str(path), create=True).close()
    return path


def test_a_full_disk(sqlite_library: Path) -> None:
    with Database.open(str(sqlite_library)) as database:
        with database.connect() as connection:  # the pool's only one, used again below
            pages = connection.scalar(text("PRAGMA page_count"))
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(LibraryError, match="full; free some"), database.begin() as connection:
            library_metadata.put(connection, "small", "x")
            library_metadata.put(connection, "large", "x" * 1_000_000)
        with database.connect() as connection:
            assert library_metadata.get(connection, "small") is None


def test_a_locked_library(sqlite_library: Path) -> None:
    with (
        Database.open(str(sqlite_library)) as first,
        Database.open(f"sqlite:///{sqlite_library}?timeout=0.05") as second,
        first.begin(),
        pytest.raises(LibraryError, match=r"locked by another process; let it finish"),
        second.begin(),
    ):
        pass


def test_a_damaged_library(sqlite_library: Path) -> None:
    whole = sqlite_library.read_bytes()
    sqlite_library.write_bytes(whole[:16384] + b"\x7f" * (len(whole) - 16384))
    with pytest.raises(
        CorruptionError, match=r"music.db: the database is damaged; run `fingerprinter verify`"
    ):
        count(sqlite_library)


def test_an_sqlite_uri(sqlite_library: Path) -> None:
    Database.open(f"sqlite:///file:{sqlite_library}?mode=rw&uri=true").close()
    assert "file:no.db: unable to open" in refusal("sqlite:///file:no.db?mode=rw&uri=true")


# --- PostgreSQL: sessions -------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded_server(postgresql_server: PostgresServer) -> PostgresServer:
    """The server, with a role that needs a password and one that may only look."""
    postgresql_server.execute("CREATE ROLE guarded LOGIN PASSWORD 'swordfish'")
    postgresql_server.execute("CREATE ROLE guest LOGIN")
    rules = postgresql_server.pgdata / "pg_hba.conf"
    rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
    postgresql_server.reload()
    return postgresql_server


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:swordfish@127.0.0.1:1/music", "Connection refused; is the server runnin"),
        ("postgresql://me:swordfish@no.invalid/music", "could not translate .*; check the host"),
        ("postgresql://me:swordfish@/music?host=/no/socket", "No such file.*; is the server runn"),
        ("postgresql://me@/music?host=/no/socket&password=swordfish", "No such file.*; is the ser"),
        ("postgresql://me:swordfish@host/music?sslmod=x", 'option "sslmod"; correct the options'),
        ("postgresql://me:swordfish@host/music?sslmode=x", 'sslmode value: "x"; correct the opt'),
    ],
)
def test_an_unreachable_server(url: str, message: str) -> None:
    with pytest.raises(LibraryError, match=message) as caught:
        Database.open(url, create=True)
    assert str(caught.value).startswith("postgresql://me")
    assert "swordfish" not in str(caught.value)


@given(st.text(), st.booleans())
@example("@/", False)
def test_no_password_is_ever_shown(password: str, quoted: bool) -> None:
    password += "1SECRET1"
    for place in ("me:{}@/music?host=/no/socket", "me@/music?host=/no/socket&password={}"):
        message = refusal("postgresql://" + place.format(quote(password) if quoted else password))
        assert "1SECRET1" not in message


def test_a_missing_database(guarded_server: PostgresServer) -> None:
    message = 'database "music" does not exist; make it with `createdb`, or name another'
    assert message in refusal(guarded_server.url("music"), create=True)


def test_a_missing_role(guarded_server: PostgresServer) -> None:
    url = guarded_server.url("postgres", "nobody", "swordfish")
    message = refusal(url)
    assert 'role "nobody" does not exist; name another user in the address' in message
    assert "swordfish" not in message


def test_a_wrong_password(guarded_server: PostgresServer) -> None:
    for password in ("sword-fish", ""):
        message = refusal(guarded_server.url("postgres", "guarded", password))
        assert "; check user and password, or set PGPASSWORD" in message
        assert "sword-fish" not in message


def test_no_library_in_the_database(guarded_server: PostgresServer) -> None:
    assert "holds no library; run `fingerprinter index FOLDER`" in refusal(
        guarded_server.url(guarded_server.empty_database())
    )


def test_the_database_of_another_program(guarded_server: PostgresServer) -> None:
    url = guarded_server.url(guarded_server.empty_database())
    migration.upgrade(url)
    with Database.open(url) as database, database.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    assert "another program (it holds the table analysis)" in refusal(url, create=True)


def test_no_right_to_create(guarded_server: PostgresServer) -> None:
    url = guarded_server.url(guarded_server.empty_database(), "guest")
    message = refusal(url, create=True)
    assert "permission denied for schema public: permission denied; grant" in message


def test_no_schema(guarded_server: PostgresServer) -> None:
    url = guarded_server.url(guarded_server.empty_database()) + "&options=-csearch_path%3Dnowhere"
    assert "no schema has been selected to create in: make the schema" in refusal(url, create=True)


# --- PostgreSQL: while working --------------------------------------------------------


@pytest.fixture
def postgresql_library(postgresql_server: PostgresServer) -> Iterator[Database]:
    url = postgresql_server.url(postgresql_server.empty_library())
    with Database.open(url) as database:
        yield database


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [
        ("53100", "the disk is full; free some space"),
        ("53300", "no connection free; close some"),
        ("58030", "the server's disk reported an error; check it"),
        (
            "57014",
            "a statement took too long, .* more time in the address: .options=-cst",
        ),
        ("57P01", "the server ended it; try again"),
        ("08006", "connection to the server was lost; try again"),
    ],
)
def test_what_the_server_reports(postgresql_library: Database, sqlstate: str, message: str) -> None:
    raising = text(f"DO $$ BEGIN RAISE 'said so' USING ERRCODE = '{sqlstate}'; END $$")
    with (
        pytest.raises(LibraryError, match=f"said so: .*{message}"),
        postgresql_library.begin() as connection,
    ):
        connection.execute(raising)


def test_damage_the_server_reports(postgresql_library: Database) -> None:
    raising = text("DO $$ BEGIN RAISE 'bad page' USING ERRCODE = 'data_corrupted'; END $$")
    with (
        pytest.raises(CorruptionError, match="the database is damaged; run `fingerprinter verify`"),
        postgresql_library.connect() as connection,
    ):
        connection.execute(raising)


def test_a_lock_that_is_not_had(postgresql_library: Database) -> None:
    with postgresql_library.begin() as first:
        first.execute(text("LOCK TABLE track"))
        with (
            pytest.raises(LibraryError, match="locked by another session; let it finish"),
            postgresql_library.connect() as second,
        ):
            second.execute(text("SET LOCAL lock_timeout = 10"))
            tracks.counts(second)


def test_a_lost_session_is_replaced(
    postgresql_library: Database, postgresql_server: PostgresServer
) -> None:
    with (
        pytest.raises(LibraryError, match="try again"),
        postgresql_library.begin() as connection,
    ):
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        postgresql_server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
        library_metadata.bump_revision(connection)
    with postgresql_library.begin() as connection:
        assert library_metadata.bump_revision(connection) == 1


def test_a_session_lost_while_idle_is_not_noticed(
    postgresql_library: Database, postgresql_server: PostgresServer
) -> None:
    postgresql_server.disconnect("library")
    with postgresql_library.begin() as connection:
        assert library_metadata.bump_revision(connection) == 1


def test_work_is_done_again_after_a_lost_session(
    postgresql_library: Database, postgresql_server: PostgresServer
) -> None:
    sessions: list[int] = []

    def work(connection: Connection) -> int:
        sessions.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        changed = library_metadata.bump_revision(connection)
        if len(sessions) < 3:
            postgresql_server.execute(f"SELECT pg_terminate_backend({sessions[-1]}, 5000)")
        return changed

    assert postgresql_library.change(work) == 1
    assert len(set(sessions)) == 3


def test_work_is_given_up_where_the_server_stays_away(
    postgresql_library: Database,
    postgresql_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_module, "RETRY_AFTER_S", (0.01, 0.01))
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        postgresql_server.execute(f"SELECT pg_terminate_backend({tries[-1]}, 5000)")
        library_metadata.bump_revision(connection)

    with pytest.raises(ConnectionLostError, match="try again") as caught:
        postgresql_library.change(work)
    assert "\n" not in str(caught.value)
    assert len(tries) == 3


def test_a_mistake_is_not_done_again(postgresql_library: Database) -> None:
    tries: list[None] = []

    def work(_: Connection) -> None:
        tries.append(None)
        raise LibraryError("as it is")

    with pytest.raises(LibraryError, match="as it is"):
        postgresql_library.change(work)
    assert len(tries) == 1


def test_a_statement_is_given_the_time_that_the_address_says(
    postgresql_server: PostgresServer,
) -> None:
    url = postgresql_server.url(postgresql_server.empty_library())
    with Database.open(url) as database, database.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "10min"
    with (
        Database.open(f"{url}&options=-cstatement_timeout%3D50") as database,
        pytest.raises(LibraryError, match="took too long"),
        database.connect() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(5)"))


# --- both -----------------------------------------------------------------------------


def test_a_bug_keeps_its_own_error(store: Store) -> None:
    with pytest.raises(DBAPIError), store.read() as connection:
        connection.execute(text("SELEKT 1"))
    with pytest.raises(LibraryError, match=r"^as it is$"), store.write():
        raise LibraryError("as it is")
    with pytest.raises(FingerprinterError, match="track 5"), store.read() as connection:
        tracks.get(connection, 5)
