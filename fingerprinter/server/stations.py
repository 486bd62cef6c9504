"""The stations that the service listens to."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fingerprinter.audio.streams.sources import named_source, open_source
from fingerprinter.errors import FingerprinterError, UsageError
from fingerprinter.library import Library
from fingerprinter.library.listening.events import StationEvent
from fingerprinter.library.listening.station import State, StationMonitor
from fingerprinter.server.problems import BusyError, MissingError
from fingerprinter.server.settings import ServerSettings

_log = logging.getLogger(__name__)
_MAX_STATIONS = 64  # unknown music needs 2 % of a core each


@dataclass(frozen=True, slots=True)
class Monitor:
    """A station that is listened to. ``now`` is the last event of the recording that is on."""

    id: int
    name: str
    source: str
    state: State
    problem: str | None
    claimed: str | None
    now: StationEvent | None
    heard_s: float
    events: int


class Stations:
    """Adds, lists and removes stations.

    Parameters
    ----------
    library : Library
        The library in which their music is looked up.
    settings : ServerSettings
        Names the stations of the start, and says which addresses clients may add.
    """

    def __init__(self, library: Library, settings: ServerSettings) -> None:
        self._settings = settings
        self._monitors = library.monitors(on_problem=_log.warning)

    def start(self) -> None:
        """Begin to listen to the configured stations."""
        if self._settings.stations and self._settings.workers > 1:
            _log.error("stations need one server process; set workers to 1")
            return
        for station in self._settings.stations:
            try:
                name, source = named_source(station)
                self._monitors.add(open_source(source), name)
            except FingerprinterError as error:
                _log.error("station: %s", error)

    def close(self) -> None:
        """Stop listening."""
        self._monitors.close()

    def all(self) -> list[Monitor]:
        """Return all stations."""
        return [_monitor(*each) for each in self._monitors.stations().items()]

    def add(self, source: str, name: str | None) -> Monitor:
        """Listen to an address.

        Raises
        ------
        UsageError
            If it is no address, or if several server processes run.
        BusyError
            If there are too many stations.
        """
        if self._settings.workers > 1:
            raise UsageError("stations need one server process; start it with --workers 1")
        if len(self._monitors.stations()) >= _MAX_STATIONS:
            raise BusyError(f"{_MAX_STATIONS} stations are listened to; remove one")
        allowed = self._settings.private_streams
        opened = open_source(source, local=False, allow_private=allowed)
        return self.get(self._monitors.add(opened, name))

    def get(self, number: int) -> Monitor:
        """Return a station; raises `MissingError` if there is none of this number."""
        return _monitor(number, self._station(number))

    def remove(self, number: int) -> Monitor:
        """Stop listening to a station, and return it as it was."""
        monitor = self.get(number)
        self._monitors.remove(number)
        return monitor

    def log(self, number: int, limit: int) -> list[StationEvent]:
        """Return the last events of a station, the newest first."""
        return self._station(number).log(limit)

    def _station(self, number: int) -> StationMonitor:
        try:
            return self._monitors.stations()[number]
        except KeyError:
            raise MissingError(f"no station {number}; it may have been removed") from None


def _monitor(number: int, station: StationMonitor) -> Monitor:
    state = station.state()
    return Monitor(number, **{name: getattr(state, name) for name in state.__slots__})
