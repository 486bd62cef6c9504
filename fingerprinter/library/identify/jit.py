"""When a process has searched for so long that machine code is worth the time to load it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fingerprinter.core.numeric import compiled

_WORTH_S = 1.5  # of searching; loading takes about half of it, and halves what comes after

_searched_s = 0.0


@contextmanager
def timed_search() -> Iterator[None]:
    """Around each search: the one after some seconds of them runs as machine code.

    A process that is asked for one clip, as the command line mostly is, never waits for it.
    """
    global _searched_s
    if _searched_s > _WORTH_S:
        compiled.load()
    started = time.perf_counter()
    yield
    _searched_s += time.perf_counter() - started
