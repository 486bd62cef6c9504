"""Ask a running service instead of a library, with the standard library only."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, Request, build_opener

from fingerprinter.audio import AudioSource
from fingerprinter.audio.source import as_file, source_name
from fingerprinter.audio.wav import write_wav
from fingerprinter.errors import AudioError, LibraryError, UsageError
from fingerprinter.library import Recognition
from fingerprinter.types import Match, Track, Version

TOKEN_VARIABLE = "FINGERPRINTER_TOKEN"
_TIMEOUT_S = 150.0
_MAX_ANSWER_BYTES = 1 << 25  # of a service that may be none of ours
_MAX_CHARS = 500  # of its message
_BUSY, _BAD_CLIP = 429, (413, 422)  # statuses
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before a busy service is asked again


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, because the token would go to wherever it leads."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Connection(HTTPConnection):
    """Reads the answer of a service that refuses a request before all of it has been sent."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            super().request(*args, **kwargs)


class _EarlyAnswers(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class Server:
    """A running service.

    Parameters
    ----------
    address : str
        Its address, such as ``http://localhost:8765``.

    Raises
    ------
    UsageError
        If the address is none of http or https.
    """

    def __init__(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            (parts.hostname or "").encode("idna")
            f"{parts.path}{parts.query}".encode("ascii")
        except ValueError:  # a bracket without its other one, a port that is none, an endless name
            is_address = False
        if not is_address:
            raise UsageError(f"{address}: no address; write http://HOST:8765")
        self._address = address.rstrip("/")
        self._opener = build_opener(_NoRedirects, _EarlyAnswers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opener.close()

    def recognize(
        self,
        source: AudioSource,
        *,
        min_confidence: float,
        all_matches: bool,
        alternatives: int = 0,
        versions: bool = False,
        on_match: Callable[[Match], None] = lambda _: None,
    ) -> Recognition:
        """Name the recordings in a clip, see `Library.recognize`.

        Parameters
        ----------
        source : AudioSource
            The clip; a file is sent as it is.
        min_confidence, all_matches, alternatives, versions
            See `Library.recognize`.
        on_match : callable
            Is called with each match of a long clip when the answer has come.

        Raises
        ------
        AudioError
            If the clip cannot be read, here or by the service.
        LibraryError
            If the service cannot be reached, or refuses to answer.
        """
        name = source_name(source)
        query = {
            "name": name,
            "min_confidence": min_confidence,
            "all": str(all_matches).lower(),
            "alternatives": alternatives,
        }
        if versions:  # a service of 0.1 does not know it
            query["versions"] = "true"
        headers = {"Content-Type": "application/octet-stream"}
        if token := os.environ.get(TOKEN_VARIABLE):
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self._address}/api/identify?{urlencode(query, errors='replace')}"
        request = Request(url, data=_encoded(source, name), headers=headers)
        for pause_s in (*_PAUSES_S, None):
            with (
                self._translated_errors(name, retry=pause_s is not None),
                self._opener.open(request, timeout=_TIMEOUT_S) as reply,
            ):
                found = self._parsed(reply)
                for match in found.matches if all_matches else ():
                    on_match(match)
                return found
            time.sleep(pause_s or 0)
        raise AssertionError("the last attempt returns or raises")

    def _parsed(self, reply: HTTPResponse) -> Recognition:
        try:
            answer = json.loads(reply.read(_MAX_ANSWER_BYTES))
            matches = [_match(each) for each in answer["matches"]]
            others = [_match(each) for each in answer["alternatives"]]
            found = answer.get("versions")
            versions = None if found is None else [_version(each) for each in found]
            problem = answer["problem"]
            return Recognition(
                answer["duration_s"], matches, problem, alternatives=others, versions=versions
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LibraryError(f"{self._address}: no fingerprinter answers there") from error

    @contextmanager
    def _translated_errors(self, name: str, *, retry: bool) -> Iterator[None]:
        """Raise errors of the connection as ours; ignore that the service is busy if `retry`."""
        try:
            yield
        except HTTPError as error:
            if error.code == _BUSY and retry:
                return
            message = _message(error)
            if error.code in _BAD_CLIP:
                raise AudioError(f"{name}: {message.removeprefix(f'{name}: ')}") from error
            hint = f"; set {TOKEN_VARIABLE}" if error.code == 401 else ""
            raise LibraryError(f"{self._address}: {message}{hint}") from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            message = f"{self._address}: not reached ({reason}); does `fingerprinter serve` run?"
            raise LibraryError(message) from error


def _encoded(source: AudioSource, name: str) -> bytes:
    """Return a clip as the bytes of a file; mono samples become a WAV file."""
    if not isinstance(source, tuple):
        with as_file(source, name) as file:
            return file.read()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        write_wav(path, *source)
        return path.read_bytes()


def _match(record: dict[str, Any]) -> Match:
    return Match(**record | {"track": _track(record["track"])})


def _version(record: dict[str, Any]) -> Version:
    return Version(**record | {"track": _track(record["track"])})


def _track(record: dict[str, Any]) -> Track:
    added_at = datetime.fromisoformat(record["added_at"])
    known: dict[str, Any] = {name: record.get(name) for name in Track.__dataclass_fields__}
    return Track(**known | {"added_at": added_at})


def _message(error: HTTPError) -> str:
    """Return the message in an error of the service."""
    try:
        return str(json.loads(error.read(_MAX_ANSWER_BYTES))["error"]["message"])[:_MAX_CHARS]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {error.code}"
