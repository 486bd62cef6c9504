"""The route of the protocol: ``/rest/NAME`` and ``/rest/NAME.view``, by GET and by POST."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fingerprinter.errors import FingerprinterError, UnknownTrackError, UsageError
from fingerprinter.server.access import Role, Viewer, is_same_origin
from fingerprinter.server.problems import BusyError, MissingError
from fingerprinter.server.service import Service
from fingerprinter.server.subsonic.answers import Code, SubsonicError, answer, failure
from fingerprinter.server.subsonic.endpoints import ENDPOINTS, FORBIDDEN, Answer, Call
from fingerprinter.server.subsonic.login import log_in
from fingerprinter.server.subsonic.parameters import Parameters

router = APIRouter()

_log = logging.getLogger(__name__)
_MAX_FIELDS = 1000
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Content-Type, Range",
    "Access-Control-Max-Age": "600",
}
_FORM = "application/x-www-form-urlencoded"


# The protocol has a description of its own, so this is not in the schema of the API.
@router.api_route("/rest/{name}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
async def rest(request: Request, name: str) -> Response:
    """Answer a player.

    A player that is a page of another site must log in with each request, also where others need
    no login: any page could send a request otherwise. It may read the answer if its origin is one
    of the allowed ones.
    """
    body = b""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        body = await request.body()
    pairs = [*request.query_params.multi_items(), *_fields(body)]
    parameters = Parameters(pairs)
    form = "json" if parameters.text("f") in ("json", "jsonp") else "xml"
    is_foreign = not is_same_origin(request.headers)
    try:
        found = await run_in_threadpool(
            _reply, request, name.removesuffix(".view"), parameters, is_foreign
        )
        response = found if isinstance(found, Response) else answer(found, form)
    except SubsonicError as error:
        response = failure(error, form)
    if is_foreign:
        response.headers.update(_for_pages_of_others(request))
    return response


@router.options("/rest/{name}", include_in_schema=False)
def preflight(request: Request, name: str) -> Response:
    """Tell a browser what pages of allowed origins may send."""
    allowed = _for_pages_of_others(request)
    is_allowed = "Access-Control-Allow-Origin" in allowed
    return Response(status_code=204, headers=allowed | (_PREFLIGHT if is_allowed else {}))


def _for_pages_of_others(request: Request) -> dict[str, str]:
    """Return the headers by which a page of another site may use an answer.

    A page of an allowed origin may read it. Browsers do not tell the origin of a page that shows a
    picture or plays a sound, which it cannot read; if any origin is allowed, it may do that.
    """
    service: Service = request.app.state.service
    origins, origin = service.settings.origins, request.headers.get("origin")
    headers = {"Vary": "Origin"}
    if origins and origin in (None, *origins):
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if origin in origins:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return []  # too many fields, or no UTF-8


def _reply(request: Request, name: str, parameters: Parameters, is_foreign: bool) -> Answer:
    """Return the answer of an endpoint.

    Raises
    ------
    SubsonicError
        If the request cannot be answered.
    """
    service: Service = request.app.state.service
    viewer: Viewer = request.state.viewer
    endpoint = ENDPOINTS.get(name)
    if parameters.text("f") == "jsonp":
        raise SubsonicError(Code.GENERIC, "f=jsonp is not served; use f=json")
    try:
        user = ""
        if endpoint is None or not endpoint.is_open:
            user = log_in(
                parameters,
                is_trusted=viewer.role >= Role.GUEST and not is_foreign,
                digest=service.settings.token_digest,
                app_password=service.library.service.app_password,
            )
        if name in FORBIDDEN:
            raise SubsonicError(Code.FORBIDDEN, f"{name}: players can change nothing here")
        if endpoint is None:
            raise SubsonicError(Code.GENERIC, f"{name[:50]}: there is no such endpoint")
        return endpoint.reply(Call(service, parameters, user))
    except (UnknownTrackError, MissingError) as error:
        message = "the library has no such song" if isinstance(error, UnknownTrackError) else error
        raise SubsonicError(Code.NOT_FOUND, str(message)) from error
    except (UsageError, BusyError) as error:
        raise SubsonicError(Code.GENERIC, str(error)) from error
    except FingerprinterError as error:
        _log.error("%s: %s", name, error)  # its message may name files
        message = "the library cannot answer this; the log of the service says why"
        raise SubsonicError(Code.GENERIC, message) from error
