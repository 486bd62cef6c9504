"""Limits of how much heavy work is done at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from fingerprinter.server.problems import BusyError


class Gate:
    """Lets a few threads work, lets some more wait, and refuses all others.

    Parameters
    ----------
    slots : int
        How many work at the same time.
    waiting : int
        How many more may wait.
    """

    def __init__(self, slots: int, waiting: int) -> None:
        self._slots = BoundedSemaphore(slots)
        self._places = BoundedSemaphore(slots + waiting)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, at once or not at all.

        Raises
        ------
        BusyError
            If all places are taken.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many requests of this kind at once; try again in some seconds")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until this work may begin. The caller holds a place."""
        with self._slots:
            yield

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Take a place and wait until the work may begin."""
        with self.place(), self.slot():
            yield
