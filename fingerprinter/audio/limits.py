"""Limits of memory and processor time for a process that decodes.

A file can be made so that FFmpeg needs gigabytes or hours for it. Such a file ends the process that
decodes it, not the program that asked for it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

_POLL_S = 0.05
_MEMORY_STATUS, _TIME_STATUS = 101, 102  # exit status of a process that exceeded a limit


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What the decoding of one file may take.

    Parameters
    ----------
    memory_bytes : int
        How much the memory of the process may grow.
    cpu_s : float
        Processor time that any file may take, in seconds.
    cpu_s_per_audio_s : float
        Further processor time for each second of sound. FFmpeg needs about 0.001.
    """

    memory_bytes: int = 2 << 30
    cpu_s: float = 10.0
    cpu_s_per_audio_s: float = 0.2


class ProcessGuard:
    """Ends its process when a file exceeds the limits; `limit_this_process` makes it.

    Attributes
    ----------
    audio_s : float
        Seconds of sound that the file has given. Each allows more processor time.
    """

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self._working = Event()
        self._memory, self._cpu_s, self.audio_s = 0, 0.0, 0.0
        Thread(target=self._watch, name="decoding limits", daemon=True).start()

    @contextmanager
    def one_file(self) -> Iterator[None]:
        """Count memory, processor time and sound from here on, until the block ends."""
        self._memory, self._cpu_s, self.audio_s = _memory_bytes(), time.process_time(), 0.0
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()

    def _watch(self) -> None:
        limits = self._limits
        while self._working.wait():
            if _memory_bytes() - self._memory > limits.memory_bytes:
                os._exit(_MEMORY_STATUS)
            allowed_s = limits.cpu_s + limits.cpu_s_per_audio_s * self.audio_s
            if time.process_time() - self._cpu_s > allowed_s:
                os._exit(_TIME_STATUS)
            time.sleep(_POLL_S)


_guard: ProcessGuard | None = None


def limit_this_process(limits: DecodingLimits) -> ProcessGuard:
    """Decode in this process from here on, and end it when a file exceeds the limits.

    This is for the worker processes of a program: ``open_audio`` starts no other process in them.
    The exit status of a process that was ended so has a meaning for ``exit_reason``.

    Parameters
    ----------
    limits : DecodingLimits
        What one file may take.

    Returns
    -------
    ProcessGuard
        Its ``one_file`` marks the beginning and the end of the work on a file.
    """
    global _guard
    _guard = ProcessGuard(limits)
    return _guard


def process_guard() -> ProcessGuard | None:
    """Return the guard of this process; ``None`` unless its limits were set."""
    return _guard


def exit_reason(status: int) -> str:
    """Say why a process that decoded a file has ended.

    Parameters
    ----------
    status : int
        Its exit status; a negative one is the number of a signal.
    """
    if status == _MEMORY_STATUS:
        return "decoding it takes too much memory; is the file damaged?"
    if status == _TIME_STATUS:
        return "decoding it takes too long for the sound that it gives; is the file damaged?"
    return f"the decoder crashed on it (status {status})"


def _memory_bytes() -> int:
    """Return the resident memory of this process."""
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (read 20 times a second)
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return int(psutil.Process().memory_info().rss)
