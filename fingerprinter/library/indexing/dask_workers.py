"""Analysis by the workers of a Dask cluster; the database stays with who asked for it.

Each thread of a Dask worker has its files analysed by a process of its own, as `worker`
does on one machine: a decoder that crashes takes one file along, not the Dask worker.
A Dask worker that dies costs nothing but time: the scheduler gives its files to others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic

from fingerprinter.errors import AudioError, ClusterError
from fingerprinter.library.indexing.workers import AHEAD, F, Job, R, Worker, submit_ahead

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 10  # a scheduler that does not answer, or has no worker, is given up after this
_SHARED = "the workers need the music under the same path as here: mount it there"


class _DaskWorkers(Generic[R]):
    """The analysing processes of one Dask worker.

    Dask copies this value to each worker that needs it and drops it there when the run has
    ended, however it ended; a process ends when its stdin does, that is with this value.
    """

    def __init__(self, job: Job[R]) -> None:
        self._job = job
        self._idle: SimpleQueue[Worker[R]] = SimpleQueue()

    def __reduce__(self) -> tuple[type[_DaskWorkers[R]], tuple[Job[R]]]:
        return _DaskWorkers, (self._job,)

    def analyse(self, path: Path) -> R | AudioError:
        """As `Worker.analyse`, by a process that has nothing to do."""
        if not path.exists():
            return AudioError(f"{path}: no such file on {_worker_name()}; {_SHARED}")
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = Worker(self._job)
        try:
            return worker.analyse(path)
        finally:
            self._idle.put(worker)


def _worker_name() -> str:
    from distributed import get_worker

    return f"the worker {get_worker().address}"


def run_on_dask(
    files: Sequence[F], job: Job[R], scheduler: str
) -> Iterator[tuple[F, R | AudioError]]:
    """As `worker.run_in_order`, by the workers of the Dask scheduler at an address.

    Workers may come and go meanwhile. A file with which more workers die than the scheduler
    allows (its setting `allowed-failures`), twice, is an `AudioError`. Raises `ClusterError` where
    there is no such scheduler or no worker, or one does not see the files.
    """
    if not files:
        return
    with _client(scheduler) as client:
        _require_ready(client, files[0].path)
        analysts = client.submit(_DaskWorkers, job, pure=False)

        def submit(file: F) -> Callable[[], R | AudioError]:
            begin = partial(client.submit, _DaskWorkers.analyse, analysts, file.path, pure=False)
            return partial(_reply, scheduler, file.path, begin, begin())

        yield from submit_ahead(submit, files, lambda: AHEAD * sum(client.nthreads().values()))


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    """A connection to a scheduler that has a worker."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ClusterError(
            "distributed is not installed, which speaks to Dask; `pip install distributed`"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are told once, by us
    try:
        client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
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
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except TimeoutError:
        raise ClusterError(
            f"{scheduler}: the scheduler has no worker; start some with `dask worker {scheduler}`"
        ) from None


def _readiness(path: Path) -> tuple[str, bool]:
    """(version of this package, whether a file is seen), on a worker."""
    return metadata.version("fingerprinter"), path.exists()


def _require_ready(client: Client, path: Path) -> None:
    """Refuses workers that cannot do the work, before any file fails for it."""
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


def _reply(
    scheduler: str, path: Path, begin: Callable[[], Future[Any]], future: Future[Any]
) -> Any:
    """What became of a file.

    Where too many workers died it is tried anew: Dask counts all that waited on a worker, and
    what this one waited with has come before it and is settled now.
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
