"""Which recordings may hold the same sound: a few landmarks ask for a whole recording.

Copies in other encodings share half of their landmarks or more, all at one offset,
and chance hardly brings three together; so a hundred landmarks are enough. They are
taken from short windows that are spread over the recording, within which a slight
change of speed does not yet pull them apart, and are the rarest of their neighbours,
since a hash that all music has costs much and says little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.landmarks import hash_bits, make_landmarks, warped_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.types import Landmarks, Peaks

Longs = npt.NDArray[np.int64]

# 1, and from 4.8 % slower to as much faster: PAL speeds films up by 4 %. Half of a step off,
# 17 of 18 copies are still proposed.
SPEEDS = (1.0, *np.exp(0.012 * np.arange(-3.5, 4)).tolist())

_WINDOW_S = 5.0
_WINDOWS, _LANDMARKS = 8, 128  # of a probe
_WARPED_WINDOWS, _WARPED_LANDMARKS = 4, 192  # fewer survive, and each window votes for itself
_WARPED_MAX_BIN = 200  # a higher bin does not survive half a per cent of speed
_KIND_BITS = 7  # that a hash loses: landmarks of one kind differ in dt, and a little in df
_NUMBERS = (1 << 22) - 3  # a prime, so that pairs do not fall on the same
_VOTES = 4  # that propose a track; of 22,573 pairs of tracks by chance none had more than 3
_MORE_VOTES = 3  # that each further offset of a proposed track needs
_OFFSETS = 12  # of one track that are proposed at most
_APART = 4  # frames; nearer offsets are one
_BIAS = 1 << 26  # frames of 24 days: offsets become positive


def probe_landmarks(peaks: Peaks, params: LandmarkParams) -> list[Landmarks]:
    """Landmarks of some windows, but for those that repeat themselves, for each of `SPEEDS`.

    peaks: of a whole recording, sorted by frame
    Each are those that a recording would have of which this one is a copy at that speed,
    sorted by frame.
    """
    plain = make_landmarks(_in_windows(peaks, params, _WINDOWS), params, params.fan_out)
    some = _in_windows(peaks, params, _WARPED_WINDOWS)
    low = some.take(some.bins <= _WARPED_MAX_BIN)
    warps = [Warp(speed, speed) for speed in SPEEDS[1:]]
    return [
        _unrepeated(marks)
        for marks in (plain, *warped_landmarks(low, warps, params, params.fan_out))
    ]


def _in_windows(peaks: Peaks, params: LandmarkParams, count: int) -> Peaks:
    """The peaks of some windows that are spread evenly."""
    if len(peaks) == 0:
        return peaks
    length = _WINDOW_S / params.hop_s
    spacing = max(float(peaks.frames[-1]) / count, length)
    return peaks.take((peaks.frames + (spacing - length) / 2) % spacing >= spacing - length)


def _unrepeated(marks: Landmarks) -> Landmarks:
    """Those whose hash occurs once: sustained tones and drums repeat theirs, here and anywhere."""
    _, first, counts = np.unique(marks.hashes, return_index=True, return_counts=True)
    once = first[counts == 1]
    once = once[np.argsort(marks.frames[once], kind="stable")]
    return Landmarks(marks.hashes[once], marks.frames[once])


class HashFrequencies:
    """How often landmarks of each kind were met.

    Kinds pool hundreds of hashes. Counted one by one, the rarest hashes would be those
    that no copy of the recording shares.
    """

    def __init__(self, params: LandmarkParams) -> None:
        self._met: Longs = np.zeros(1 << (hash_bits(params) - _KIND_BITS), np.int64)

    def meet(self, marks: Landmarks) -> None:
        """Counts landmarks."""
        np.add.at(self._met, marks.hashes >> np.uint32(_KIND_BITS), 1)

    def probe(self, marks: Landmarks, speed: float) -> Landmarks:
        """The rarest of each few neighbours.

        marks, speed: of `characteristic`
        """
        n = len(marks)
        most = min(n, _LANDMARKS if speed == 1.0 else _WARPED_LANDMARKS)
        group = np.arange(n) * most // max(n, 1)
        order = np.lexsort((self._met[marks.hashes >> np.uint32(_KIND_BITS)], group))
        rarest = order[np.searchsorted(group, np.arange(most))]
        return Landmarks(marks.hashes[rarest], marks.frames[rarest])


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """A track that landmarks of a probe agree on.

    probe: its number; votes: of the best offset
    offsets: frames of the track at the probe's frame 0, most votes first
    """

    probe: int
    track_id: int
    votes: int
    offsets: tuple[int, ...]


class DuplicateQuery:
    """Many probes, to be looked up at once.

    hashes: (n,) uint32, sorted and distinct
    """

    def __init__(self, probes: Sequence[Landmarks]) -> None:
        hashes = np.concatenate([marks.hashes for marks in probes])
        frames = np.concatenate([marks.frames for marks in probes])
        numbers = np.repeat(np.arange(len(probes)), [len(marks) for marks in probes])
        order = np.argsort(hashes, kind="stable")
        self.hashes, self._first, self._counts = np.unique(
            hashes[order], return_index=True, return_counts=True
        )
        self._probes: Longs = numbers[order]
        self._frames: Longs = frames[order].astype(np.int64)

    def proposals(
        self, query: Longs, track_ids: Longs, frames: Longs
    ) -> Iterator[DuplicateCandidate]:
        """The tracks on which enough landmarks of a probe agree.

        query: (m,) index into ``hashes`` of each posting; track_ids, frames: (m,) where it lies
        """
        posting, landmark = self._meetings(query)
        known = np.unique(track_ids)
        track = np.searchsorted(known, track_ids)
        pairs = self._probes[landmark] * len(known) + track[posting]
        votes = _count(pairs, frames[posting] - self._frames[landmark])
        for start, end in votes.agreed():
            number, which = divmod(int(votes.pairs[start]), len(known))
            offsets = _best_apart(votes.offsets[start:end], votes.votes[start:end])
            best = int(votes.votes[start:end].max())
            yield DuplicateCandidate(number, int(known[which]), best, offsets)

    def _meetings(self, query: Longs) -> tuple[Longs, Longs]:
        """(posting, landmark) of equal hash."""
        repeats = self._counts[query]
        ends = np.cumsum(repeats)
        posting = np.repeat(np.arange(len(query)), repeats)
        starts = np.repeat(self._first[query] - (ends - repeats), repeats)
        return posting, np.arange(len(posting)) + starts


@dataclass(frozen=True, slots=True)
class _Votes:
    """Offsets of pairs of probe and track, sorted by (pair, offset)."""

    pairs: Longs
    offsets: Longs
    votes: Longs

    def agreed(self) -> Iterator[tuple[int, int]]:
        """(start, end) of the pairs that have an offset with enough votes."""
        starts = np.flatnonzero(np.diff(self.pairs, prepend=-1))
        if len(starts) == 0:
            return
        best = np.maximum.reduceat(self.votes, starts)
        ends = np.append(starts[1:], len(self.pairs))
        enough = best >= _VOTES
        yield from zip(starts[enough].tolist(), ends[enough].tolist(), strict=True)


def _count(pairs: Longs, offsets: Longs) -> _Votes:
    """Votes of each pair's offsets; one between two frames gets those of both."""
    keys = _in_company(pairs * (2 * _BIAS) + offsets + _BIAS)
    keys, votes = np.unique(keys, return_counts=True)
    votes[:-1] += votes[1:] * (np.diff(keys) == 1)
    pairs, biased = np.divmod(keys, 2 * _BIAS)
    return _Votes(pairs, biased - _BIAS, votes)


def _in_company(keys: Longs) -> Longs:
    """Those with others at the same or the next offset: most stand alone, and need no sorting.

    Keys of nearby offsets are counted together, as are a few others by chance.
    """
    numbers = (keys >> 3) % _NUMBERS
    near = np.bincount(numbers, minlength=_NUMBERS)
    near += np.roll(near, 1) + np.roll(near, -1)
    return keys[near[numbers] >= _MORE_VOTES]


def _best_apart(offsets: Longs, votes: Longs) -> tuple[int, ...]:
    """Offsets of one pair by their votes, well apart."""
    kept: list[int] = []
    for place in np.argsort(-votes, kind="stable"):
        if votes[place] < _MORE_VOTES or len(kept) == _OFFSETS:
            break
        if all(abs(offsets[place] - other) > _APART for other in kept):
            kept.append(int(offsets[place]))
    return tuple(kept)
