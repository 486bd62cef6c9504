"""The events of a station, and the log of what it says about itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fingerprinter.types import Match

EventType = Literal["began", "still", "ended", "unknown", "gap"]


@dataclass(frozen=True, slots=True)
class StationEvent:
    """Something that happened on a station.

    Attributes
    ----------
    type : str
        "began", "still" and "ended" are about a recording of the library, "unknown" is sound
        that is not in it, and "gap" is time without any sound.
    station : str
        Name of the station.
    started_at, ended_at : datetime
        When it began and ended, in UTC. ``ended_at`` is None for "began" and "still".
    match : Match or None
        The recording. Its times count from ``started_at``.
    claimed : str or None
        What the station itself said that it played.
    heard_before : int
        How often this unknown sound was heard earlier.
    """

    type: EventType
    station: str
    started_at: datetime
    ended_at: datetime | None = None
    match: Match | None = None
    claimed: str | None = None
    heard_before: int = 0


def at(time_s: float) -> datetime:
    """Return a time of the clock (seconds since 1970) as a datetime in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(time_s, 3), UTC)


def in_order(events: Iterable[StationEvent]) -> list[StationEvent]:
    """Return events that became certain together in the order in which they happened.

    A recording that still plays comes last. At equal times, ends come before beginnings.
    """
    return sorted(
        events,
        key=lambda event: (
            event.type == "still",
            event.ended_at or event.started_at,
            event.type == "began",
        ),
    )


class ClaimLog:
    """What a station said that it plays, and from when on.

    Examples
    --------
    >>> log = ClaimLog()
    >>> log.add(0.0, "News")
    >>> log.add(60.0, "Song")
    >>> log.during(50.0, 200.0)
    'Song'
    """

    _MAX_CLAIMS = 256

    def __init__(self) -> None:
        self._claims: deque[tuple[float, str | None]] = deque(maxlen=self._MAX_CLAIMS)

    def add(self, time: float, claimed: str | None) -> None:
        """Note what is claimed from a time on."""
        if not self._claims or self._claims[-1][1] != claimed:
            self._claims.append((time, claimed))

    def during(self, start: float, end: float) -> str | None:
        """Return what was claimed for most of a time; None if nothing was."""
        shares: dict[str, float] = {}
        until = end
        for begin, claimed in reversed(self._claims):
            common = min(until, end) - max(begin, start)
            if claimed is not None and common > 0:
                shares[claimed] = shares.get(claimed, 0.0) + common
            until = begin
        return max(shares, key=lambda each: shares[each], default=None)
