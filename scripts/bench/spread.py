"""What a question costs where the landmarks lie on one, two or three PostgreSQL servers.

    python scripts/bench/spread.py LIBRARY.db MUSIC --library URL --shards URL URL URL

Copies an SQLite library (only to be asked) into the empty database --library, asks it, spreads
it over the first of --shards, over the first two and so on, asks each time, and prints a line of
JSON for each. The clips are ten seconds out of the files in MUSIC. Answers have to be the same.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ask import CountingIndex, ask, search_policy, summary
from sqlalchemy import create_engine, insert, select

from fingerprinter.audio import find_audio, read_samples
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.peaks import find_peaks
from fingerprinter.library.identify.identifier import Identifier
from fingerprinter.store.engine.database import Database
from fingerprinter.store.servers.sharding import shard_postings
from fingerprinter.store.tables import schema, shards
from fingerprinter.store.tables.bulk import insert_blocks
from fingerprinter.types import Peaks

START_S, LENGTH_S = 20, 10
ROWS = 20_000
COPIED = (schema.track, schema.constellation, schema.segment, schema.tombstone)


def copy(library: Path, database: Database) -> float:
    """Copies what questions need; seconds that the blocks took."""
    engine = create_engine(f"sqlite:///{library}")
    with engine.connect() as source, database.begin() as target:
        for table in COPIED:
            for rows in source.execute(select(table)).mappings().partitions(500):
                target.execute(insert(table), [dict(row) for row in rows])
    started = time.perf_counter()
    with sqlite3.connect(library) as source_, database.begin() as target:
        cursor = source_.execute("SELECT id, data FROM posting_block ORDER BY id")
        while rows_ := cursor.fetchmany(ROWS):
            insert_blocks(target, [id_ for id_, _ in rows_], [data for _, data in rows_])
    return time.perf_counter() - started


def clips(music: Path, number: int) -> Iterator[Peaks]:
    for path in islice(find_audio([music], lambda _: None), number):
        samples = read_samples(path, DEFAULT.sr)[START_S * DEFAULT.sr :][: LENGTH_S * DEFAULT.sr]
        yield find_peaks([samples], DEFAULT, DEFAULT_QUERY.narrower)


def asked(database: Database, questions: Sequence[Peaks], every: bool) -> dict[str, Any]:
    """Times of the second time that each question is asked."""
    with database.connect() as connection:
        index = CountingIndex(connection, DEFAULT)
        costs = []
        for peaks in questions:
            for _ in range(2):
                identifier = Identifier(connection, index, DEFAULT, search_policy(every))
                cost = ask(index, identifier, peaks)
            costs.append(cost)
    return {key: round(value, 4) for key, value in summary(costs).items()}


def report(database: Database, questions: Sequence[Peaks], moved_s: float) -> None:
    with database.connect() as connection:
        held = shards.list_shards(connection) if shards.is_sharded(connection) else []
    result = {
        "servers": len(held),
        "blocks": [share.blocks for share in held],
        "moved_s": round(moved_s, 1),
        "quick": asked(database, questions, every=False),
        "full": asked(database, questions, every=True),
    }
    print(json.dumps(result), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("music", type=Path)
    parser.add_argument("--library", required=True)
    parser.add_argument("--shards", nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=12)
    options = parser.parse_args()
    questions = list(clips(options.music, options.clips))
    with Database.open(options.library, create=True) as database:
        report(database, questions, copy(options.source, database))
        for number in range(1, len(options.shards) + 1):
            started = time.perf_counter()
            for left in shard_postings(database, options.shards[:number]):
                print(left, flush=True)
            report(database, questions, time.perf_counter() - started)


if __name__ == "__main__":
    main()
