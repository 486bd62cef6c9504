"""Decode encoded bytes as they come in, in another process.

The bytes go to the process through its pipe of requests, and mono samples come back. What crashes
the decoder costs the stream, not the program.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import av

from fingerprinter.audio.child_process import ChildProcess, send
from fingerprinter.audio.damage import Damage
from fingerprinter.audio.decoder import decode_frames
from fingerprinter.audio.limits import DecodingLimits, exit_reason, limit_this_process
from fingerprinter.audio.signal import Mono, resample
from fingerprinter.audio.stream import OPEN_OPTIONS, is_audio_rate
from fingerprinter.errors import AudioError

_MAX_FAILURES = 8  # openings in a row without any sound
_POLL_S = 0.5
_PIPE_BYTES = 1 << 14
_LIMITS = DecodingLimits(memory_bytes=512 << 20, cpu_s=30.0)


def read_pipe(pipe: BinaryIO, *, peeked: bool = False) -> Iterator[bytes]:
    """Yield what comes in, each piece at once.

    Parameters
    ----------
    pipe : binary file
        A pipe. It is read below its buffer: a thread that waits for a buffer would keep the program
        from ending.
    peeked : bool
        Whether its buffer holds something.
    """
    if peeked and isinstance(pipe, io.BufferedReader):
        yield pipe.read1(-1)
    while data := os.read(pipe.fileno(), _PIPE_BYTES):
        yield data


@dataclass(frozen=True, slots=True)
class _Start:
    """The first message to a decoding process."""

    name: str
    sr: int
    format: str | None


class LiveDecoder:
    """Decodes one stream; a context manager.

    Parameters
    ----------
    name : str
        Name of the stream in messages.
    sr : int
        Sampling rate of the result in Hz.
    format : str, optional
        FFmpeg's name of the container, where it is known. Default: it is found out.
    stop : threading.Event, optional
        Ends the stream, also while it waits for sound.
    damage : Damage, optional
        Collects what is damaged. It is complete after the last piece.
    patience_s : float
        How long a stream that goes on may give no sound. Default: for ever.
    """

    def __init__(
        self,
        name: str,
        sr: int,
        format: str | None = None,
        stop: threading.Event | None = None,
        damage: Damage | None = None,
        patience_s: float = math.inf,
    ) -> None:
        self._patience_s, self._waits_since = patience_s, math.inf
        self._name, self._over, self._stop = name, threading.Event(), stop or threading.Event()
        self._failure: Exception | None = None
        self._damage = damage or Damage()
        self._child = ChildProcess(_serve)
        self._child.send(_Start(name, sr, format))

    def __enter__(self) -> LiveDecoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._child.stop()

    def pieces(self, encoded: Iterable[bytes | None]) -> Iterator[Mono]:
        """Yield the samples of a stream as they come in.

        Parameters
        ----------
        encoded : iterable of bytes or None
            The stream in pieces of any size. None stands where the rest needs another decoder.
            It is read by a thread. When nobody takes samples, nothing more is read.

        Yields
        ------
        (n,) float32 array
            Mono samples.

        Raises
        ------
        AudioError
            If there is no audio, none for too long, or the process ends.
        Exception
            What ``encoded`` raises, after the samples before it.
        """
        threading.Thread(target=self._feed, args=(encoded,), name="feed", daemon=True).start()
        threading.Thread(target=self._end_when_stopped, name="stop", daemon=True).start()
        while True:
            try:
                self._waits_since = time.monotonic()
                reply = self._child.receive()
                self._waits_since = math.inf
            except EOFError:
                status = self._child.stop()
                if self._stop.is_set():
                    return
                if self._is_silent():
                    problem = f"no sound for {self._patience_s:g} s; is it audio?"
                    raise AudioError(f"{self._name}: {problem}") from None
                raise AudioError(f"{self._name}: {exit_reason(status)}") from None
            if isinstance(reply, AudioError):
                raise self._failure or reply
            if isinstance(reply, Damage):
                self._damage.error, self._damage.silenced = reply.error, reply.silenced
                if self._failure:
                    raise self._failure
                return
            yield reply

    def _feed(self, encoded: Iterable[bytes | None]) -> None:
        with suppress(ValueError):  # the pipe is closed already
            try:
                for data in encoded:
                    if self._over.is_set() or self._stop.is_set():
                        return
                    self._child.send(data or b"")
            except Exception as error:
                self._failure = error
            self._child.send(None)

    def _end_when_stopped(self) -> None:
        """End the process when the stream is to stop: it may be waiting for sound."""
        while not (self._stop.wait(_POLL_S) or self._is_silent()):
            if self._over.is_set():
                return
        self._child.stop()

    def _is_silent(self) -> bool:
        """Tell whether samples were asked for, and none came for too long."""
        return time.monotonic() - self._waits_since > self._patience_s


class _Parts:
    """The pipe of requests as files, each up to an empty piece; None ends the last one."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._requests = requests
        self._buffer, self._at_end, self._part_over = b"", False, False
        self.name = "<none>"  # FFmpeg looks at suffixes

    def next_part(self) -> bool:
        """Begin the next file; tell whether there is one."""
        self._part_over = False
        if not self._buffer:
            self._fill()
        while self._part_over and not self._at_end:
            self._part_over = False
            self._fill()
        return bool(self._buffer)

    def read(self, size: int) -> bytes:
        """Return some bytes, at most ``size``; none at the end of a file."""
        if not self._buffer:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> None:
        if self._at_end or self._part_over:
            return
        data: bytes | None = pickle.load(self._requests)
        self._at_end, self._part_over = data is None, data == b""
        self._buffer = data or b""


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Decode one stream; the program of the process, which ends with its parent."""
    start: _Start = pickle.load(requests)
    guard, damage = limit_this_process(_LIMITS), Damage()
    parts, silent, has_sound, reason = _Parts(requests), 0, False, "it gave no data"
    with suppress(EOFError, BrokenPipeError):
        with guard.one_file():
            while silent < _MAX_FAILURES and parts.next_part():
                chosen = None if silent else start.format
                silent += 1
                try:
                    for piece in resample(
                        decode_frames(_frames(parts, chosen, damage), damage), start.sr
                    ):
                        if len(piece):
                            send(piece, replies)
                            silent, has_sound = 0, True
                except (av.FFmpegError, ValueError, IndexError) as error:
                    reason = getattr(error, "strerror", None) or str(error)
                    if not silent:
                        damage.note(reason)
        failure = AudioError(f"{start.name}: not audio ({reason}); does it play?")
        send(damage if has_sound else failure, replies)
        while True:  # until the parent closes the pipe
            pickle.load(requests)


def _frames(parts: Any, format: str | None, damage: Damage) -> Iterator[av.AudioFrame]:
    """Yield the frames of the first audio stream of a file that cannot seek."""
    with av.open(parts, format=format, **OPEN_OPTIONS) as container:
        if not container.streams.audio:
            raise ValueError("no audio stream")
        decoder = container.streams.audio[0].codec_context
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = decoder.decode(packet)
            except av.InvalidDataError as error:
                damage.note(
                    str(error.strerror)
                )  # the first packet of a stream that was joined late
                continue
            for frame in frames:
                if not is_audio_rate(frame.sample_rate, decoder.name):
                    return
                yield frame
