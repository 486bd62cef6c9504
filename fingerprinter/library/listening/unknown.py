"""Recognises unknown sound that was heard before, such as a jingle.

Sound that is not in the library is compared with the unknown sound of the last hours, as duplicates
are: landmarks propose where two passages hold the same sound, and `overlap` finds the passages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.arrays import Hashes, Longs
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import PARTS
from fingerprinter.core.match.overlap import Reference, SharedPassage, overlap
from fingerprinter.core.match.tracking import peaks_between
from fingerprinter.types import Peaks

_OFFSET_BITS = 24  # of a vote: 149 hours in frames
_BIAS = 1 << (_OFFSET_BITS - 1)  # offsets become positive


@dataclass(frozen=True, slots=True)
class UnknownPolicy:
    """When unknown sound is the same as earlier unknown sound."""

    min_s: float = 3.0  # shorter passages are no event
    max_s: float = 600.0  # a longer passage becomes several events
    min_peaks_per_s: float = 2.0  # fewer are silence
    kept_s: float = 4 * 3600.0  # unknown sound in memory
    min_votes: int = 6  # landmarks that agree on a place
    max_places: int = 8  # places that are compared
    max_postings: int = 64  # hashes that are more common are left out
    whole_share: float = 0.7  # of an earlier passage; with more, it is that passage


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """A part of an unknown passage.

    Parameters
    ----------
    start, end
        Its ends, in frames from the start of the passage.
    heard_before
        How often it was heard earlier.
    """

    start: float
    end: float
    heard_before: int = 0


@dataclass(slots=True)
class _Known:
    """An unknown passage that is kept, its length in frames, and how often it was heard."""

    peaks: Peaks
    length: float
    heard: int = 1


class UnknownSounds:
    """The unknown sound of the last hours, in bounded memory.

    Parameters
    ----------
    params
        The fingerprint parameters of the library.
    policy
        When two passages are the same.
    """

    def __init__(self, params: LandmarkParams, policy: UnknownPolicy | None = None) -> None:
        self._params, self._policy = params, policy or UnknownPolicy()
        self._known: dict[int, _Known] = {}  # by number, the one heard last at the end
        self._next = 0
        self._hashes = np.empty(0, np.uint32)
        self._numbers = np.empty(0, np.int64)
        self._frames = np.empty(0, np.int64)

    @property
    def kept_s(self) -> float:
        """Seconds of unknown sound in memory."""
        return sum(each.length for each in self._known.values()) * self._params.hop_s

    def meet(self, peaks: Peaks, length: float) -> list[UnknownPart]:
        """Add an unknown passage; return its parts, divided where one was heard before.

        Parameters
        ----------
        peaks
            Its peaks of grade 0, in frames from its start, sorted by frame.
        length
            Its length in frames.
        """
        peaks = _counted_from(0.0, peaks)
        min_frames = self._policy.min_s / self._params.hop_s
        parts: list[UnknownPart] = []
        for number, passage in self._shared(peaks):
            start = max(0.0, (passage.start - passage.line.offset) / passage.line.speed)
            end = min(length, (passage.end - passage.line.offset) / passage.line.speed)
            free = all(end <= part.start or start >= part.end for part in parts)
            if end - start >= min_frames and free and number in self._known:
                parts.append(UnknownPart(start, end, self._count(number, passage, peaks)))
        parts.sort(key=lambda part: part.start)
        borders = [0.0, *(border for part in parts for border in (part.start, part.end)), length]
        for start, end in zip(borders[::2], borders[1::2], strict=True):
            if end - start >= min_frames:
                parts.append(UnknownPart(start, end))
                self._keep(_between(peaks, start, end), end - start)
        self._forget()
        return sorted(parts, key=lambda part: part.start)

    def _count(self, number: int, passage: SharedPassage, peaks: Peaks) -> int:
        """Count a passage that was heard before; return how often it was.

        If it is only a part of an earlier passage, this part is kept separately from now on.
        """
        known, length = self._known[number], passage.end - passage.start
        if length >= self._policy.whole_share * known.length:
            self._known[number] = self._known.pop(number)  # to the end
            known.heard += 1
            return known.heard - 1
        kept = _between(known.peaks, passage.start, passage.end)
        self._keep(kept, length, heard=2)
        return 1

    def _keep(self, peaks: Peaks, length: float, heard: int = 1) -> None:
        landmarks = make_landmarks(peaks, self._params, self._params.fan_out)
        self._known[self._next] = _Known(peaks, length, heard)
        hashes = np.concatenate([self._hashes, landmarks.hashes])
        order = np.argsort(hashes, kind="stable")
        numbers = np.full(len(landmarks), self._next, np.int64)
        self._hashes = hashes[order]
        self._numbers = np.concatenate([self._numbers, numbers])[order]
        self._frames = np.concatenate([self._frames, landmarks.frames.astype(np.int64)])[order]
        self._next += 1

    def _forget(self) -> None:
        """Forget the passages that were not heard for longest, until the rest is short enough."""
        gone = []
        while self.kept_s > self._policy.kept_s:
            gone.append(next(iter(self._known)))
            del self._known[gone[-1]]
        if gone:
            stay = ~np.isin(self._numbers, gone)
            self._hashes, self._numbers = self._hashes[stay], self._numbers[stay]
            self._frames = self._frames[stay]

    def _shared(self, peaks: Peaks) -> list[tuple[int, SharedPassage]]:
        """Return (number, shared passage) for earlier passages, the most complete one first."""
        found = []
        for number, offsets in self._places(peaks).items():
            known = self._known[number]
            shared = overlap(peaks, Reference(known.peaks), 1.0, offsets)
            found += [(number, passage) for passage in shared.passages]
        return sorted(
            found, key=lambda each: -(each[1].end - each[1].start) / self._known[each[0]].length
        )

    def _places(self, peaks: Peaks) -> dict[int, list[float]]:
        """Return for kept passages, by number, the offsets on which landmarks agree."""
        landmarks = make_landmarks(peaks, self._params, self._params.fan_out)
        query, posting = _equal(landmarks.hashes, self._hashes, self._policy.max_postings)
        offsets = self._frames[posting] - landmarks.frames[query]
        keys = (self._numbers[posting] << _OFFSET_BITS) + offsets + _BIAS
        votes, counts = np.unique(keys, return_counts=True)
        best = np.argsort(-counts, kind="stable")[: self._policy.max_places]
        places: dict[int, list[float]] = {}
        for vote, count in zip(votes[best].tolist(), counts[best].tolist(), strict=True):
            if count >= self._policy.min_votes:
                offset = (vote & ((1 << _OFFSET_BITS) - 1)) - _BIAS
                places.setdefault(vote >> _OFFSET_BITS, []).append(float(offset))
        return places


def _equal(wanted: Hashes, stored: Hashes, most: int) -> tuple[Longs, Longs]:
    """Return the (index of the wanted, index of the stored) hash of each equal pair.

    stored: sorted; most: hashes with more entries are left out
    """
    first = np.searchsorted(stored, wanted, side="left")
    counts = np.searchsorted(stored, wanted, side="right") - first
    counts[counts > most] = 0
    ends = np.cumsum(counts)
    within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.repeat(np.arange(len(wanted)), counts), np.repeat(first, counts) + within


def _between(peaks: Peaks, start: float, end: float) -> Peaks:
    """Return the peaks of a part, in frames from its start."""
    return _counted_from(start, peaks_between(peaks, start, end))


def _counted_from(start: float, peaks: Peaks) -> Peaks:
    """Return peaks in frames from a start, at quarters of a frame, as landmarks need them."""
    frames = np.rint((peaks.frames - start) * PARTS) / PARTS
    return replace(peaks, frames=frames.astype(np.float32))
