"""Routes of jobs: start, list, follow and cancel long work."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel, Field, TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from fingerprinter.server.jobs import Job, Kind, shown_job
from fingerprinter.server.models import JobList
from fingerprinter.server.routes.common import MAX_ID, Owner, Route, TheService
from fingerprinter.server.service import Service

router = APIRouter(route_class=Route, tags=["jobs"])

_POLL_S = 0.3
_COMMENT_S = 15.0  # proxies close connections that stay silent
_job_json = TypeAdapter(Job).dump_json
JobId = Annotated[int, Path(ge=1, le=MAX_ID)]


class NewJob(BaseModel, extra="forbid"):
    """A job to do. The last three values are for `index` only."""

    model_config = {"json_schema_extra": {"examples": [{"kind": "index", "paths": ["/music"]}]}}

    kind: Kind
    paths: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        default=[], max_length=1000
    )
    prune: bool = False
    embeddings: bool = True


@router.get("/api/jobs")
def jobs(service: TheService, _: Owner) -> JobList:
    """List the jobs, the newest first."""
    return JobList([shown_job(each) for each in service.jobs.newest()])


@router.post("/api/jobs", status_code=202)
def add_job(service: TheService, _: Owner, wanted: NewJob) -> Job:
    """Start a job: `index` folders, `analyze` all tracks, find `duplicates`, make the `map`."""
    options = {}
    if wanted.kind == "index":
        paths = service.indexed_paths(wanted.paths)
        options = {"paths": paths, "prune": wanted.prune, "embeddings": wanted.embeddings}
    return shown_job(service.add_job(wanted.kind, options))


@router.get("/api/jobs/{job_id}")
def job(service: TheService, _: Owner, job_id: JobId) -> Job:
    """Return a job."""
    return shown_job(service.jobs.get(job_id))


@router.delete("/api/jobs/{job_id}")
def cancel_job(service: TheService, _: Owner, job_id: JobId) -> Job:
    """Cancel a job; what it has stored stays."""
    return shown_job(service.jobs.cancel(job_id))


@router.get(
    "/api/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}},
)
async def job_events(
    service: TheService,
    _: Owner,
    job_id: JobId,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Follow a job by server-sent events, until it is over.

    Each event is named `job` and holds the job as JSON; its `id` is the job's `version`. A client
    that comes back with `Last-Event-ID` gets what has changed since.
    """
    await run_in_threadpool(service.jobs.get, job_id)
    is_version = last_event_id and re.fullmatch("[0-9]{1,18}", last_event_id)
    seen = int(last_event_id or "") if is_version else -1
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(service, job_id, seen)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(service: Service, job_id: int, seen: int) -> AsyncIterator[bytes]:
    """Yield an event for each change of a job, and a comment when there is none for long."""
    spoken = time.monotonic()
    while not service.is_closing:
        job = await run_in_threadpool(service.jobs.get, job_id)
        if job.version > seen:
            seen, spoken = job.version, time.monotonic()
            yield b"id: %d\nevent: job\ndata: %s\n\n" % (job.version, _job_json(shown_job(job)))
        elif time.monotonic() - spoken >= _COMMENT_S:
            spoken = time.monotonic()
            yield b": still there\n\n"
        if job.is_over:
            return
        await asyncio.sleep(_POLL_S)
