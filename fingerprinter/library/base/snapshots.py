"""A value in memory that belongs to one state of the database."""

from __future__ import annotations

from collections import OrderedDict
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


class RecentValues(Generic[T]):
    """Keeps the values that were used last. Threads may share it.

    Parameters
    ----------
    limit : int
        How many values to keep.

    Examples
    --------
    >>> recent = RecentValues[int](limit=1)
    >>> recent.get("a", lambda: 1), recent.get("a", lambda: 2)
    (1, 1)
    >>> recent.get("b", lambda: 3), recent.get("a", lambda: 4)
    (3, 4)
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._lock = limit, Lock()
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """Return the value of a key, and load it if it is not kept."""
        with self._lock:
            if key not in self._values:
                self._values[key] = load()
            self._values.move_to_end(key)
            if len(self._values) > self._limit:
                self._values.popitem(last=False)
            return self._values[key]
