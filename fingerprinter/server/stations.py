"""The stations that the service listens to, in one of its processes."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fingerprinter.audio.streams.sources import named_source, open_source, station_name
from fingerprinter.errors import FingerprinterError
from fingerprinter.library import Library
from fingerprinter.library.listening.events import StationEvent
from fingerprinter.server.problems import BusyError, MissingError
from fingerprinter.server.settings import ServerSettings
from fingerprinter.server.station_board import Monitor, Station, StationBoard

_log = logging.getLogger(__name__)
_MAX_STATIONS = 64  # unknown music needs 2 % of a core each
_LOG_EVENTS = 1000
_LOOK_S = 0.3  # between two looks at the board
_REPORT_S = 1.0  # between two reports of the seconds so far


class Stations:
    """Adds, lists and removes stations.

    Of the processes of a service, the owner of the board listens. Each can be asked.

    Parameters
    ----------
    library : Library
        The library in which their music is looked up.
    settings : ServerSettings
        Settings: the stations of the start, and whether clients may add private addresses.
    """

    def __init__(self, library: Library, settings: ServerSettings) -> None:
        self._settings = settings
        self._own_folder = None
        folder = settings.run_folder
        if not folder:
            self._own_folder = tempfile.TemporaryDirectory(prefix="fingerprinter-stations-")
            folder = self._own_folder.name
        self._board = StationBoard(Path(folder) / "stations")
        self._listening = _Listening(library, settings, self._board)
        self._closing, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="stations", daemon=True)

    def start(self) -> None:
        """Begin to listen to the configured stations, here or in another process."""
        self._board.open(self._configured())
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._own_folder:
            self._own_folder.cleanup()

    def all(self) -> list[Monitor]:
        """Return all stations."""
        reported = self._board.monitors()
        stations = self._board.stations().items()
        return [reported.get(number) or _connecting(number, each) for number, each in stations]

    def add(self, source: str, name: str | None) -> Monitor:
        """Listen to an address.

        Raises
        ------
        UsageError
            If it is no address.
        BusyError
            If there are too many stations.
        """
        allowed = self._settings.private_streams
        opened = open_source(source, local=False, allow_private=allowed)
        number = self._board.add(Station(source, name, opened.shown, False), _MAX_STATIONS)
        if number is None:
            raise BusyError(f"{_MAX_STATIONS} stations are listened to; remove one")
        self._wake.set()
        return self.get(number)

    def get(self, number: int) -> Monitor:
        """Return a station; raises `MissingError` if there is none of this number."""
        for monitor in self.all():
            if monitor.id == number:
                return monitor
        raise MissingError(f"no station {number}; it may have been removed")

    def remove(self, number: int) -> Monitor:
        """Stop listening to a station, and return it as it was."""
        monitor = self.get(number)
        self._board.remove(number)
        self._wake.set()
        return monitor

    def log(self, number: int, limit: int) -> list[StationEvent]:
        """Return the last events of a station, the newest first."""
        self.get(number)
        return self._board.log(number)[:limit]

    def _configured(self) -> Iterator[Station]:
        for station in self._settings.stations:
            try:
                name, source = named_source(station)
                yield Station(source, name, open_source(source).shown, True)
            except FingerprinterError as error:
                _log.error("station: %s", error)

    def _run(self) -> None:
        ownership: sqlite3.Connection | None = None
        while not self._closing.is_set():
            self._wake.clear()
            try:
                ownership = ownership or self._board.own()
                if ownership:
                    self._listening.look_after()
            except sqlite3.Error as error:
                _log.error("stations: %s", error)
            self._wake.wait(_LOOK_S)
        if ownership:
            self._listening.close()
            ownership.close()


class _Listening:
    """Listens to the stations of a board, and reports their states and events there."""

    def __init__(self, library: Library, settings: ServerSettings, board: StationBoard) -> None:
        self._settings, self._board = settings, board
        self._monitors = library.monitors(on_problem=_log.warning)
        self._numbers: dict[int, int] = {}  # of the board: in `_monitors`
        # The last report and its time, and the events that an earlier owner reported
        self._reported: dict[int, tuple[Monitor, float]] = {}
        self._before: dict[int, tuple[Monitor, list[StationEvent]]] = {}

    def look_after(self) -> None:
        """Listen to exactly the stations that the board names, and report what is new."""
        wanted = self._board.stations()
        for number in self._numbers.keys() - wanted.keys():
            self._monitors.remove(self._numbers.pop(number))
            self._reported.pop(number, None)
            self._before.pop(number, None)
        for number in wanted.keys() - self._numbers.keys():
            self._begin(number, wanted[number])
        self._report_all()

    def close(self) -> None:
        """Stop listening, and report how it ended."""
        self._monitors.close()
        self._report_all()

    def _begin(self, number: int, station: Station) -> None:
        allowed = self._settings.private_streams or station.is_local
        try:
            source = open_source(station.source, local=station.is_local, allow_private=allowed)
        except FingerprinterError as error:
            _log.error("station: %s", error)
            self._board.remove(number)
            return
        before = self._board.monitors().get(number) or _connecting(number, station)
        self._before[number] = before, self._board.log(number)
        self._numbers[number] = self._monitors.add(source, station.name)

    def _report_all(self) -> None:
        running = self._monitors.stations()
        for number, here in self._numbers.items():
            station, (before, log_before) = running[here], self._before[number]
            state = station.state()
            values = {name: getattr(state, name) for name in state.__slots__}
            values["heard_s"] += before.heard_s
            values["events"] += before.events
            monitor = Monitor(**values, id=number)
            reported, reported_at = self._reported.get(number, (None, 0.0))
            is_same = reported and replace(reported, heard_s=0.0) == replace(monitor, heard_s=0.0)
            if is_same and (monitor == reported or time.monotonic() - reported_at < _REPORT_S):
                continue
            log = None
            if reported is None or reported.events != monitor.events:
                log = [*station.log(_LOG_EVENTS), *log_before][:_LOG_EVENTS]
            self._board.report(monitor, log)
            self._reported[number] = monitor, time.monotonic()


def _connecting(number: int, station: Station) -> Monitor:
    """Return a station of which nothing was reported yet."""
    name = station.name or station_name(station.shown)
    return Monitor(name, station.shown, "connecting", None, None, None, 0.0, 0, number)
