"""Send events to a web address, in the background and in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Any

from fingerprinter.audio.streams.addresses import check_web_address, shown_address
from fingerprinter.errors import UsageError

_WAITING = 1000  # events; more are dropped
_TIMEOUT_S, _TRIES, _WAIT_S = 10.0, 4, 2.0
_GRACE_S = 15.0


class Webhook:
    """Posts objects as JSON; a context manager, which ends when all are sent.

    Parameters
    ----------
    url : str
        An address of http or https. Redirects are not followed.
    on_problem : callable
        Receives a line about each object that could not be sent.

    Raises
    ------
    UsageError
        If it is no such address, or if httpx is not installed.
    """

    def __init__(self, url: str, on_problem: Callable[[str], None]) -> None:
        check_web_address(url)
        try:
            import httpx
        except ImportError as error:
            raise UsageError(
                "httpx is not installed, and --webhook needs it;"
                ' `pip install "fingerprinter[monitor]"`'
            ) from error
        self._client = httpx.Client(timeout=_TIMEOUT_S)
        self._url, self._on_problem = url, on_problem
        self._queue: Queue[dict[str, Any] | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
        self._closing = threading.Event()

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self.put(None)
        self._thread.join(_GRACE_S)
        self._client.close()

    def put(self, record: dict[str, Any] | None) -> None:
        """Send an object as soon as those before it are sent."""
        try:
            self._queue.put_nowait(record)
        except Full:
            self._on_problem(f"{shown_address(self._url)}: too slow; an event was not sent")

    def _send_all(self) -> None:
        while (record := self._queue.get()) is not None:
            problem = self._send(record)
            if problem:
                self._on_problem(f"{shown_address(self._url)}: an event was not sent ({problem})")

    def _send(self, record: dict[str, Any]) -> str | None:
        """Send an object, again if need be; return why it could not be sent."""
        import httpx

        problem = ""
        for number in range(_TRIES):
            if number and self._closing.wait(_WAIT_S**number):
                break
            try:
                answer = self._client.post(self._url, json=record)
            except httpx.HTTPError as error:
                problem = type(error).__name__
                continue
            if answer.is_success:
                return None
            problem = f"status {answer.status_code}"
        return problem
