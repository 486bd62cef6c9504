"""A PostgreSQL server that a test may stop and start."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postgres_servers import server_from_pip

HOW = ("shut down", "crash")


class RestartableServer:
    """A server with sessions of one test only. ``url`` is the address of its database."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.url: str = handle.get_uri()

    def stop(self, how: str) -> None:
        """Stops the server in one of the ways of `HOW`."""
        if how == "shut down":
            self._handle.stop()
            return
        # SIGQUIT is PostgreSQL's immediate shutdown, from which it recovers at the next start.
        os.kill(self._handle.get_pid(), signal.SIGQUIT)
        while Path(self._handle.pgdata, "postmaster.pid").exists():
            time.sleep(0.01)

    def start(self) -> None:
        self._handle.ensure_postgres_running()


@contextmanager
def restartable_server() -> Iterator[RestartableServer]:
    """Runs a server until the end of the block."""
    with server_from_pip() as handle:
        yield RestartableServer(handle)
