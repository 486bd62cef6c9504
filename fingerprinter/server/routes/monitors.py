"""Routes of stations: listen, list, follow, and stop listening."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from fingerprinter.server.access import Viewer
from fingerprinter.server.models import MonitorList, StationLog, shown
from fingerprinter.server.problems import MissingError
from fingerprinter.server.routes.common import MAX_ID, Limit, Owner, Route, TheService
from fingerprinter.server.service import Service
from fingerprinter.server.station_board import Monitor

router = APIRouter(route_class=Route, tags=["monitors"])

_POLL_S = 0.5
_AGAIN_S = 10.0  # shows the seconds so far, and keeps proxies from closing the connection
_monitor_json = TypeAdapter(Monitor).dump_json
MonitorId = Annotated[int, Path(ge=1, le=MAX_ID)]


class NewMonitor(BaseModel, extra="forbid"):
    """A station to listen to. Without a name it has the one that it gives itself."""

    model_config = {
        "json_schema_extra": {"examples": [{"source": "https://radio.example/live", "name": None}]}
    }

    source: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None


@router.get("/api/monitors")
def monitors(service: TheService, viewer: Owner) -> MonitorList:
    """List the stations that are listened to."""
    return shown(MonitorList(service.stations.all()), viewer)


@router.post("/api/monitors", status_code=201)
def add_monitor(service: TheService, viewer: Owner, wanted: NewMonitor) -> Monitor:
    """Listen to a station: the address of an Icecast stream, of HLS, or of a playlist of one."""
    return shown(service.stations.add(wanted.source, wanted.name), viewer)


@router.delete("/api/monitors/{monitor_id}")
def remove_monitor(service: TheService, viewer: Owner, monitor_id: MonitorId) -> Monitor:
    """Stop listening to a station, and forget its log."""
    return shown(service.stations.remove(monitor_id), viewer)


@router.get("/api/monitors/{monitor_id}/log")
def monitor_log(
    service: TheService, viewer: Owner, monitor_id: MonitorId, limit: Limit = 100
) -> StationLog:
    """List the last events of a station, the newest first; the last 1,000 are kept."""
    return shown(StationLog(service.stations.log(monitor_id, limit)), viewer)


@router.get(
    "/api/monitors/{monitor_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}},
)
async def monitor_events(
    service: TheService, viewer: Owner, monitor_id: MonitorId
) -> StreamingResponse:
    """Follow a station by server-sent events, until it is removed.

    Each event is named `monitor` and holds the station as JSON. One comes at each change, and
    every 10 s.
    """
    await run_in_threadpool(service.stations.get, monitor_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(service, viewer, monitor_id)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(service: Service, viewer: Viewer, number: int) -> AsyncIterator[bytes]:
    """Yield an event for each change of a station."""
    last, spoken = None, 0.0
    while not service.is_closing:
        try:
            monitor = service.stations.get(number)
        except MissingError:
            return
        state = replace(monitor, heard_s=0.0)
        if state != last or time.monotonic() - spoken >= _AGAIN_S:
            last, spoken = state, time.monotonic()
            yield b"event: monitor\ndata: %s\n\n" % _monitor_json(shown(monitor, viewer))
        await asyncio.sleep(_POLL_S)
