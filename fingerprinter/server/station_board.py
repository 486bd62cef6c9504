"""What all processes of a service know of its stations: a small file of their own.

The process that owns the board listens to the stations and writes what it hears. The others add
and remove stations, and read. When the owner ends, in whatever way, another process becomes it.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fingerprinter.library.listening.events import StationEvent
from fingerprinter.library.listening.station import StationState

_WAIT_S = 10.0  # for another process that writes
_TABLE = """
CREATE TABLE station (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL, name TEXT, shown TEXT NOT NULL, is_local INTEGER NOT NULL,
    monitor BLOB, log BLOB
)
"""


@dataclass(frozen=True, slots=True)
class Station:
    """What is to be listened to.

    Attributes
    ----------
    source
        The address, or another source.
    name
        Its name; None: the one that it gives itself.
    shown
        The source without credentials.
    is_local
        Whether it may be a file or a microphone.
    """

    source: str
    name: str | None
    shown: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class Monitor(StationState):
    """A station of the board as it is now.

    Attributes
    ----------
    id : int
        Its number.
    """

    id: int


class StationBoard:
    """The stations of a service, in a folder that its processes share and nobody else reads.

    Parameters
    ----------
    folder
        The folder, which is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._lock_file = folder / "stations", folder / "owner"

    def open(self, first: Iterable[Station]) -> None:
        """Make the board with some stations, unless another process has made it."""
        with self._change() as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.execute(_TABLE)
                connection.execute("PRAGMA user_version = 1")
                for station in first:
                    _insert(connection, station)

    def own(self) -> sqlite3.Connection | None:
        """Become the owner; None if another process is. To close the connection ends it."""
        connection = sqlite3.connect(
            self._lock_file, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return None
        return connection

    def add(self, station: Station, limit: int) -> int | None:
        """Add a station and return its number; None if there are too many."""
        with self._change() as connection:
            (count,) = connection.execute("SELECT count(*) FROM station").fetchone()
            return None if count >= limit else _insert(connection, station)

    def remove(self, number: int) -> None:
        """Remove a station; a number that is not known is no error."""
        with self._change() as connection:
            connection.execute("DELETE FROM station WHERE id = ?", (number,))

    def stations(self) -> dict[int, Station]:
        """Return the stations by number."""
        with self._read() as connection:
            rows = connection.execute("SELECT id, source, name, shown, is_local FROM station")
            return {
                number: Station(source, name, shown, bool(is_local))
                for number, source, name, shown, is_local in rows
            }

    def monitors(self) -> dict[int, Monitor]:
        """Return the states that the owner reported, by number of the station."""
        with self._read() as connection:
            rows = connection.execute("SELECT id, monitor FROM station WHERE monitor IS NOT NULL")
            return {number: pickle.loads(data) for number, data in rows}

    def log(self, number: int) -> list[StationEvent]:
        """Return the events that the owner reported of a station, the newest first."""
        with self._read() as connection:
            row = connection.execute("SELECT log FROM station WHERE id = ?", (number,)).fetchone()
            return pickle.loads(row[0]) if row and row[0] else []

    def report(self, monitor: Monitor, log: Sequence[StationEvent] | None) -> None:
        """Write how a station is, and its events if there are new ones."""
        with self._change() as connection:
            connection.execute(
                "UPDATE station SET monitor = ?, log = coalesce(?, log) WHERE id = ?",
                (pickle.dumps(monitor), None if log is None else pickle.dumps(log), monitor.id),
            )

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._file, timeout=_WAIT_S, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._read() as connection:
            connection.execute("PRAGMA synchronous = OFF")  # nobody needs it after the service
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, station: Station) -> int:
    row = connection.execute(
        "INSERT INTO station (source, name, shown, is_local) VALUES (?, ?, ?, ?) RETURNING id",
        (station.source, station.name, station.shown, station.is_local),
    ).fetchone()
    number: int = row[0]
    return number
