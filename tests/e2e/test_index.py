"""`index`: changed files, interrupted runs, and two runs at the same time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mutagen.oggopus
import numpy as np
import pytest
from program import DEADLINE_S, Program, Terminal
from restartable import restartable_server
from synthetic import play
from waiting import until

from fingerprinter.audio import write_wav

MUSIC = Path(__file__).resolve().parents[1] / "music"
MANY = 40
KEPT = "interrupted: indexed files are saved; run the same command again to continue"


def counts(program: Program, *arguments: Any) -> tuple[int, int, int, int]:
    """(indexed, updated, skipped, failed) of a run without embeddings."""
    record = program("index", "--json", "--no-embeddings", *arguments).record
    return (record["indexed"], record["updated"], record["skipped"], record["failed"])


def listed(program: Program) -> list[tuple[int, str, str]]:
    tracks = program("list", "--json").records
    return [(track["id"], track["content_id"], track["path"]) for track in tracks]


def test_files_are_indexed_once(program: Program, manifest: list[dict[str, Any]]) -> None:
    record = program("index", "--json", "--no-embeddings", MUSIC).record
    assert (record["indexed"], record["failed"], record["skipped"]) == (10, 0, 0)
    assert record["audio_s"] == pytest.approx(340, abs=0.5)
    again = program("index", "--no-embeddings", MUSIC).out
    assert again.startswith("0 indexed, 0 updated, 10 skipped, 0 failed: 0:00 of audio in ")
    tracks = {Path(track["path"]).name: track for track in program("list", "--json").records}
    for entry in manifest:
        track = tracks.pop(entry["file"])
        for key in ("title", "artist", "album", "genre", "year"):
            assert track[key] == entry[key]
        assert track["duration_s"] == pytest.approx(34, abs=0.05)
    assert not tracks


def test_moved_retagged_changed_and_deleted_files(program: Program, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    moved, tagged, changed = (shutil.copy(path, music) for path in sorted(MUSIC.glob("*.opus"))[:3])
    assert counts(program, music) == (3, 0, 0, 0)
    before = {path: id_ for id_, _, path in listed(program)}

    (music / "deep").mkdir()
    place = Path(moved).rename(music / "deep" / "another name.opus")
    tags = mutagen.oggopus.OggOpus(tagged)
    tags["title"] = "Another title"
    tags.save()
    shutil.copy(MUSIC / "maxstack-through_space.opus", changed)
    assert counts(program, music) == (0, 3, 0, 0)
    tracks = {track["path"]: track for track in program("list", "--json").records}
    assert tracks.keys() == {str(place), tagged, changed}
    assert tracks[str(place)]["id"] == before[moved]
    assert (tracks[tagged]["id"], tracks[tagged]["title"]) == (before[tagged], "Another title")
    assert tracks[changed]["title"] == "Through Space"

    place.unlink()
    assert counts(program, music) == (0, 0, 2, 0)
    pruned = program("index", "--json", "--no-embeddings", "--prune", music).record
    assert (pruned["removed"], pruned["skipped"]) == (1, 2)
    assert {path for _, _, path in listed(program)} == {tagged, changed}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many different pieces."""
    folder = tmp_path_factory.mktemp("many")
    piece = play(1, 24.0)  # long enough that a signal finds the run in the middle
    for number in range(MANY):
        write_wav(folder / f"{number:02}.wav", np.roll(piece, 1000 * number), 16_000)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(many: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The tracks after a run without interruption."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    program = Program(str(folder / "library.db"), folder)
    counts(program, many)
    return listed(program)


@contextmanager
def indexing(program: Program, many: Path) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """A run that has indexed some files but not all."""
    terminal = Terminal()
    arguments = ("index", "--no-embeddings", "--jobs", "1", many)
    with program.start(*arguments, stderr=terminal.theirs, start_new_session=True) as process:
        terminal.wait_for_tracks(3)
        yield process, terminal


def test_interrupted_and_killed_runs_end_in_the_same_library(
    program: Program, many: Path, uninterrupted: list[Any]
) -> None:
    with indexing(program, many) as (process, terminal):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        shown = terminal.read_to_end()
        assert process.wait() == 130
    assert shown.splitlines()[-1].endswith(KEPT)
    assert "Traceback" not in shown
    kept = len(listed(program))
    assert 3 <= kept < MANY

    with indexing(program, many) as (process, terminal):
        process.kill()
    assert f"/{MANY - kept} tracks" in terminal.read_to_end()  # and no worker is left
    assert kept <= len(listed(program)) < MANY

    indexed, updated, skipped, failed = counts(program, many)
    assert (updated, failed) == (0, 0)
    assert indexed + skipped == MANY
    assert listed(program) == uninterrupted


def test_a_server_that_is_restarted_is_waited_for(
    tmp_path: Path, many: Path, uninterrupted: list[Any]
) -> None:
    with restartable_server() as server:
        program = Program(server.url, tmp_path)
        with indexing(program, many) as (process, terminal):
            server.stop("shut down")
            refused = program("list", status=4)
            server.start()
            shown = terminal.read_to_end()  # before the wait: a full terminal would stop the run
            assert process.wait() == 0
        assert "Traceback" not in shown
        (complaint,) = refused.complaints
        assert complaint.endswith("; is the server running, and are host and port right?")
        assert listed(program) == uninterrupted


def test_two_runs_at_once_make_one_library(
    program: Program, many: Path, uninterrupted: list[Any]
) -> None:
    arguments = ("index", "--no-embeddings", "--jobs", "1")
    paths = sorted(many.iterdir())
    parts = [paths[: 2 * MANY // 3], paths[MANY // 3 :]]  # the middle third belongs to both
    both = [
        program.start(*arguments, *part, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for part in parts
    ]
    for process in both:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    together = sorted(listed(program), key=lambda entry: entry[2])
    assert [entry[1:] for entry in together] == [entry[1:] for entry in uninterrupted]


def test_watched_folders_are_indexed_until_an_interrupt(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    written, song = tmp_path / "written.wav", sorted(MUSIC.glob("*.opus"))[0]
    write_wav(written, np.zeros(16_000, np.float32), 16_000)
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        line = ["index", "--watch", "--no-embeddings", "--json", song, written.parent]
        process = program.start(*line, stdout=stdout, stderr=stderr)

    def printed() -> str | None:
        os.utime(written)  # it is still being written, however long the start takes
        return out.read_text() or None

    until(printed)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0
    report = json.loads(out.read_text())
    assert (report["indexed"], report["left_out"]["changing"]) == (1, 1)
    assert err.read_text() == "stopped watching; indexed files are saved\n"
