"""A PostgreSQL server that is shut down, or crashes, in the midst of work."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest
from restartable import HOW, RestartableServer, restartable_server
from test_life import PIECES, analysed, heard  # noqa: F401

from fingerprinter import open_library
from fingerprinter.errors import ConnectionLostError, LibraryError
from fingerprinter.library import Library
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.batches import BatchLimits
from fingerprinter.store.engine import database

AWAY_S = 0.7


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableServer]:
    with restartable_server(tmp_path_factory.mktemp("restarted")) as server:
        yield server


@pytest.fixture
def library(
    server: RestartableServer,
    analysed: list[Any],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Library]:
    """An empty library; what it indexes is analysed already, and committed piece by piece."""
    monkeypatch.setattr(indexer, "run_in_order", lambda files, *_: _known(analysed, files))
    with open_library(server.url) as library:
        library.remove([track.id for track in library.tracks()])
        library.batch_limits = BatchLimits(elapsed_s=0.0)
        yield library


def _known(analysed: list[Any], files: list[Any]) -> Iterator[Any]:  # noqa: F811
    return (item for item in analysed if item[0] in files)


def stop_within(
    number: int,
    server: RestartableServer,
    how: str,
    away_s: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stops the server within the transaction of a batch, before it commits."""
    add, calls = indexer.postings.add_segment, []

    def stop(connection: Any, *rest: Any) -> None:
        add(connection, *rest)
        calls.append(connection)
        if len(calls) == number:
            server.stop(how)
            if away_s is not None:
                Timer(away_s, server.start).start()

    monkeypatch.setattr(indexer.postings, "add_segment", stop)


@pytest.mark.parametrize("how", HOW)
def test_work_goes_on_when_the_server_is_back(
    server: RestartableServer,
    library: Library,
    analysed: list[Any],  # noqa: F811
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_within(2, server, how, AWAY_S, monkeypatch)
    report = library.index([analysed[0][0].path.parent], embeddings=False)
    assert (report.indexed, report.failed) == (PIECES, 0)
    assert library.verify().findings == ()
    assert None not in heard(library)


@pytest.mark.parametrize("how", HOW)
def test_what_was_committed_is_kept_where_the_server_stays_away(
    server: RestartableServer,
    library: Library,
    analysed: list[Any],  # noqa: F811
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    music = analysed[0][0].path.parent
    monkeypatch.setattr(database, "RETRY_AFTER_S", (0.05, 0.05))
    stop_within(3, server, how, None, monkeypatch)
    with pytest.raises(ConnectionLostError, match="is the server running") as caught:
        library.index([music], embeddings=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(LibraryError, match="is the server running") as caught:
        heard(library)
    assert "\n" not in str(caught.value)

    server.start()
    assert len(list(library.tracks())) == 2
    assert library.verify().findings == ()
    report = library.index([music], embeddings=False)
    assert (report.indexed, report.skipped) == (PIECES - 2, 2)
    assert library.verify().findings == ()
    assert None not in heard(library)
