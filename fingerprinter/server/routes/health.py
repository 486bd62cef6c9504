"""Routes of the service itself: health, metrics, sessions."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from fingerprinter.server import metrics
from fingerprinter.server.access import COOKIE, Viewer, token_digest
from fingerprinter.server.models import Session
from fingerprinter.server.problems import TokenError
from fingerprinter.server.routes.common import Owner, Route, TheService
from fingerprinter.server.version import version

router = APIRouter(route_class=Route, tags=["service"])

_COOKIE_S = 365 * 86_400
_STATUS: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


class Login(BaseModel, extra="forbid"):
    """The token, which the service printed when it was started for the first time."""

    token: str = Field(min_length=1, max_length=200)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses={200: {"content": _STATUS}}, response_class=JSONResponse)
def healthz() -> JSONResponse:
    """Report that the process runs."""
    return JSONResponse({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    responses={200: {"content": _STATUS}, 503: {"content": _STATUS, "description": "Not ready."}},
    response_class=JSONResponse,
)
def readyz(service: TheService) -> JSONResponse:
    """Report whether requests are answered at full speed; 503 while the service warms up."""
    if service.ready:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "warming up"}, status_code=503, headers={"Retry-After": "2"})


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
def prometheus(service: TheService, _: Owner) -> Response:
    """Return counts and times of requests for Prometheus."""
    return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)


@router.get("/api/session")
def session(request: Request, service: TheService) -> Session:
    """Report what this client may do: `owner`, `guest` or `stranger`."""
    viewer: Viewer = request.state.viewer
    needed = service.settings.token_digest is not None
    folders = list(service.settings.folders) if viewer.sees_paths else []
    return Session(viewer.role.name.lower(), needed, version(), folders)


@router.post("/api/session", status_code=204, response_class=Response)
def log_in(request: Request, service: TheService, login: Login) -> Response:
    """Log in with the token: the answer sets a cookie that pages cannot read."""
    expected = service.settings.token_digest
    if expected and not hmac.compare_digest(token_digest(login.token), expected):
        raise TokenError("wrong token; `fingerprinter serve --new-token` makes another one")
    response = Response(status_code=204)
    if expected:
        response.set_cookie(
            COOKIE,
            login.token,
            max_age=_COOKIE_S,
            path=service.settings.root_path or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return response


@router.delete("/api/session", status_code=204, response_class=Response)
def log_out(service: TheService) -> Response:
    """Log out: delete the cookie."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path=service.settings.root_path or "/")
    return response
