"""The queue of jobs of a library, which all processes that serve it share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fingerprinter.errors import UnknownJobError, UsageError
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import jobs
from fingerprinter.store.tables.jobs import CANCELLED, RUNNING, WAITING, JobProgress, StoredJob

MAX_WAITING = 20
_MAX_KEPT = 200  # jobs
_LOST_AFTER = timedelta(seconds=60)  # without a sign of the process that does a job


class JobTable:
    """The queue of jobs of a library.

    Parameters
    ----------
    database : Database
        The library.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: str, request: dict[str, Any], *, once: bool = False) -> StoredJob:
        """Add a job to the end of the queue.

        Parameters
        ----------
        kind : str
            What to do.
        request : dict
            What was asked for; it must fit into JSON.
        once : bool
            Whether to return a waiting or running job of this kind instead, if there is one.

        Raises
        ------
        UsageError
            If too many jobs wait.
        """
        with self._database.begin() as connection:
            pending = jobs.pending(connection)
            same = [job for job in pending if job.kind == kind]
            if once and same:
                return same[0]
            if len(pending) >= MAX_WAITING:
                raise UsageError(f"{len(pending)} jobs wait already; wait for some of them")
            number = jobs.add(connection, kind, request, datetime.now(UTC))
            kept = jobs.newest(connection, 2 * _MAX_KEPT)
            jobs.forget(connection, [job.id for job in kept[_MAX_KEPT:] if job.is_over])
            added = jobs.get(connection, number)
        assert added
        return added

    def get(self, number: int) -> StoredJob:
        """Return a job.

        Raises
        ------
        UnknownJobError
            If there is none of this number.
        """
        with self._database.connect() as connection:
            found = jobs.get(connection, number)
        return _required(found, number)

    def newest(self) -> list[StoredJob]:
        """Return the jobs, the newest first."""
        with self._database.connect() as connection:
            return jobs.newest(connection, _MAX_KEPT)

    def claim(self) -> StoredJob | None:
        """Begin the next job, unless one is running; None if there is nothing to do.

        A job whose process gave no sign for a minute has failed.
        """
        with self._database.connect() as connection:
            if not jobs.pending(connection):
                return None
        now = datetime.now(UTC)
        with self._database.begin() as connection:
            for job in jobs.pending(connection):
                if job.state == RUNNING and now - (job.beat_at or job.created_at) < _LOST_AFTER:
                    return None
                if job.state == RUNNING:
                    error = "the process that did it has ended; start the job again"
                    jobs.put(connection, _changed(job, state="failed", error=error, ended_at=now))
                else:
                    begun = _changed(job, state=RUNNING, started_at=now, beat_at=now)
                    jobs.put(connection, begun)
                    return begun
        return None

    def tell(self, number: int, progress: JobProgress) -> bool:
        """Store the progress of a running job; return whether it is to go on."""
        with self._database.begin() as connection:
            job = _required(jobs.get(connection, number), number)
            if job.state == RUNNING:
                changed = _changed(job, progress=progress, beat_at=datetime.now(UTC))
                jobs.put(connection, changed)
            return job.state == RUNNING

    def finish(self, number: int, state: str, **result: Any) -> None:
        """End a job with its ``report`` or ``error``; a job that was cancelled stays so."""
        with self._database.begin() as connection:
            job = _required(jobs.get(connection, number), number)
            ended = {"ended_at": datetime.now(UTC), **result}
            state = CANCELLED if job.state == CANCELLED else state
            jobs.put(connection, _changed(job, state=state, **ended))

    def cancel(self, number: int) -> StoredJob:
        """Cancel a job that is not over; a running one ends with its next progress."""
        with self._database.begin() as connection:
            job = _required(jobs.get(connection, number), number)
            if not job.is_over:
                ended_at = datetime.now(UTC) if job.state == WAITING else None
                job = _changed(job, state=CANCELLED, ended_at=ended_at)
                jobs.put(connection, job)
        return job


def _required(job: StoredJob | None, number: int) -> StoredJob:
    if job is None:
        raise UnknownJobError(f"no job {number}; `GET /api/jobs` lists those there are")
    return job


def _changed(job: StoredJob, **values: Any) -> StoredJob:
    return replace(job, **values, version=job.version + 1)
