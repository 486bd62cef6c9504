"""Indexing on a Dask cluster: dying workers, unseen files, and the same library as without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import soundfile
from distributed import Client, LocalCluster
from synthetic import SR, play
from waiting import DEADLINE_S, opened, until

from fingerprinter import open_library
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.errors import AudioError, ClusterError, UsageError
from fingerprinter.library.indexing import dask_workers as cluster_module
from fingerprinter.library.indexing import indexer
from fingerprinter.library.indexing.dask_workers import run_on_dask
from fingerprinter.library.indexing.ingest import FoundFile
from fingerprinter.library.indexing.workers import ExtractJob
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import constellations

PIECES = 6


@pytest.fixture(params=["sqlite"])
def dialect(request: pytest.FixtureRequest) -> str:
    """One database is enough, because only this process reaches it."""
    return str(request.param)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, processes of their own."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture
def music(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.flac" for number in range(PIECES)]
    for number, path in enumerate(paths):
        soundfile.write(path, play(number, 3), SR)
    return paths


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file on which its worker waits."""
    monkeypatch.setattr(indexer, "find_audio", lambda paths, *_: map(Path, paths))
    path = tmp_path / "pipe.flac"
    os.mkfifo(path)
    return path


@contextmanager
def released(pipe: Path) -> Iterator[None]:
    """After the block, no process waits for the pipe, even if the test failed."""
    try:
        yield
    finally:
        both = os.open(pipe, os.O_RDWR | os.O_NONBLOCK) if pipe.is_fifo() else None
        pipe.unlink()
        if both is not None:
            os.close(both)


def kill_busy_worker(cluster: LocalCluster) -> None:
    """Wait until only one worker is busy, and kill it with its own processes."""
    with Client(cluster, set_as_default=False) as client:
        busy = until(lambda: _only([w for w, tasks in client.processing().items() if tasks]))
        worker = psutil.Process(client.run(os.getpid, workers=[busy])[busy])
        for process in (worker, *worker.children(recursive=True)):
            process.kill()
        until(lambda: busy not in client.processing())


def _only(workers: list[str]) -> str | None:
    return workers[0] if len(workers) == 1 else None


def content(url: str) -> list[tuple[str, str | None, bytes | None]]:
    """Content id, path and peaks of each track, in the order of the library."""
    with open_library(url) as library, Database.open(url) as database:
        with database.connect() as connection:
            peaks = dict(constellations.iterate(connection))
        return [(t.content_id, t.path, peaks.get(t.id)) for t in library.tracks()]


def index(url: str, paths: list[Path], **options: Any) -> Any:
    with open_library(url) as library:
        return library.index(paths, embeddings=False, **options)


def test_a_killed_worker_costs_nothing_but_time(
    cluster: LocalCluster, library_url: str, music: list[Path], pipe: Path, tmp_path: Path
) -> None:
    """Another worker takes over its file, and the library is that of one machine."""
    paths = [*music[:3], pipe, *music[3:5]]
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool, released(pipe):
        run = pool.submit(
            index,
            library_url,
            paths,
            scheduler=cluster.scheduler_address,
            on_progress=lambda now: seen.append(now.done),
        )
        writer = until(lambda: opened(pipe))
        music[5].replace(pipe)  # the next worker that opens it finds a piece
        kill_busy_worker(cluster)
        os.close(writer)
        report = run.result(DEADLINE_S)
        assert (report.indexed, report.failed) == (6, 0)
        assert seen == [1, 2, 3, 4, 5, 6]
        alone = f"sqlite:///{tmp_path / 'alone.db'}"
        index(alone, paths, jobs=1)
        assert content(library_url) == content(alone)


def test_a_file_that_kills_workers_twice_is_given_up(
    cluster: LocalCluster,
    library_url: str,
    music: list[Path],
    pipe: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with ThreadPoolExecutor(1) as pool, released(pipe), ExitStack() as writers:
        run = pool.submit(
            index, library_url, [music[0], pipe, music[1]], scheduler=cluster.scheduler_address
        )
        for _ in range(2):  # a writer closed at once would be the end of a file for the next
            writer = until(lambda: opened(pipe))
            writers.callback(os.close, writer)
            os.write(writer, b"fLaC")  # a pipe that gives nothing is not waited for
            kill_busy_worker(cluster)
        report = run.result(DEADLINE_S)
    assert (report.indexed, report.failed) == (2, 1)
    assert report.problems[0].message == f"{pipe}: workers died with it, again and again"


def found(path: Path) -> FoundFile:
    return FoundFile(path, 0, 0)


def extract_on(cluster: LocalCluster, paths: list[Path]) -> list[Any]:
    task = ExtractJob(DEFAULT, embeddings=False, known=frozenset())
    files = [found(path) for path in paths]
    return [reply for _, reply in run_on_dask(files, task, cluster.scheduler_address)]


def test_files_that_workers_do_not_see(cluster: LocalCluster, music: list[Path]) -> None:
    lacking = music[0].with_name("not here.flac")
    _, problem, broken = extract_on(cluster, [music[0], lacking, Path(__file__)])
    assert isinstance(problem, AudioError)
    assert str(problem).startswith(f"{lacking}: no such file on the worker tcp://127.0.0.1:")
    assert str(problem).endswith("under the same path as here: mount it there")
    assert isinstance(broken, AudioError)
    with pytest.raises(
        ClusterError, match=r"the worker tcp://.* does not see .*; the workers need"
    ):
        extract_on(cluster, [lacking, music[0]])


def test_nothing_to_do_needs_no_cluster() -> None:
    task = ExtractJob(DEFAULT, embeddings=False, known=frozenset())
    assert list(run_on_dask([], task, "tcp://localhost:1")) == []


def test_other_versions_are_refused(
    cluster: LocalCluster, music: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module.metadata, "version", lambda _: "9.9")
    with pytest.raises(ClusterError, match=r"has fingerprinter [0-9.]+; install 9\.9 there"):
        extract_on(cluster, music)


def test_jobs_and_scheduler_exclude_each_other(library_url: str, music: list[Path]) -> None:
    with pytest.raises(UsageError, match="jobs counts processes here"):
        index(library_url, music, jobs=2, scheduler="tcp://localhost:1")


def test_no_scheduler_and_no_workers(
    library_url: str, music: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.5)
    with pytest.raises(ClusterError, match=r"^tcp://localhost:1: no Dask scheduler answers there"):
        index(library_url, music, scheduler="tcp://localhost:1")
    monkeypatch.setattr(cluster_module, "CONNECT_S", 5.0)
    with LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        address = empty.scheduler_address
        missing = f"has no worker; start some with `dask worker {address}`"
        with pytest.raises(ClusterError, match=missing):
            index(library_url, music, scheduler=address)


def test_a_scheduler_that_goes_away(
    library_url: str, music: list[Path], pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that came back before are kept."""
    monkeypatch.setattr(cluster_module, "CONNECT_S", 4)
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool, released(pipe):
        cluster = LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0")
        run = pool.submit(
            index,
            library_url,
            [*music[:2], pipe],
            scheduler=cluster.scheduler_address,
            on_progress=lambda now: seen.append(now.done),
        )
        until(lambda: seen[-1:] == [2])
        cluster.close()
        with pytest.raises(ClusterError, match="the scheduler went away; what was indexed is kept"):
            run.result(DEADLINE_S)
    assert [path for _, path, _ in content(library_url)] == [str(path) for path in music[:2]]
