"""Libraries and exports of every format that was released, which must open for ever.

`python scripts/make_golden_library.py` wrote them, each once, by the version of its time.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from databases import beside

from fingerprinter import open_library
from fingerprinter.audio import read_samples
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.library import Library, schema_status, upgrade_schema
from fingerprinter.store.maintain import archive
from fingerprinter.store.tables.schema import SCHEMA_HEAD

GOLDEN = Path(__file__).parent
MUSIC = GOLDEN.parent / "music"
RELEASED = sorted(path.stem.removeprefix("library-") for path in GOLDEN.glob("library-*.json"))
START_S, CLIP_S = 12.34, 5.0


@pytest.fixture(params=RELEASED)
def revision(request: pytest.FixtureRequest) -> str:
    """Of a schema."""
    return str(request.param)


@pytest.fixture
def facts(revision: str) -> Any:
    return json.loads((GOLDEN / f"library-{revision}.json").read_text(encoding="utf-8"))


@pytest.fixture
def unpacked(revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the golden library and the golden export."""
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path / "cache"))
    for kind in ("library-{}.db", "export-{}.fpx"):
        name = kind.format(revision)
        (tmp_path / name).write_bytes(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()))
    return tmp_path


def named(library: Library, file: str) -> tuple[str, float] | None:
    """Content and offset that a clip of a file of the box is answered with."""
    samples = read_samples(MUSIC / file, DEFAULT.sr)[round(START_S * DEFAULT.sr) :]
    matches = library.identify((samples[: round(CLIP_S * DEFAULT.sr)], DEFAULT.sr))
    return (matches[0].track.content_id, matches[0].offset_s) if matches else None


def require_whole(library: Library, facts: Any) -> None:
    """All that was known is there, to the last bit, and found by its sound."""
    assert library.verify().findings == ()
    with beside(library) as connection:
        records = list(archive.records(connection, None))
    for record in records:
        del record.track["id"]
    assert {r.track["content_id"]: r.digest for r in records} == facts["records"]
    for file, content in facts["tracks"].items():
        assert named(library, file) == (content, pytest.approx(START_S, abs=0.05))
    assert named(library, facts["removed"]) is None


def test_this_version_has_its_golden_library() -> None:
    assert RELEASED[-1] == SCHEMA_HEAD


def test_a_golden_library_opens(unpacked: Path, revision: str, facts: Any) -> None:
    path = unpacked / f"library-{revision}.db"
    assert schema_status(path).revision == revision
    assert upgrade_schema(path).revision == SCHEMA_HEAD
    with open_library(path, create=False) as library:
        stats = library.stats()
        assert (stats.params_id, stats.segments, stats.removed_tracks) == (
            facts["params_id"],
            facts["segments"],
            1,
        )
        require_whole(library, facts)
        assert library.reindex() == len(facts["tracks"])
        require_whole(library, facts)


def test_a_golden_export_is_taken_in(
    unpacked: Path, database_url: str, revision: str, facts: Any
) -> None:
    with open_library(database_url) as library:
        report = library.import_from(unpacked / f"export-{revision}.fpx")
        assert (report.added, report.failed) == (len(facts["tracks"]), 0)
        require_whole(library, facts)
