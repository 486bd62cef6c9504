"""Loads the compiled kernels once a process has searched long enough to profit from them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fingerprinter.core.numeric import compiled

_LOAD_AFTER_S = 1.5  # of searching; loading takes about half of it, and halves what comes after

_searched_s = 0.0


@contextmanager
def timed_search() -> Iterator[None]:
    """Measure a search, and load the compiled kernels before it if others took long enough.

    A process that identifies one clip, as the command line mostly does, never waits for them.
    """
    global _searched_s
    if _searched_s > _LOAD_AFTER_S:
        compiled.load()
    started = time.perf_counter()
    yield
    _searched_s += time.perf_counter() - started
