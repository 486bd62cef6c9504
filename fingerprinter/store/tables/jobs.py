"""Jobs: long work that a server does, one after the other.

All processes that serve a library share this table, so each of them can tell how a job goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from fingerprinter.store.tables.schema import job

WAITING, RUNNING, CANCELLED = "queued", "running", "cancelled"
OVER = ("done", "failed", CANCELLED)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes
    ----------
    done, total : int
        Numbers of files or tracks.
    elapsed_s : float
        Seconds since the work began.
    audio_s : float or None
        Seconds of audio that were processed, if that is known.
    """

    done: int = 0
    total: int = 0
    elapsed_s: float = 0.0
    audio_s: float | None = None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A row of the table.

    Attributes
    ----------
    request : dict
        What was asked for.
    version : int
        Counts the changes.
    beat_at : datetime or None
        Last sign of life of the process that does the job.
    report : dict or None
        The result of a job that is over.
    error : str or None
        Why it failed.
    """

    id: int
    kind: str
    state: str
    request: dict[str, Any]
    created_at: datetime
    progress: JobProgress = field(default_factory=JobProgress)
    version: int = 0
    beat_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    report: dict[str, Any] | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job changes any more."""
        return self.state in OVER


def add(connection: Connection, kind: str, request: dict[str, Any], now: datetime) -> int:
    """Add a job to the end of the queue; return its id."""
    values = {"kind": kind, "state": WAITING, "request": json.dumps(request), "created_at": now}
    number: int = connection.scalars(insert(job).values(values).returning(job.c.id)).one()
    return number


def get(connection: Connection, number: int) -> StoredJob | None:
    """Return a job, or None if there is none of this id."""
    row = connection.execute(select(job).where(job.c.id == number)).first()
    return None if row is None else _stored(row)


def newest(connection: Connection, limit: int) -> list[StoredJob]:
    """Return the newest jobs, the newest first."""
    rows = connection.execute(select(job).order_by(job.c.id.desc()).limit(limit))
    return [_stored(row) for row in rows]


def pending(connection: Connection) -> list[StoredJob]:
    """Return the jobs that wait or run, in the order of the queue."""
    statement = select(job).where(job.c.state.in_((WAITING, RUNNING))).order_by(job.c.id)
    return [_stored(row) for row in connection.execute(statement)]


def put(connection: Connection, changed: StoredJob) -> None:
    """Store a job that has changed."""
    progress = asdict(changed.progress) | {
        "version": changed.version,
        "beat_at": changed.beat_at and changed.beat_at.isoformat(),
    }
    report = None
    if changed.report is not None or changed.error is not None:
        report = json.dumps({"result": changed.report, "error": changed.error})
    connection.execute(
        update(job)
        .where(job.c.id == changed.id)
        .values(
            state=changed.state,
            progress=json.dumps(progress),
            report=report,
            started_at=changed.started_at,
            ended_at=changed.ended_at,
        )
    )


def forget(connection: Connection, numbers: Iterable[int]) -> None:
    """Delete jobs."""
    connection.execute(delete(job).where(job.c.id.in_(list(numbers))))


def _stored(row: Row[Any]) -> StoredJob:
    progress = json.loads(row.progress or "{}")
    report = json.loads(row.report or "{}")
    beat_at = progress.pop("beat_at", None)
    return StoredJob(
        id=row.id,
        kind=row.kind,
        state=row.state,
        request=json.loads(row.request or "{}"),
        created_at=row.created_at,
        version=progress.pop("version", 0),
        progress=JobProgress(**progress),
        beat_at=beat_at and datetime.fromisoformat(beat_at),
        started_at=row.started_at,
        ended_at=row.ended_at,
        report=report.get("result"),
        error=report.get("error"),
    )
