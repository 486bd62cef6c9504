"""Several stations at once, each in a thread of its own."""

from __future__ import annotations

import threading

from fingerprinter.audio.streams.sources import Source, station_name
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.match.policy import SearchPolicy
from fingerprinter.library.listening.events import StationEvent
from fingerprinter.library.listening.listener import Listener, OnUnknown
from fingerprinter.library.listening.station import OnEvent, OnProblem, StationMonitor
from fingerprinter.library.listening.window_search import Snapshot, WindowSearcher


class Monitors:
    """Runs stations in threads; a context manager that ends them. `Library.monitors` makes it.

    Parameters
    ----------
    snapshot
        Opens a snapshot of the library.
    params, policy
        The fingerprint parameters and the search policy of the library.
    on_event, on_problem
        Receive events and problems of all stations, one at a time.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        params: LandmarkParams,
        policy: SearchPolicy,
        on_event: OnEvent = lambda _: None,
        on_problem: OnProblem = lambda _: None,
    ) -> None:
        self._snapshot, self._params, self._policy = snapshot, params, policy
        self._on_event, self._on_problem = on_event, on_problem
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._running: dict[int, tuple[StationMonitor, threading.Event, threading.Thread]] = {}
        self._next = 1

    def __enter__(self) -> Monitors:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def add(
        self,
        source: Source,
        name: str | None = None,
        *,
        min_confidence: float | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> int:
        """Start to listen to a source.

        Parameters
        ----------
        source
            The source; see `open_source`.
        name
            Name of the station. Default: the name that it gives itself.
        min_confidence, on_unknown
            See `Listener`.

        Returns
        -------
        int
            Number of the station.
        """
        stop = threading.Event()
        search = WindowSearcher(self._snapshot, stop, self._tell_problem)
        listener = Listener(
            search,
            name or station_name(source.shown),
            self._params,
            self._policy,
            min_confidence=min_confidence,
            on_unknown=on_unknown,
        )
        station = StationMonitor(source, listener, name, stop, self._tell, self._tell_problem)
        thread = threading.Thread(target=station.run, name="station", daemon=True)
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._running[number] = station, stop, thread
        thread.start()
        return number

    def stations(self) -> dict[int, StationMonitor]:
        """Return the stations by number."""
        with self._lock:
            return {number: each[0] for number, each in self._running.items()}

    def remove(self, number: int) -> None:
        """Stop a station and forget it; a number that is not known is no error."""
        with self._lock:
            found = self._running.pop(number, None)
        if found:
            found[1].set()

    def wait(self, seconds: float) -> bool:
        """Wait until all stations have ended, or for some time; return whether they have."""
        threads = [thread for _, _, thread in list(self._running.values())]
        for thread in threads:
            thread.join(seconds / len(threads))
        return not any(thread.is_alive() for thread in threads)

    def close(self, grace_s: float = 10.0) -> None:
        """Stop all stations; each reports what plays as ended."""
        for _, stop, _ in list(self._running.values()):
            stop.set()
        self.wait(grace_s)

    def _tell(self, event: StationEvent) -> None:
        with self._telling:
            self._on_event(event)

    def _tell_problem(self, problem: str) -> None:
        with self._telling:
            self._on_problem(problem)
