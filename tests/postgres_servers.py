"""Local PostgreSQL servers with all extensions, for tests of libraries on several servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOGIN = "postgres"  # of Debian's package; root may not run a server
_AS: dict[str, Any] = {"user": _LOGIN, "group": _LOGIN} if os.geteuid() == 0 else {}
_SETTINGS = (
    "-c listen_addresses=localhost -c unix_socket_directories='' -c fsync=off -c autovacuum=off"
)


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of a PostgreSQL that has postgres_fdw, or None."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        extensions = Path("/usr/share/postgresql", folder.parent.name, "extension")
        if (folder / "initdb").exists() and (extensions / "postgres_fdw.control").exists():
            return folder
    return None


@dataclass(frozen=True)
class LocalServer:
    """A server that can be stopped and started."""

    programs: Path
    data: Path
    port: int

    @property
    def uri(self) -> str:
        """Of the database "postgres"."""
        return f"postgresql://{_LOGIN}:@/postgres?host=localhost&port={self.port}"

    def url(self, database: str) -> str:
        return f"postgresql://{_LOGIN}@localhost:{self.port}/{database}"

    def start(self) -> None:
        options = f"{_SETTINGS} -c port={self.port}"
        self._control("start", "-l", str(self.data) + ".log", "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-m", mode)

    def _control(self, *arguments: str) -> None:
        control = [self.programs / "pg_ctl", "-D", self.data, "-w", "-s", *arguments]
        subprocess.run(control, check=True, cwd="/", stdout=subprocess.DEVNULL, **_AS)


@contextmanager
def postgres_servers(folder: Path, number: int) -> Iterator[list[LocalServer]]:
    """Starts some servers, and stops them at the end of the block.

    folder: where the programs of PostgreSQL are
    """
    with tempfile.TemporaryDirectory() as place:  # not of pytest: only root could look into that
        if _AS:
            shutil.chown(place, _LOGIN)
        template = Path(place, "0")
        _make(folder, template)
        started: list[LocalServer] = []
        try:
            folders = [template, *(Path(place, str(n)) for n in range(1, number))]
            for data in folders[1:]:
                subprocess.run(["cp", "-R", template, data], check=True, **_AS)
            started.extend(_started(folder, data) for data in folders)
            yield started
        finally:
            for server in started:
                if (server.data / "postmaster.pid").exists():
                    server.stop()


def _started(folder: Path, data: Path) -> LocalServer:
    """A running server. Another program may take a free port first, so three are tried."""
    for _ in range(2):
        with suppress(subprocess.CalledProcessError):
            server = LocalServer(folder, data, _free_port())
            server.start()
            return server
    server = LocalServer(folder, data, _free_port())
    server.start()
    return server


def _make(folder: Path, data: Path) -> None:
    options = ["-A", "trust", "-U", _LOGIN, "-E", "UTF8", "--locale=C", "-N"]
    command = [folder / "initdb", "-D", data, *options]
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **_AS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])
