"""A list of tracks as it grows: each recording once, at most so many of one artist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinter.library.duplicates.same_recording import CopyDetector
from fingerprinter.library.similar.filters import NO_FILTER, TrackFilter
from fingerprinter.types import Neighbour, Track

Floats = npt.NDArray[np.float32]

# Cosine from which on two tracks may be copies: of 16 tracks and themselves as MP3 of 32 kbit/s
# 0.92 was the least, 0.77 where the first five seconds were cut off; 32 of 61,425 pairs reach it.
_NEAR = 0.6


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list of tracks shall be.

    n: how many; only: which tracks may be in it
    per_artist: of one artist at most; None: any number
    copies: list every track that holds a recording, and the one asked for
    why: say in what they are alike
    """

    n: int = 10
    only: TrackFilter = NO_FILTER
    per_artist: int | None = None
    copies: bool = False
    why: bool = False


class Deduplicator:
    """Which tracks hold the same recording: the near ones are compared by their fingerprints."""

    def __init__(
        self, units: Mapping[int, Floats], own: Collection[int], copies: CopyDetector
    ) -> None:
        """units: standardised vectors by id; own: ids of what is asked for."""
        self._units, self._own, self._copies = units, own, copies

    def is_asked_for(self, track_id: int) -> bool:
        """Whether it holds what is asked for."""
        return self.of(track_id, self._own) is not None

    def of(self, track_id: int, others: Iterable[int]) -> int | None:
        """The one of some others that holds the same recording; None where none does."""
        return next((other for other in others if self._are_one(track_id, other)), None)

    def _are_one(self, a: int, b: int) -> bool:
        if a not in self._units or b not in self._units:
            return False
        near = float(self._units[a] @ self._units[b]) >= _NEAR
        return near and self._copies.are_copies(a, b)


class NoDeduplication:
    """Where every track shall be listed."""

    def is_asked_for(self, track_id: int) -> bool:
        """Never."""
        return False

    def of(self, track_id: int, others: Iterable[int]) -> int | None:
        """None of them."""
        return None


class ResultList:
    """The list as it grows."""

    def __init__(self, wish: ListOptions, same: Deduplicator | NoDeduplication) -> None:
        self._wish, self._same = wish, same
        self._listed: dict[int, Neighbour] = {}
        self._artists: Counter[str] = Counter()

    @property
    def neighbours(self) -> list[Neighbour]:
        """In the order in which they were offered."""
        return list(self._listed.values())

    @property
    def is_full(self) -> bool:
        """Whether it is as long as wished."""
        return len(self._listed) >= self._wish.n

    def offer(self, neighbour: Neighbour) -> None:
        """Lists a neighbour, or notes it beside the one whose recording it holds."""
        track = neighbour.track
        if self._same.is_asked_for(track.id):
            return
        original = self._same.of(track.id, self._listed)
        if original is not None:
            listed = self._listed[original]
            self._listed[original] = replace(listed, copies=(*listed.copies, track.id))
        elif self._has_room(track):
            self._listed[track.id] = neighbour

    def _has_room(self, track: Track) -> bool:
        """Counts a track for its artist; those whose artist is not known count for none."""
        if self._wish.per_artist is None or not track.artist:
            return True
        artist = track.artist.strip().casefold()
        self._artists[artist] += 1
        return self._artists[artist] <= self._wish.per_artist
