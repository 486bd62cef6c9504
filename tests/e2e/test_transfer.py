"""`export` and `import`: tracks go to another library, also when an import is interrupted."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from program import Program, Terminal
from synthetic import play

from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.library.maintain import transfer
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import (
    feature_rows,
    library_metadata,
    schema,
    tracks,
)
from fingerprinter.types import Tags

MUSIC = Path(__file__).resolve().parents[1] / "music"
MANY = 4 * transfer.BATCH_TRACKS
KEPT = "interrupted: imported tracks are saved; run the same command again to continue"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with many tracks that have the peaks of one piece."""
    folder = tmp_path_factory.mktemp("exported")
    program = Program(str(folder / "library.db"), folder)
    peaks = limit_density(find_peaks([play(1, 4.0)], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)
    with Database.open(program.url, create=True) as database, database.begin() as connection:
        library_metadata.claim(connection, library_metadata.PARAMS_ID, DEFAULT.id)
        for number in range(MANY):
            tags, now = Tags(f"Piece {number}"), datetime.now(UTC)
            id_ = tracks.add_track(connection, f"{number:032x}", tags, 4.0, added_at=now)
            feature_rows.put(connection, schema.constellation, id_, data=pack_peaks(peaks))
    record = program("export", "--json", folder / "many.fpx").record
    assert (record["tracks"], record["bytes"]) == (MANY, (folder / "many.fpx").stat().st_size)
    return folder / "many.fpx"


def contents(program: Program) -> list[str]:
    return [track["content_id"] for track in program("list", "--json").records]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_import_continues(
    database_url: str, tmp_path: Path, exported: Path, signum: signal.Signals
) -> None:
    program, terminal = Program(database_url, tmp_path), Terminal()
    with program.start("import", exported, stderr=terminal.theirs) as process:
        terminal.wait_for_tracks(transfer.BATCH_TRACKS)
        process.send_signal(signum)
        shown = terminal.read_to_end()
        assert process.wait() == (130 if signum == signal.SIGINT else -signum)
    assert "Traceback" not in shown
    assert shown.splitlines()[-1].endswith(KEPT) == (signum == signal.SIGINT)

    kept = len(contents(program))
    assert transfer.BATCH_TRACKS <= kept < MANY
    assert kept % transfer.BATCH_TRACKS == 0  # whole batches
    assert program("verify", "--json").record["findings"] == 0
    record = program("import", "--json", exported).record
    assert (record["added"] + record["unchanged"], record["merged"]) == (MANY, 0)
    assert record["unchanged"] >= kept  # a server may have committed what its client asked last
    assert contents(program) == [f"{number:032x}" for number in range(MANY)]
    assert program("verify", "--json").record["findings"] == 0


def test_a_library_is_carried_over(database_url: str, tmp_path: Path) -> None:
    piece = MUSIC / "kenta_cho-stg1.opus"
    here = Program(str(tmp_path / "here.db"), tmp_path)
    here("index", "--no-embeddings", "--jobs", "1", piece)
    here("export", tmp_path / "music.fpx")
    there = Program(database_url, tmp_path)
    imported = there("import", tmp_path / "music.fpx", "--map", f"{MUSIC}=/srv/music").out
    assert imported.startswith("1 added, 0 merged, 0 unchanged, 0 failed; 1 files assigned, 0 left")
    (match,) = there("identify", "--json", piece).record["matches"]
    assert match["track"]["content_id"] == contents(here)[0]
    assert match["track"]["path"] == "/srv/music/kenta_cho-stg1.opus"
    refused = there("import", tmp_path / "none.fpx", status=2)
    assert refused.complaints[0].startswith(f"error: {tmp_path / 'none.fpx'}: No such file")
