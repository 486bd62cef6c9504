from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.errors import LibraryError
from fingerprinter.store.engine.address import Address


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("music.db", "music.db"),
        ("/srv/a b/müsic ?x=1#2.db", "/srv/a b/müsic ?x=1#2.db"),
        ("C:\\music.db", "C:\\music.db"),
        ("sqlite:///music.db", "music.db"),
        ("sqlite:////srv/music.db", "/srv/music.db"),
        ("sqlite+pysqlite:////srv/music.db?timeout=5", "/srv/music.db"),
        ("~/music.db", str(Path.home() / "music.db")),
        ("sqlite:///~/music.db", str(Path.home() / "music.db")),
        ("~music.db", "~music.db"),
    ],
)
def test_addresses_of_sqlite(text: str, path: str) -> None:
    address = Address.parse(text)
    assert address.is_sqlite
    assert address.path == Path(path)
    assert str(address) == path


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_database_in_memory(text: str) -> None:
    address = Address.parse(text)
    assert address.is_sqlite
    assert address.path is None
    assert str(address) == ":memory:"


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"]
)
def test_addresses_of_postgresql(scheme: str) -> None:
    address = Address.parse(f"{scheme}://me:secret@host:5433/music?sslmode=require")
    assert not address.is_sqlite
    assert address.path is None
    assert address.url.drivername == "postgresql+psycopg2"
    assert address.url.query == {"sslmode": "require"}
    assert str(address) == "postgresql://me:***@host:5433/music"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "address is empty; name a file"),
        ("mysql://me:secret@host/music", "mysql: no such kind of library; use .*sqlite:///FILE"),
        ("foo+bar://x", "foo: no such kind of library"),
        ("sqlite://music.db", "two slashes .* write sqlite:///music.db with three"),
        ("postgresql://me:secret@host:port/music", "not a URL; .* as %2F"),
        ("postgresql://me:se@cret@host/music", "not a URL; .* as %2F"),
        ("://", "not a URL"),
        ("music\0.db", "holds a NUL character"),
        ("postgresql://me:%00secret@host/music", "holds a NUL character"),
    ],
)
def test_what_is_no_address(text: str, message: str) -> None:
    with pytest.raises(LibraryError, match=message) as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_password_is_parsed_or_refused_without_showing_it(password: str) -> None:
    try:
        shown = str(Address.parse(f"postgresql://user:{password}1SECRET1@host/music"))
    except LibraryError as error:
        shown = str(error)
    assert "1SECRET1" not in shown


@given(st.text(min_size=1))
def test_any_text_is_an_address_or_an_error_of_one_line(text: str) -> None:
    try:
        assert str(Address.parse(text))
    except LibraryError as error:
        assert "\n" not in str(error)
