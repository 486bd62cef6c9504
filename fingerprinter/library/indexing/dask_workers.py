"""Extraction by the workers of a Dask cluster. Only the caller writes to the database.

Each thread of a Dask worker has its files processed by a worker process of its own, see `workers`.
A decoder that crashes costs one file, not the Dask worker. When a Dask worker dies, the scheduler
gives its files to others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic

from fingerprinter.errors import AudioError, ClusterError
from fingerprinter.library.base.file_items import F, R
from fingerprinter.library.indexing.workers import AHEAD, Job, Worker, submit_ahead

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10  # time for a scheduler to answer and to have a worker
_SHARED = "the workers need the music under the same path as here: mount it there"


class _DaskWorkers(Generic[R]):
    """The worker processes of one Dask worker.

    Dask copies this value to each worker that needs it and drops it there when the run ends. The
    processes end with it, because their stdin closes.
    """

    def __init__(self, job: Job[R]) -> None:
        self._job = job
        self._idle: SimpleQueue[Worker[R]] = SimpleQueue()

    def __reduce__(self) -> tuple[type[_DaskWorkers[R]], tuple[Job[R]]]:
        return _DaskWorkers, (self._job,)

    def process(self, source: os.PathLike[str]) -> R | AudioError:
        """Process one file in an idle process; start one if all are busy."""
        if not os.path.exists(source):
            from distributed import get_worker

            here = f"the worker {get_worker().address}"
            return AudioError(f"{os.fspath(source)}: no such file on {here}; {_SHARED}")
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = Worker(self._job)
        try:
            return worker.process(source)
        finally:
            self._idle.put(worker)


def run_on_dask(
    files: Sequence[F], job: Job[R], scheduler: str
) -> Generator[tuple[F, R | AudioError], None, None]:
    """Process files on a Dask cluster and yield the results in the order of the files.

    Workers may join and leave the cluster during the run. A file is given up with an `AudioError`
    when, twice, more workers died on it than the scheduler's setting ``allowed-failures``.

    Parameters
    ----------
    files : sequence of F
        Items with a ``path`` that is the same on all machines.
    job : Job
        The work to do on each file.
    scheduler : str
        Address of the Dask scheduler.

    Yields
    ------
    file : F
        The item.
    reply : R or AudioError
        Its result, or why there is none.

    Raises
    ------
    ClusterError
        If there is no such scheduler, it has no worker, or a worker does not see the files.
    """
    if not files:
        return
    with _connected_client(scheduler) as client:
        _require_ready(client, files[0].path)
        workers = client.submit(_DaskWorkers, job, pure=False)

        def submit(file: F) -> Callable[[], R | AudioError]:
            begin = partial(client.submit, _DaskWorkers.process, workers, file.source, pure=False)
            return partial(_reply, scheduler, file.path, begin, begin())

        yield from submit_ahead(submit, files, lambda: AHEAD * sum(client.nthreads().values()))


@contextmanager
def _connected_client(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler that has at least one worker."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ClusterError(
            "distributed is not installed, which speaks to Dask; `pip install distributed`"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # we report errors, and only once
    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{scheduler}: no Dask scheduler answers there; start one with `dask scheduler`"
        ) from error
    try:
        _wait_for_worker(client, scheduler)
        yield client
    finally:
        with suppress(OSError):
            client.close()


def _wait_for_worker(client: Client, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError:
        raise ClusterError(
            f"{scheduler}: the scheduler has no worker; start some with `dask worker {scheduler}`"
        ) from None


def _require_ready(client: Client, path: Path) -> None:
    """Refuse workers of another version, or that do not see the files."""
    version = metadata.version("fingerprinter")
    for worker, found in client.run(_readiness, path, on_error="return").items():
        if not isinstance(found, tuple):
            raise ClusterError(
                f"the worker {worker}: {found}; install fingerprinter {version} there"
            )
        if found[0] != version:
            raise ClusterError(
                f"the worker {worker} has fingerprinter {found[0]}; install {version} there"
            )
        if not found[1]:
            raise ClusterError(f"the worker {worker} does not see {path}; {_SHARED}")


def _readiness(path: Path) -> tuple[str, bool]:
    """Return the version of this package and whether a file exists; runs on a worker."""
    return metadata.version("fingerprinter"), os.path.exists(path)


def _reply(
    scheduler: str, path: Path, begin: Callable[[], Future[Any]], future: Future[Any]
) -> Any:
    """Wait for the result of a file, and try once more if too many workers died on it.

    Dask counts a death against all files that waited on the worker. The files before this one are
    settled now, so that a second attempt counts only the deaths on this file.
    """
    from distributed import KilledWorker

    with suppress(KilledWorker):
        return _result(scheduler, future)
    try:
        return _result(scheduler, begin())
    except KilledWorker:
        return AudioError(f"{path}: workers died with it, again and again")


def _result(scheduler: str, future: Future[Any]) -> Any:
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except (FutureCancelledError, OSError) as error:
        raise ClusterError(
            f"{scheduler}: the scheduler went away; what was indexed is kept,"
            " run the same command again when it is back"
        ) from error
