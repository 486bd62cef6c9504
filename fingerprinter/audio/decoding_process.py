"""Decode files in another process, under limits of memory and processor time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from queue import SimpleQueue
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.child_process import ChildProcess, receive_requests, send
from fingerprinter.audio.damage import Damage
from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.limits import DecodingLimits, exit_reason, limit_this_process
from fingerprinter.audio.signal import Mono, OnChannels
from fingerprinter.errors import AudioError


@dataclass(frozen=True, slots=True)
class _Request:
    """What a decoding process decodes, see `decode`."""

    source: str | bytes
    name: str
    sr: int
    start_s: float
    with_channels: bool


class DecodingProcess(AbstractContextManager["DecodingProcess"]):
    """A process that decodes one file after another under limits; a context manager.

    ``open_audio`` borrows such a process for each file, so that most programs need none of their
    own. The process is started by the first file, and started again after a file that ended it.

    Parameters
    ----------
    limits : DecodingLimits
        What one file may take. A file that takes more raises `AudioError`.

    Examples
    --------
    A server that allows less for what its users send:

    >>> from fingerprinter.audio import DecodingLimits, DecodingProcess, open_audio
    >>> with DecodingProcess(DecodingLimits(memory_bytes=500_000_000)) as process:
    ...     with open_audio("upload.mp3", process=process) as audio:   # doctest: +SKIP
    ...         blocks = list(audio.blocks())
    """

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        self._limits = limits or DecodingLimits()
        self._child: ChildProcess | None = None
        self._decoding = False

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the process; ``None`` if none is running."""
        return self._child.pid if self._child else None

    def start(self) -> ChildProcess:
        """Start the process, unless it runs.

        Raises
        ------
        AudioError
            If the system allows no other process or pipe.
        """
        if not self._child:
            try:
                self._child = ChildProcess(_serve, fork=True)
            except OSError as error:
                raise AudioError(
                    f"no process to decode audio can be started: {error.strerror}; end other"
                    " programs, or raise the limit (ulimit -a shows it)"
                ) from error
            self._child.send(self._limits)
        return self._child

    def close(self) -> None:
        """End the process."""
        child, self._child, self._decoding = self._child, None, False
        if child:
            child.stop()

    @contextmanager
    def decode(
        self,
        source: str | bytes,
        name: str,
        sr: int,
        start_s: float,
        damage: Damage,
        on_channels: OnChannels | None = None,
    ) -> Iterator[tuple[Iterator[Mono], DeclaredDuration]]:
        """Decode a file as ``fingerprinter.audio.decoder.decode`` does, but in the process.

        When the block ends, the process is ready for the next file, wherever this one is.

        Parameters
        ----------
        source : str or bytes
            An absolute path, or encoded audio.
        name, sr, start_s, damage, on_channels
            See ``fingerprinter.audio.decoder.decode``. ``damage`` is complete after the last piece.

        Yields
        ------
        pieces : iterator of (n,) float32 arrays
            Mono samples at ``sr`` Hz.
        declared : DeclaredDuration
            The duration that the file declares.

        Raises
        ------
        AudioError
            If the file holds no audio, exceeds a limit, or ends the process.
        """
        try:
            self.start().send(_Request(source, name, sr, start_s, on_channels is not None))
            self._decoding = True
            declared: DeclaredDuration = self._receive(name)
            yield self._pieces(name, damage, on_channels), declared
            if self._decoding and self._child:
                self._child.send(None)
                for _ in self._pieces("", Damage(), lambda *_: None):
                    pass
        except BaseException:
            if self._decoding:
                self.close()  # an interrupt may have come in the middle of a reply
            raise

    def _pieces(self, name: str, damage: Damage, on_channels: OnChannels | None) -> Iterator[Mono]:
        """Yield the pieces as they arrive, and fill ``damage`` in the end."""
        while self._decoding:
            reply = self._receive(name)
            if isinstance(reply, Damage):
                damage.error, damage.silenced, damage.lost_s = astuple(reply)
                self._decoding = False
            elif isinstance(reply, tuple) and on_channels:
                on_channels(*reply)
            else:
                yield reply

    def _receive(self, name: str) -> Any:
        """Return the next reply; raise it if it is an error."""
        assert self._child
        try:
            reply = self._child.receive()
        except EOFError:
            status = self._child.stop()
            self._child, self._decoding = None, False
            raise AudioError(f"{name}: {exit_reason(status)}") from None
        if isinstance(reply, Exception):
            self._decoding = False
            raise reply
        return reply


# Processes that wait for the next file. They end with this one, because their pipes close.
_idle: list[DecodingProcess] = []


@contextmanager
def borrowed_process() -> Iterator[DecodingProcess]:
    """Lend an idle process, or a new one; no two threads get the same."""
    try:
        process = _idle.pop()
    except IndexError:
        process = DecodingProcess()
    try:
        yield process
    finally:
        if len(_idle) < (os.cpu_count() or 1):
            _idle.append(process)
        else:
            process.close()


def start_process() -> None:
    """Start a process for the next file. It loads the decoder while this process does other work.

    Only a program that is about to decode a file, and has much to load before, gains by it.
    """
    process = DecodingProcess()
    process.start()
    _idle.append(process)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they answer to the parent only


def _serve(pipe: IO[bytes], replies: IO[bytes]) -> None:
    """Decode what is asked for until the parent ends; the program of a decoding process."""
    # Loaded in this process alone, and before the limits of a file count.
    import soxr  # noqa: F401

    from fingerprinter.audio.decoder import decode

    requests = receive_requests(pipe)
    guard = limit_this_process(requests.get())
    on_channels = partial(_send_channels, replies)
    while True:
        request: _Request | None = requests.get()
        if request is None:  # the parent has closed a reader after its last piece was sent
            continue
        try:
            damage = Damage()
            with guard.one_file(), ExitStack() as resources:
                pieces, declared = decode(
                    request.source,
                    request.name,
                    request.sr,
                    request.start_s,
                    damage,
                    resources,
                    on_channels if request.with_channels else None,
                )
                send(declared, replies)
                _send_pieces(pieces, requests, replies)
            send(damage, replies)
        except Exception as error:
            error.__cause__ = error.__context__ = None  # those of PyAV cannot always be pickled
            send(error, replies)


def _send_channels(replies: IO[bytes], channels: npt.NDArray[np.float32], sr: int) -> None:
    send((channels, sr), replies)


def _send_pieces(pieces: Iterator[Mono], requests: SimpleQueue[Any], replies: IO[bytes]) -> None:
    """Send the pieces of one file, until the parent wants no more."""
    for piece in pieces:
        if not requests.empty():
            break
        send(piece, replies)
