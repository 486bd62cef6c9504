"""The application: routes, middleware, errors, and the page."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from fingerprinter.server import problems
from fingerprinter.server.access import Guard
from fingerprinter.server.documentation import documentation_page
from fingerprinter.server.logs import configure_logs
from fingerprinter.server.metrics import Measured
from fingerprinter.server.problems import ErrorBody
from fingerprinter.server.routes import discover, health, identify, jobs, monitors, tracks
from fingerprinter.server.service import MAX_THREADS, Service
from fingerprinter.server.settings import ServerSettings
from fingerprinter.server.subsonic import routes as subsonic
from fingerprinter.server.version import version

SETTINGS_VARIABLE = "FINGERPRINTER_SERVER"
"""Environment variable by which worker processes get their settings, as JSON."""

_PAGE = Path(__file__).parent / "page"
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        400: "The request makes no sense.",
        401: "The token is missing or wrong.",
        403: "The client may not do this.",
        404: "There is no such thing.",
        413: "The upload is too large.",
        422: "A value has no meaning, or the audio cannot be read.",
        429: "Too many requests at once; see `Retry-After`.",
        503: "The library cannot be used.",
    }.items()
}


def create_app(settings: ServerSettings) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    settings : ServerSettings
        Its settings.

    Returns
    -------
    FastAPI
        An ASGI application. It opens the library when it starts, and closes it when it ends.
    """
    app = FastAPI(
        title="fingerprinter",
        version=version(),
        description="Names recorded clips of your music, and finds what sounds like it.",
        root_path=settings.root_path,
        docs_url=None,  # FastAPI's page loads its script from another server
        redoc_url=None,
        lifespan=_lifespan(settings),
        responses=_ERRORS,
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    for module in (identify, tracks, discover, jobs, monitors, health, subsonic):
        app.include_router(module.router)
    _add_pages(app, settings)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)  # not audio, not PNG
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured)
    return app


def create_worker_app() -> FastAPI:
    """Make the application in a worker process, by the settings in the environment."""
    settings = ServerSettings.from_json(os.environ[SETTINGS_VARIABLE])
    configure_logs(settings.log)
    return create_app(settings)


def _lifespan(settings: ServerSettings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = MAX_THREADS
        service = await run_in_threadpool(Service, settings)
        app.state.service = service
        service.start()
        _tell_when_stopping(service)
        try:
            yield
        finally:
            await run_in_threadpool(service.close)

    return lifespan


def _tell_when_stopping(service: Service) -> None:
    """Let streams of events end when a signal ends the process.

    The server waits for open connections before it shuts the application down, and a stream would
    keep its connection open.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a test, which gets no signals
    for number in (signal.SIGINT, signal.SIGTERM):
        handle = signal.getsignal(number)

        def stop(signum: int, frame: FrameType | None, handle: Any = handle) -> None:
            service.is_closing = True
            if callable(handle):
                handle(signum, frame)

        signal.signal(number, stop)


def _add_pages(app: FastAPI, settings: ServerSettings) -> None:
    """Add the page, if it is installed, and the documentation of the API."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(documentation_page(app.openapi(), settings.root_path))

    if _PAGE.is_dir():
        app.mount("/", StaticFiles(directory=_PAGE, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse(f"{settings.root_path}/docs")
