"""Who may do what: the token, the roles, and the checks of every request.

These attacks are answered here:

- DNS rebinding: the ``Host`` header must name this service.
- Requests that another web site makes a browser send: ``Origin`` and ``Sec-Fetch-Site`` tell.
- Content of strangers in a page: the security headers forbid scripts and pictures from elsewhere.
- Bodies without end: their bytes are counted.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fingerprinter.server.problems import problem_response
from fingerprinter.server.settings import ServerSettings

COOKIE = "fingerprinter_token"
_JSON_BYTES = 1 << 20
_INTERFACES = ("/api/", "/rest/")  # their answers change, and nothing may keep them
_TAKES_AUDIO = ("/api/identify", "/api/similar", "/api/versions")  # their bodies may be large
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}


class Role(IntEnum):
    """What a client may do; a higher role includes the lower ones."""

    STRANGER = 0  # health checks, the page itself and logging in
    GUEST = 1  # search, listen, identify; sees no paths of files
    OWNER = 2  # everything


@dataclass(frozen=True, slots=True)
class Viewer:
    """The client of one request."""

    role: Role

    @property
    def sees_paths(self) -> bool:
        """Whether answers may name files of the server."""
        return self.role is Role.OWNER


def new_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return the digest of a token, the only form in which it is stored.

    A plain digest is enough, because nobody can guess 256 random bits.
    """
    return sha256(token.encode()).hexdigest()


def role_of(headers: Headers, settings: ServerSettings) -> Role:
    """Return the role of the client that sent some headers."""
    if settings.token_digest is None:
        return Role.OWNER
    token = _sent_token(headers)
    if token and hmac.compare_digest(token_digest(token), settings.token_digest):
        return Role.OWNER
    return Role.GUEST if settings.guests else Role.STRANGER


def _sent_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie else None


class Guard:
    """Middleware that checks host, origin and size, finds the role, and adds security headers."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(_INTERFACES):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        scope.setdefault("state", {})["viewer"] = Viewer(role_of(headers, self._settings))
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, _limited(receive, self._body_limit(scope)), send_with_headers)
        else:
            await problem_response(*refusal)(scope, receive, send_with_headers)

    def _body_limit(self, scope: Scope) -> int:
        """Return the largest body in bytes; routes of uploads count by themselves, too."""
        takes_audio = scope["path"].startswith(_TAKES_AUDIO)
        largest = max(self._settings.upload_bytes, self._settings.mix_bytes)
        return _JSON_BYTES + (largest if takes_audio else 0)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        host = _host_name(headers.get("host", ""))
        if host not in self._settings.allowed_hosts and "*" not in self._settings.hosts:
            message = "this service does not serve that host; start it with --allow-host NAME"
            return 421, "host", message
        is_page = scope["method"] in _SAFE_METHODS and not scope["path"].startswith("/api/")
        # Players that are pages of another site may use /rest/, with a login in each request.
        is_open = is_page or scope["path"].startswith("/rest/")
        if not is_open and not is_same_origin(headers):
            return 403, "origin", "a page of another site sent this request, which is refused"
        return None


def _limited(receive: Receive, limit: int) -> Receive:
    """Return a `receive` that refuses to go on when the body gets too large."""
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, f"the body has more than {limit:,} bytes")
        return message

    return receive_counted


def _host_name(host: str) -> str:
    """Return the name in a ``Host`` header, without port and brackets; empty if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_same_origin(headers: Headers) -> bool:
    """Whether a request comes from our page or from no page at all."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
