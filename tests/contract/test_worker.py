"""Worker processes: a crash or kill of one costs neither other files nor the library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import soundfile
from synthetic import SR, play
from waiting import DEADLINE_S, opened, until

from fingerprinter import open_library
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import AudioError
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.extract import ExtractedFile
from fingerprinter.library.indexing.workers import ExtractJob, Worker

# A run of `index` that commits after each file.
INDEX = """
import sys
from pathlib import Path
from fingerprinter import open_library
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.batches import BatchLimits
indexer.find_audio = lambda paths, *_: map(Path, paths)  # it would refuse the pipe
with open_library(sys.argv[1]) as library:
    library.batch_limits = BatchLimits(elapsed_s=0.0)
    library.index(sys.argv[2:], embeddings=False, jobs=1)
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A file, a pipe on which a worker waits, and another file."""
    monkeypatch.setattr(indexer, "find_audio", lambda paths, *_: map(Path, paths))
    paths = [tmp_path / name for name in ("a.flac", "b.flac", "c.flac")]
    soundfile.write(paths[0], play(0, 3), SR)
    os.mkfifo(paths[1])
    soundfile.write(paths[2], play(2, 3), SR)
    return paths


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(ExtractJob(DEFAULT, embeddings=True, known=frozenset()))
    yield worker
    worker.stop()


def test_a_worker_processes_one_file_after_another(worker: Worker, files: list[Path]) -> None:
    first, problem, second = (
        worker.process(path) for path in (files[0], files[0].with_name("nowhere"), files[2])
    )
    assert isinstance(first, ExtractedFile)
    assert isinstance(second, ExtractedFile)
    assert isinstance(problem, AudioError)
    assert str(problem) == f"{files[0].with_name('nowhere')}: no such file"
    assert first.tracks[0].content_id != second.tracks[0].content_id
    assert second.tracks[0].features is not None
    assert second.tracks[0].features.duration_s == pytest.approx(3)
    assert second.tracks[0].features.embeddings is not None


def test_a_worker_skips_the_audio_of_known_content(worker: Worker, files: list[Path]) -> None:
    first = worker.process(files[0])
    assert isinstance(first, ExtractedFile)
    informed = Worker(
        ExtractJob(DEFAULT, embeddings=False, known=frozenset([first.tracks[0].content_id]))
    )
    known = informed.process(files[0])
    informed.stop()
    assert isinstance(known, ExtractedFile)
    assert (known.tracks[0].content_id, known.tracks[0].features) == (
        first.tracks[0].content_id,
        None,
    )


def test_a_worker_imports_from_the_path_of_its_parent(
    worker: Worker, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A music folder may contain a file with the name of a module."""
    (tmp_path / "soxr.py").write_text("raise SystemExit('not the real one')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(worker.process(files[0]), ExtractedFile)


def test_a_crash_costs_only_one_file(library_url: str, files: list[Path]) -> None:
    this = psutil.Process()
    before = this.children()
    with open_library(library_url) as library, ThreadPoolExecutor(1) as pool:
        run = pool.submit(library.index, files, embeddings=False, jobs=1)
        pipe = until(lambda: opened(files[1]))
        (worker,) = set(this.children()) - set(before)
        worker.kill()
        os.close(pipe)
        report = run.result(DEADLINE_S)
        assert (report.indexed, report.failed) == (2, 1)
        (problem,) = report.problems
        assert problem.message == f"{files[1]}: the decoder crashed on it (status -9)"
        assert [track.path for track in library.tracks()] == [str(files[0]), str(files[2])]
    assert this.children() == before  # the worker that was started after the crash has ended


def test_a_kill_loses_only_what_was_in_flight(library_url: str, files: list[Path]) -> None:
    command = [sys.executable, "-c", INDEX, library_url, *map(str, files)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE) as process,
        open_library(library_url) as library,
    ):
        pipe = until(lambda: opened(files[1]))
        until(lambda: library.stats().tracks or None)
        process.kill()
        process.wait()
        assert process.stderr is not None
        # It ends when the worker, who writes there too, has ended in the middle of its file.
        assert process.stderr.read() == b""
        os.close(pipe)
        assert [track.path for track in library.tracks()] == [str(files[0])]
        assert library.stats().segments == 1
        report = library.index([files[0], files[2]], embeddings=False, jobs=2)
    assert (report.indexed, report.skipped, report.failed) == (1, 1, 0)
