"""A value in memory that belongs to one state of the database."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class SnapshotCache(Generic[T]):
    """Keeps one value that was read from the database until the database changes.

    Threads may share a cache. After a change one thread reads the new value, and the others wait
    for it and share it.

    Examples
    --------
    >>> cache = SnapshotCache[str]()
    >>> cache.get(1, lambda: "read at revision 1")
    'read at revision 1'
    >>> cache.get(1, lambda: "not read again")
    'read at revision 1'
    >>> cache.get(2, lambda: "read at revision 2")
    'read at revision 2'
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._entry: tuple[Hashable, T] | None = None

    def get(self, state: Hashable, load: Callable[[], T]) -> T:
        """Return the value of a state, and load it if another state's value is kept.

        Parameters
        ----------
        state : Hashable
            Names the state of the database, for example its revision.
        load : callable
            Reads the value of this state. If it raises an exception, the value that is kept stays.

        Returns
        -------
        T
            The value of ``state``.
        """
        with self._lock:
            if self._entry is None or self._entry[0] != state:
                self._entry = state, load()
            return self._entry[1]
