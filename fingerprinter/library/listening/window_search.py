"""Searches windows of endless sound: each window in a snapshot of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection

from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.match.candidates import ScoredMatch
from fingerprinter.errors import LibraryError
from fingerprinter.library.base.stored_peaks import load_peaks_if_intact
from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.identify.recognizer import Recognizer
from fingerprinter.store.tables import tracks
from fingerprinter.types import Peaks, Track

T = TypeVar("T")

Snapshot = Callable[[], AbstractContextManager[tuple[Connection, Recognizer]]]
"""Opens a snapshot of the library."""

RETRY_S = 5.0
"""How long to wait for a database that cannot be used, in seconds."""


class WindowSearcher:
    """Searches a library that may change, or be unreachable for a time.

    No snapshot outlives a query, so a listener delays neither merges nor the removal of old
    segments.

    Parameters
    ----------
    snapshot
        Opens a snapshot.
    stop
        Is set to stop waiting for a database that cannot be used.
    on_problem
        Receives a line when the database cannot be used.
    """

    def __init__(
        self, snapshot: Snapshot, stop: threading.Event, on_problem: Callable[[str], None]
    ) -> None:
        self._snapshot, self._stop, self._on_problem = snapshot, stop, on_problem

    def identify(
        self, peaks: Peaks, min_confidence: float, spectrum: ClipSpectrum | None = None
    ) -> Sequence[ScoredMatch]:
        """Return the recordings in some seconds, the most certain first."""
        return self._ask(
            lambda _, recognizer: recognizer.identifier().identify(peaks, min_confidence, spectrum),
            [],
        )

    def track_peaks(self, track_id: int) -> Peaks:
        """Return the peaks of a track; none if it was removed meanwhile."""
        nothing = np.empty(0, np.float32)
        return self._ask(
            lambda connection, _: load_peaks_if_intact(connection, track_id),
            Peaks(nothing, nothing, nothing),
        )

    def track(self, track_id: int) -> Track | None:
        """Return a track; None if it was removed meanwhile."""
        return self._ask(
            lambda connection, _: tracks.get_many(connection, [track_id]).get(track_id), None
        )

    def are_copies(self, a: int, b: int) -> bool:
        """Return whether two tracks hold the same recording."""
        return self._ask(
            lambda connection, recognizer: CopyDetector(
                connection, recognizer.params, recognizer.policy
            ).are_copies(a, b),
            False,
        )

    def _ask(self, question: Callable[[Connection, Recognizer], T], otherwise: T) -> T:
        """Return the result of a query, as soon as the database can give it."""
        while not self._stop.is_set():
            try:
                with self._snapshot() as (connection, recognizer):
                    return question(connection, recognizer)
            except LibraryError as error:
                self._on_problem(str(error))
                self._stop.wait(RETRY_S)
        return otherwise
