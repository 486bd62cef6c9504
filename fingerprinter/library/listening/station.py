"""One station: reads its source, connects again when it breaks, and keeps its log."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from fingerprinter.audio.streams.sources import Source
from fingerprinter.errors import AudioError, FingerprinterError
from fingerprinter.library.listening.events import StationEvent, at
from fingerprinter.library.listening.listener import Listener, TimedBlock

State = Literal["connecting", "listening", "waiting", "ended", "failed"]
OnEvent = Callable[[StationEvent], None]
OnProblem = Callable[[str], None]

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""How long to wait before a station is connected again: at first, and at most."""

_STEADY_S = 60.0  # of sound, after which a connection counts as good
_MIN_GAP_S = 1.0
_LOG_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class StationState:
    """A station as it is now.

    Attributes
    ----------
    name, source : str
        Its name, and its source without credentials.
    problem : str or None
        Why no sound comes in, or what could not be done.
    claimed : str or None
        What the station says that it plays.
    now : StationEvent or None
        The last event of the recording that plays.
    heard_s : float
        Seconds of sound so far.
    events : int
        Number of events so far.
    """

    name: str
    source: str
    state: State
    problem: str | None
    claimed: str | None
    now: StationEvent | None
    heard_s: float
    events: int


class StationMonitor:
    """Listens to a source in the calling thread, until it ends or is stopped.

    Parameters
    ----------
    source
        The source of sound.
    listener
        Turns sound into events.
    name
        Name of the station. Default: the name that it gives itself.
    stop
        Is set to end the monitor.
    on_event, on_problem
        Receive each event, and a line about each problem.
    clock
        Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        source: Source,
        listener: Listener,
        name: str | None,
        stop: threading.Event,
        on_event: OnEvent = lambda _: None,
        on_problem: OnProblem = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._listener, self._has_name = source, listener, name is not None
        self._stop, self._on_event, self._on_problem = stop, on_event, on_problem
        self._clock = clock
        self._state: State = "connecting"
        self._problem: str | None = None
        self._failure: FingerprinterError | None = None
        self._claimed: str | None = None
        self._playing: list[StationEvent] = []
        self._count = 0
        self._log = deque[StationEvent](maxlen=_LOG_EVENTS)
        self._lock = threading.Lock()
        self._last_sound: float | None = None  # the clock at the end of the last block

    def state(self) -> StationState:
        """Return how the station is now."""
        with self._lock:
            return StationState(
                name=self._listener.station,
                source=self._source.shown,
                state=self._state,
                problem=self._problem,
                claimed=self._claimed,
                now=self._playing[-1] if self._playing else None,
                heard_s=round(self._listener.heard_s, 1),
                events=self._count,
            )

    def log(self, limit: int) -> list[StationEvent]:
        """Return the last events, the newest first."""
        with self._lock:
            return list(islice(reversed(self._log), limit))

    def tell_problem(self, problem: str) -> None:
        """Note a problem."""
        with self._lock:
            self._problem = problem
        self._on_problem(problem)

    def run(self) -> None:
        """Listen until the source ends or `stop` is set.

        What is a fault of the program is raised, and the station counts as failed.
        """
        try:
            self._run()
        except Exception as error:
            self._state = "failed"
            self.tell_problem(f"{self._source.shown}: a fault of the program ({error!r})")
            raise

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            self._state, self._failure = "connecting", None
            heard_s = self._listener.heard_s
            for event in self._listener.listen(self._blocks()):
                self._tell(event)
            if self._stop.is_set() or (self._failure is None and not self._source.reconnects):
                break
            self.tell_problem(str(self._failure or f"{self._source.shown}: the stream ended"))
            if not (self._source.reconnects and isinstance(self._failure, AudioError | None)):
                self._state = "failed"
                return
            if self._listener.heard_s - heard_s >= _STEADY_S:
                wait_s = FIRST_WAIT_S
            self._state = "waiting"
            self._stop.wait(wait_s * random.uniform(0.8, 1.2))  # not all at once
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        self._state = "ended"

    def _blocks(self) -> Iterator[TimedBlock]:
        """Yield the sound of one connection with its times, and keep why it ended."""
        sr, position_s, began_at = self._listener.params.sr, 0.0, self._clock()
        source = self._source.blocks(sr, self._stop)
        while not self._stop.is_set():
            try:
                block = next(source, None)
            except FingerprinterError as error:
                self._failure = error
                return
            if block is None:
                return
            duration_s = len(block.samples) / sr
            position_s += duration_s
            arrived_at = self._clock() if self._source.is_live else began_at + position_s
            if self._state != "listening":
                self._connected(arrived_at - duration_s)
            self._claimed, self._last_sound = block.claimed, arrived_at
            yield TimedBlock(block.samples, arrived_at, block.claimed)

    def _connected(self, began_at: float) -> None:
        """Note that sound comes in, and report the gap before it."""
        if not self._has_name and self._source.station:
            self._listener.station = self._source.station
        self._state, self._problem = "listening", None
        last = self._last_sound
        if last is not None and began_at - last >= _MIN_GAP_S:
            station = self._listener.station
            self._tell(StationEvent("gap", station, at(last), at(began_at)))

    def _tell(self, event: StationEvent) -> None:
        with self._lock:
            self._count += 1
            self._log.append(event)
            if event.match is not None:
                known = event.match.track.id
                self._playing = [
                    each for each in self._playing if each.match and each.match.track.id != known
                ]
                if event.type != "ended":
                    self._playing.append(event)
        self._on_event(event)
