"""`db shard` and `db unshard`: a library on several servers gives the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_servers import LocalServer
from program import Program

PIECE = Path(__file__).resolve().parents[1] / "music" / "kenta_cho-stg1.opus"


@pytest.fixture
def shardable(sharded_server: Any, tmp_path: Path) -> Iterator[Program]:
    """A library of one piece, on the first of three servers."""
    sharded_server.execute("CREATE DATABASE shardable")
    program = Program(sharded_server.url("shardable"), tmp_path)
    program("index", "--no-embeddings", "--jobs", "1", PIECE)
    yield program
    sharded_server.disconnect("shardable")
    sharded_server.execute("DROP DATABASE shardable")


def held(program: Program) -> dict[str, Any]:
    """What `stats` says, but for pages: a table that was moved has others."""
    stats = program("stats", "--json").record
    return {key: value for key, value in stats.items() if key not in ("disk_bytes", "parts")}


def named(program: Program) -> list[Any]:
    answer = program("identify", "--json", PIECE).record
    return [(match["track"]["path"], match["offset_s"]) for match in answer["matches"]]


def test_a_sharded_library_answers_alike_and_names_a_stopped_server(
    shardable: Program, three_servers: list[LocalServer]
) -> None:
    before, plain = named(shardable), held(shardable)
    urls = [server.url("shard") for server in three_servers]
    shares = shardable("db", "shard", "--json", *urls).records
    assert [share["server"] for share in shares] == [url.split("@")[1] for url in urls]
    assert sum(share["bytes"] for share in shares) == plain["landmark_bytes"]
    assert shardable("db", "shard", "--json").records == shares
    assert named(shardable) == before
    assert held(shardable) == plain

    three_servers[1].stop()
    refusal = shardable("identify", PIECE, status=4).err
    three_servers[1].start()
    assert f"error: {shardable.url}".replace("postgres:@", "postgres@") in refusal
    assert f"the postings on {urls[1].split('@')[1]}: Connection refused; is the server" in refusal

    assert "the landmarks are in the library's own database" in shardable("db", "unshard").out
    assert shardable("db", "shard", "--json").records == []
    assert named(shardable) == before
