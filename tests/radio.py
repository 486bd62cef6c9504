"""A station on this computer: a web server that speaks ICY and HLS, and can break off."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import numpy as np
import numpy.typing as npt

SR = 16_000
INTERVAL = 4000  # bytes of sound between two titles


def encoded(
    samples: npt.NDArray[Any], codec: str = "mp3", container: str = "mp3", sr: int = SR
) -> bytes:
    """Mono samples as the bytes of a file."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=sr, layout="mono")
        stream.bit_rate = 64_000
        pcm = np.rint(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = sr
        for converted in av.AudioResampler(format=stream.format, layout="mono").resample(frame):
            out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return file.getvalue()


def with_titles(sound: bytes, titles: Sequence[str], interval: int = INTERVAL) -> bytes:
    """Puts titles between the sound: the first ones in their order, then no more."""
    pieces = []
    left = list(titles)
    for start in range(0, len(sound), interval):
        pieces.append(sound[start : start + interval])
        if len(pieces[-1]) == interval:
            text = f"StreamTitle='{left.pop(0)}';".encode() if left else b""
            length = -(-len(text) // 16)
            pieces.append(bytes([length]) + text.ljust(16 * length, b"\0"))
    return b"".join(pieces)


@dataclass
class Answer:
    """What the station answers at a path. One that stalls neither sends more nor ends."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    stalls: bool = False
    endless: bytes = b""  # is sent again and again after the body


@dataclass
class Radio:
    """The running station: answers by path, each list from its front; the last one stays."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)


@contextmanager
def radio() -> Iterator[Radio]:
    """Run a station at a free port."""
    station, over = Radio(""), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            station.requests.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            waiting = station.answers.get(path, [Answer(status=404)])
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            with suppress(OSError):  # the listener has left
                while answer.endless and not over.wait(0.01):
                    self.wfile.write(answer.endless)
            if answer.stalls:
                over.wait()

        def do_POST(self) -> None:
            station.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    station.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield station
    finally:
        over.set()
        server.shutdown()
        server.server_close()
