"""Does the jobs of the queue in the background, one after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from fingerprinter.errors import FingerprinterError
from fingerprinter.library.maintain.jobs import JobTable
from fingerprinter.store.tables.jobs import JobProgress, StoredJob

_log = logging.getLogger(__name__)

Kind = Literal["index", "analyze", "duplicates", "map"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Report = dict[str, Any]

_POLL_S = 2.0  # another process may have added a job
_TELL_S = 0.5  # between two notes of progress
_BEAT_S = 10.0  # between two signs of life of a job without progress
_STOP_S = 20.0  # for the running job to end


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its state.

    Attributes
    ----------
    options : dict
        What the client asked for.
    report : dict or None
        The result of a finished job.
    error : str or None
        Why a job failed, in one line.
    version : int
        Counts the changes of this job; the id of its events.
    """

    id: int
    kind: Kind
    state: State
    options: Report
    progress: JobProgress
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    report: Report | None
    error: str | None
    version: int


def shown_job(stored: StoredJob) -> Job:
    """Return a job as clients see it."""
    values = {name: getattr(stored, name) for name in Job.__slots__ if name != "options"}
    return Job(options=stored.request, **values)


class Cancelled(KeyboardInterrupt):
    """A client cancelled the job, or the service ends. Like an interrupt, it keeps what is done."""


OnJobProgress = Callable[[JobProgress], None]
Work = Callable[[StoredJob, OnJobProgress], Report]


class JobRunner:
    """Takes jobs from a queue and does them in one thread.

    Of several processes that serve a library, one at a time does a job.

    Parameters
    ----------
    table : JobTable
        The queue.
    work : callable
        Does a job and returns its report. It calls the function that it gets with its progress.
    """

    def __init__(self, table: JobTable, work: Work) -> None:
        self._table, self._work = table, work
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the queue at once."""
        self._wake.set()

    def stop(self) -> None:
        """Cancel the running job, wait for it, and work no more."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                job = self._table.claim()
                if job:
                    self._do(job)
                    continue
            except FingerprinterError as error:
                _log.error("jobs: %s", error)
            self._wake.wait(_POLL_S)

    def _do(self, job: StoredJob) -> None:
        _log.info("job %d (%s) begins", job.id, job.kind)
        state, result = "done", dict[str, Any]()
        with _Teller(self._table, job.id, self._stop) as teller:
            try:
                result["report"] = self._work(job, teller.tell)
            except Cancelled:
                state = "cancelled"
            except FingerprinterError as error:
                state, result["error"] = "failed", str(error)
            except Exception:
                _log.exception("job %d (%s) failed", job.id, job.kind)
                state, result["error"] = "failed", "a bug in the server; its log has the details"
        self._table.finish(job.id, state, progress=teller.last, **result)
        _log.info("job %d (%s): %s", job.id, job.kind, state)


class _Teller:
    """Stores the progress of one job: not too often, and at times without any progress, too."""

    def __init__(self, table: JobTable, number: int, stop: threading.Event) -> None:
        self._table, self._number, self._stop = table, number, stop
        self._over, self._told_at = threading.Event(), 0.0
        self._cancelled = False
        self.last = JobProgress()
        self._thread = threading.Thread(target=self._beat, name="job-beat", daemon=True)

    def __enter__(self) -> _Teller:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def tell(self, progress: JobProgress) -> None:
        """Store the progress; raises `Cancelled` if the job is to end."""
        self.last = progress
        if time.monotonic() - self._told_at >= _TELL_S:
            self._store()
        if self._cancelled or self._stop.is_set():
            raise Cancelled

    def _store(self) -> None:
        self._told_at = time.monotonic()
        self._cancelled = not self._table.tell(self._number, self.last)

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_S):
            try:
                self._store()
            except FingerprinterError as error:
                _log.error("job %d: %s", self._number, error)


def progress_of(value: Any) -> JobProgress:
    """Return the progress that a method of `Library` reports as that of a job."""
    known = asdict(value)
    return JobProgress(
        known["done"], known["total"], known.get("elapsed_s", 0.0), known.get("audio_s")
    )
