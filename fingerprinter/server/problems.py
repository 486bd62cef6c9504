"""Errors as JSON: ``{"error": {"code", "message"}}`` with a fitting status."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount

from fingerprinter.errors import FingerprinterError, UsageError

_log = logging.getLogger(__name__)
_RETRY_AFTER_S = 2
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_CODES = {401: "token", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large"}


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What went wrong: a short name for programs and a line for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of every answer that reports an error."""

    error: ErrorDetail


class BusyError(FingerprinterError):
    """All places for this kind of work are taken."""

    http_status = 429
    code = "busy"


class TooLargeError(UsageError):
    """An upload has more bytes than are accepted."""

    http_status = 413
    code = "too_large"


class UnknownParameterError(UsageError):
    """A request has a parameter that its endpoint does not know."""

    http_status = 422


class ForbiddenError(FingerprinterError):
    """The client may not do this."""

    http_status = 403
    code = "forbidden"


class TokenError(FingerprinterError):
    """The request needs the token and has none, or a wrong one."""

    http_status = 401
    code = "token"


class MissingError(FingerprinterError):
    """The service has no such thing."""

    http_status = 404
    code = "not_found"


def problem_response(status: int, code: str, message: str) -> JSONResponse:
    """Return an answer that reports an error."""
    # A message may name a file whose name is no Unicode.
    message = message.encode("utf-8", "backslashreplace").decode()
    headers = {}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes of a path; the mounted page, which takes all, is none."""
    routes = [each for each in request.app.routes if not isinstance(each, Mount)]
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def install(app: FastAPI) -> None:
    """Make an application answer every error in this form."""

    @app.exception_handler(FingerprinterError)
    def _known(request: Request, error: FingerprinterError) -> JSONResponse:
        message = str(error)
        if error.http_status in (422, 503) and not request.state.viewer.sees_paths:
            message = _HIDDEN.get(error.code, "the server cannot do this now")
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s %s: %s", request.method, request.url.path, error)
        return problem_response(error.http_status, error.code, message)

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        if not place or first["type"] == "json_invalid":
            message = "the body is no JSON object; send one as `Content-Type: application/json`"
            return problem_response(422, "usage", message)
        return problem_response(422, "usage", f"{place}: {first['msg']}")

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        status, message, headers = error.status_code, str(error.detail), dict(error.headers or {})
        # The page answers what no route takes: 404, also where a route takes another method.
        is_refused = status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
        if is_refused and (allowed := ", ".join(_allowed_methods(request))):
            status, headers["Allow"] = HTTPStatus.METHOD_NOT_ALLOWED, allowed
            message = f"{request.method}: this address takes {allowed} only"
        response = problem_response(status, _CODES.get(status, "usage"), message)
        response.headers.update(headers)
        return response

    @app.exception_handler(ClientDisconnect)
    def _gone(_: Request, __: ClientDisconnect) -> JSONResponse:
        return problem_response(400, "usage", "the request ended before all of it had arrived")

    @app.exception_handler(Exception)
    def _bug(request: Request, error: Exception) -> JSONResponse:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem_response(500, "bug", "a bug in the server; its log has the details")


# What people without the token read, because messages of these errors may name files.
_HIDDEN = {"audio": "the audio cannot be read"}
