"""Writes a small library in the formats of this version to `tests/golden`.

    python scripts/make_golden_library.py

Run it once before each release that changes the schema or the format of exports. Existing files
are never overwritten, because a released format cannot change. The library has three of the test
tracks, one of them removed, in two segments, with embeddings and analyses. `library-SCHEMA.json`
states what a test must find in it.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import select, update

from fingerprinter.library import Library, open_library
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index import postings
from fingerprinter.store.maintain import archive
from fingerprinter.store.tables.schema import SCHEMA_HEAD, file, row_checksum

TESTS = Path(__file__).resolve().parent.parent / "tests"
GOLDEN = TESTS / "golden"
KEPT = ("kenta_cho-stg3.ogg", "manuel_marino-geoscape.ogg")
REMOVED = "stephen_m_cameron-lucky_13.ogg"


def make(path: Path, exported: Path) -> dict[str, object]:
    """Fills a library and exports it; returns what later versions must find in it."""
    with mock.patch.object(postings, "MERGE_FACTOR", 1000), open_library(path) as library:
        library.index([TESTS / "music" / name for name in (KEPT[0], REMOVED)])
        library.index([TESTS / "music" / KEPT[1]])
        library.remove([TESTS / "music" / REMOVED])
        library.analyze_all()
        _rename_files(path)
        library.export_to(exported)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM")  # removes the real paths from the file
        return _facts(library)


def _rename_files(path: Path) -> None:
    with Database.open(str(path)) as database, database.begin() as connection:
        for row in connection.execute(select(file)).mappings().all():
            name = Path(os.fsdecode(row["path"])).name
            new: dict[str, Any] = {"path": os.fsencode(Path("/music", name))}
            new["checksum"] = row_checksum(file, {**row, **new})
            connection.execute(update(file).where(file.c.id == row["id"]).values(new))


def _facts(library: Library) -> dict[str, object]:
    stats = library.stats()
    return {
        "params_id": stats.params_id,
        "segments": stats.segments,
        "removed": REMOVED,
        "tracks": {Path(str(t.path)).name: t.content_id for t in library.tracks()},
        "records": record_digests(library),
    }


def record_digests(library: Library) -> dict[str, str]:
    """The digest of all that is known of each track, by its content."""
    with (
        Database.open(library.stats().address, read_only=True) as database,
        database.connect() as connection,
    ):
        found = list(archive.records(connection, None))
    return {
        record.track["content_id"]: replace(
            record, track={name: v for name, v in record.track.items() if name != "id"}
        ).digest
        for record in found
    }


def keep(path: Path, data: bytes) -> None:
    """Writes a golden file that is not there yet."""
    if path.exists():
        print(f"{path.name} is there; it is kept as it is", file=sys.stderr)
    else:
        path.write_bytes(data)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["FINGERPRINTER_CACHE"] = place
        path, exported = Path(place, "library.db"), Path(place, "export.fpx")
        facts = json.dumps(make(path, exported), indent=2) + "\n"
        keep(GOLDEN / f"library-{SCHEMA_HEAD}.db.gz", gzip.compress(path.read_bytes(), mtime=0))
        keep(GOLDEN / f"export-{SCHEMA_HEAD}.fpx.gz", gzip.compress(exported.read_bytes(), mtime=0))
        keep(GOLDEN / f"library-{SCHEMA_HEAD}.json", facts.encode())


if __name__ == "__main__":
    main()
