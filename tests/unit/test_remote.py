"""`identify --server`: what the client says of a service that refuses a clip."""

from __future__ import annotations

import json
import socket
import threading

import numpy as np
import pytest

from fingerprinter.cli.common.remote import Server
from fingerprinter.errors import LibraryError

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
