"""`identify --server`: what the client says of a service that refuses a clip."""

from __future__ import annotations

import json
import socket
import threading

import numpy as np
import pytest

from fingerprinter.cli.common.remote import Server
from fingerprinter.errors import LibraryError, UsageError

REFUSAL = json.dumps({"error": {"code": "token", "message": "this needs the token"}}).encode()
ANSWER = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)


def test_a_refusal_is_read_though_the_clip_was_not_sent_to_its_end() -> None:
    def refuse() -> None:
        with listener.accept()[0] as connection:
            connection.recv(1)
            connection.sendall(ANSWER)  # closed with bytes unread, so that sending fails

    clip = np.zeros(8_000_000, np.float32), 16_000  # more bytes than the system keeps
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        with (
            Server(f"http://127.0.0.1:{listener.getsockname()[1]}") as server,
            pytest.raises(LibraryError, match="needs the token; set FINGERPRINTER_TOKEN"),
        ):
            server.recognize(clip, min_confidence=0.95, all_matches=False)


@pytest.mark.parametrize(
    "address",
    ["http://[", "http://h:port", "http://h:99999999", "http://h:0", f"http://{'a' * 64}.org",
     "http://a..b", "http://h/caf\u00e9", "http://", "ftp://h", "//h", "h:8765", ""],
)  # fmt: skip
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="no address; write http://HOST:8765"):
        Server(address)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[]", b"5", b'{"matches": 5}', b"9" * 6000, b"\xff", b""]
)
def test_an_answer_of_another_program_is_told(body: bytes) -> None:
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.recv(1 << 20)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    clip = np.zeros(100, np.float32), 16_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        with (
            Server(f"http://127.0.0.1:{listener.getsockname()[1]}") as server,
            pytest.raises(LibraryError, match="no fingerprinter answers there"),
        ):
            server.recognize(clip, min_confidence=0.95, all_matches=False)
