"""`db spread` and `db gather`: a library on several servers answers as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_servers import LocalServer
from program import Program

PIECE = Path(__file__).resolve().parents[1] / "music" / "kenta_cho-stg1.opus"


@pytest.fixture
def spreadable(sharded_server: Any, tmp_path: Path) -> Iterator[Program]:
    """A library of one piece, on the first of three servers."""
    sharded_server.execute("CREATE DATABASE spreadable")
    program = Program(sharded_server.url("spreadable"), tmp_path)
    program("index", "--no-embeddings", "--jobs", "1", PIECE)
    yield program
    sharded_server.disconnect("spreadable")
    sharded_server.execute("DROP DATABASE spreadable")


def held(program: Program) -> dict[str, Any]:
    """What `stats` says, but for pages: a table that was moved has others."""
    stats = program("stats", "--json").record
    return {key: value for key, value in stats.items() if key not in ("disk_bytes", "parts")}


def named(program: Program) -> list[Any]:
    answer = program("identify", "--json", PIECE).record
    return [(match["track"]["path"], match["offset_s"]) for match in answer["matches"]]


def test_spread_asked_stopped_and_gathered(
    spreadable: Program, three_servers: list[LocalServer]
) -> None:
    before, plain = named(spreadable), held(spreadable)
    urls = [server.url("shard") for server in three_servers]
    shares = spreadable("db", "spread", "--json", *urls).records
    assert [share["server"] for share in shares] == [url.split("@")[1] for url in urls]
    assert sum(share["bytes"] for share in shares) == plain["landmark_bytes"]
    assert spreadable("db", "spread", "--json").records == shares
    assert named(spreadable) == before
    assert held(spreadable) == plain

    three_servers[1].stop()
    refusal = spreadable("identify", PIECE, status=4).err
    three_servers[1].start()
    assert f"error: {spreadable.url}".replace("postgres:@", "postgres@") in refusal
    assert f"the postings on {urls[1].split('@')[1]}: Connection refused; is the server" in refusal

    assert "the landmarks lie in the library's own database" in spreadable("db", "gather").out
    assert spreadable("db", "spread", "--json").records == []
    assert named(spreadable) == before
