"""Loads the compiled kernels once a process has searched long enough to profit from them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fingerprinter.core.numeric import compiled

_LOAD_AFTER_S = 1.5  # of searching; loading takes about half of it, and halves what comes after


class SearchTimer:
    """Adds up the time of searches, and loads the compiled kernels once it exceeds a limit.

    A process that identifies one clip, as the command line mostly does, never waits for them.

    Parameters
    ----------
    load_after_s
        Seconds of searching after which the next search loads the kernels.
    """

    def __init__(self, load_after_s: float = _LOAD_AFTER_S) -> None:
        self._load_after_s, self._searched_s = load_after_s, 0.0

    @contextmanager
    def search(self) -> Iterator[None]:
        """Measure a search, and load the kernels before it if others took long enough."""
        if self._searched_s > self._load_after_s:
            compiled.load()
        started = time.perf_counter()
        yield
        self._searched_s += time.perf_counter() - started


timed_search = SearchTimer().search
