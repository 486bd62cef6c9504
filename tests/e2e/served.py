"""A running service, for tests of the API and of the page."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from program import DEADLINE_S, Program
from waiting import until


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url

    def send(
        self,
        path: str,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> tuple[int, Any, bytes]:
        """Send a request; return status, headers and body."""
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path: str, **headers: str) -> Any:
        return json.loads(self.send(path, headers=headers)[2])

    def post(self, path: str, body: Any) -> Any:
        json_type = {"Content-Type": "application/json"}
        return json.loads(self.send(path, json.dumps(body).encode(), json_type)[2])

    def follow(self, job: int, last_id: int = -1) -> list[tuple[int, Any]]:
        """Return id and data of all events of a job until it is over."""
        headers = {"Last-Event-ID": str(last_id)} if last_id >= 0 else {}
        text = self.send(f"/api/jobs/{job}/events", headers=headers)[2].decode()
        events = [each.split("\n") for each in text.split("\n\n") if each.startswith("id:")]
        return [(int(e[0][4:]), json.loads(e[2].removeprefix("data: "))) for e in events]

    def is_up(self) -> bool:
        try:
            return self.send("/healthz")[0] == 200
        except OSError:
            assert self.process.poll() is None, "the service has ended"
            return False

    def wait_until_ready(self) -> None:
        until(lambda: self.send("/readyz")[0] == 200)


@contextmanager
def serving(
    program: Program, *options: str, warm_up: bool = False, more: str = ""
) -> Iterator[Server]:
    """Run a service; ``more`` are lines of its configuration."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = program.folder / "config.toml"
    config.write_text(f"[serve]\nport = {port}\nwarm_up = {str(warm_up).lower()}\n{more}\n")
    env = {**program.env, "FINGERPRINTER_CONFIG": str(config)}
    with (program.folder / "log").open("w") as log:
        process = program.start("serve", *options, stdout=log, stderr=log, env=env)
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        until(server.is_up)
        yield server
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
