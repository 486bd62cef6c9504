"""Counts and times of requests for Prometheus, and the log of requests."""

from __future__ import annotations

import logging
import os
import time

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_requests = Counter(
    "fingerprinter_requests", "Requests by route and status.", ["method", "route", "status"]
)
_seconds = Histogram(
    "fingerprinter_request_seconds", "Seconds of requests.", ["route"], buckets=_BUCKETS
)
_running = Gauge(
    "fingerprinter_requests_running",
    "Requests that are being answered.",
    multiprocess_mode="livesum",
)
_log = logging.getLogger("fingerprinter.server.requests")


def text() -> bytes:
    """Return all metrics, of all worker processes if there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class Measured:
    """Middleware that counts, times and logs every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_measured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            with _running.track_inprogress():
                await self._app(scope, receive, send_measured)
        finally:
            seconds = time.perf_counter() - start
            # The template of the path, because the number of paths is unlimited.
            route = getattr(scope.get("route"), "path", None) or "other"
            _requests.labels(scope["method"], route, str(status)).inc()
            _seconds.labels(route).observe(seconds)
            client = (scope.get("client") or ("-",))[0]
            _log.info(
                "%s %s %d",
                scope["method"],
                scope["path"],
                status,
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": round(seconds, 4),
                    "client": client,
                },
            )
