"""Which recordings may hold the same sound: few landmarks represent a whole recording.

Copies in other encodings share half of their landmarks or more, all at one offset, and chance
hardly brings three together. A hundred landmarks, the *probe* of a recording, are therefore enough.
They come from short windows that are spread over the recording. Within a window a slight change of
speed does not yet pull the offsets apart. A probe takes the rarest hashes of each few neighbours,
because a hash that all music has costs much to look up and says little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.core.arrays import Longs
from fingerprinter.core.fingerprint.landmarks import hash_bits, make_landmarks, warped_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.match.policy import DEFAULT_POLICY, DuplicateQueryPolicy
from fingerprinter.types import Landmarks, Peaks

# 1, and from 4.8 % slower to as much faster: PAL speeds films up by 4 %. With a speed that is half
# a step off, 17 of 18 copies are still proposed.
SPEEDS = (1.0, *np.exp(0.012 * np.arange(-3.5, 4)).tolist())

_KIND_BITS = 7  # that a hash loses: landmarks of one kind differ in dt, and a little in df
_PRIME = (1 << 22) - 3  # buckets of keys; a prime, so that pairs do not fall into the same
_OFFSET_BIAS = 1 << 26  # frames of 24 days: offsets become positive


def probe_landmarks(
    peaks: Peaks,
    params: LandmarkParams,
    policy: DuplicateQueryPolicy = DEFAULT_POLICY.duplicates,
) -> list[Landmarks]:
    """Return the landmarks that a probe is chosen from, for each of `SPEEDS`.

    Parameters
    ----------
    peaks
        All peaks of a recording, sorted by frame.

    Returns
    -------
    list of Landmarks
        For each speed the landmarks of the original, if this recording is its copy at that
        speed, sorted by frame. Hashes that occur more than once are left out: sustained tones and
        drums repeat theirs, in this recording and in any other. A loop repeats nearly all of them;
        where too few are left, and there are many different ones, each hash counts once.
    """
    windows = _in_windows(peaks, params, policy.windows, policy.window_s)
    plain = make_landmarks(windows, params, params.fan_out)
    some = _in_windows(peaks, params, policy.warped_windows, policy.window_s)
    low = some.take(some.bins <= policy.warped_max_bin)
    warps = [Warp(speed, speed) for speed in SPEEDS[1:]]
    landmarks = []
    for marks in (plain, *warped_landmarks(low, warps, params, params.fan_out)):
        _, first, counts = np.unique(marks.hashes, return_index=True, return_counts=True)
        most = policy.landmarks if marks is plain else policy.warped_landmarks
        once = first[counts == 1]
        if len(once) < most <= len(first):  # a tone has but a few hashes, which prove nothing
            once = first
        once = once[np.argsort(marks.frames[once], kind="stable")]
        landmarks.append(Landmarks(marks.hashes[once], marks.frames[once]))
    return landmarks


def _in_windows(peaks: Peaks, params: LandmarkParams, count: int, window_s: float) -> Peaks:
    """Return the peaks of some windows that are spread evenly."""
    if len(peaks) == 0:
        return peaks
    length = window_s / params.hop_s
    spacing = max(float(peaks.frames[-1]) / count, length)
    return peaks.take((peaks.frames + (spacing - length) / 2) % spacing >= spacing - length)


class HashFrequencies:
    """Counts how often landmarks of each kind occur.

    A kind pools hundreds of hashes. Counted one by one, the rarest hashes would be those that no
    copy of the recording shares.
    """

    def __init__(
        self,
        params: LandmarkParams,
        policy: DuplicateQueryPolicy = DEFAULT_POLICY.duplicates,
    ) -> None:
        self._policy = policy
        self._counts: Longs = np.zeros(1 << (hash_bits(params) - _KIND_BITS), np.int64)

    def meet(self, marks: Landmarks) -> None:
        """Count landmarks."""
        np.add.at(self._counts, marks.hashes >> np.uint32(_KIND_BITS), 1)

    def probe(self, marks: Landmarks, speed: float) -> Landmarks:
        """Return the rarest of each few neighbours.

        Parameters
        ----------
        marks, speed
            Landmarks of `probe_landmarks`, and the speed that they are for.
        """
        policy, n = self._policy, len(marks)
        count = min(n, policy.landmarks if speed == 1.0 else policy.warped_landmarks)
        group = np.arange(n) * count // max(n, 1)
        order = np.lexsort((self._counts[marks.hashes >> np.uint32(_KIND_BITS)], group))
        rarest = order[np.searchsorted(group, np.arange(count))]
        return Landmarks(marks.hashes[rarest], marks.frames[rarest])


@dataclass(frozen=True, slots=True)
class DuplicateCandidate:
    """A track that several landmarks of a probe agree on.

    Parameters
    ----------
    probe
        Number of the probe in its query.
    track_id
        Id of the track.
    votes
        Votes of the best offset.
    offsets
        Frames of the track at the probe's frame 0, the most votes first.
    """

    probe: int
    track_id: int
    votes: int
    offsets: tuple[int, ...]


class DuplicateQuery:
    """Many probes as one look-up.

    Attributes
    ----------
    hashes
        (n,) uint32, sorted and distinct.
    """

    def __init__(
        self,
        probes: Sequence[Landmarks],
        policy: DuplicateQueryPolicy = DEFAULT_POLICY.duplicates,
    ) -> None:
        self._policy = policy
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
        self, hash_index: Longs, track_ids: Longs, frames: Longs
    ) -> Iterator[DuplicateCandidate]:
        """Yield the tracks on which enough landmarks of a probe agree.

        Parameters
        ----------
        hash_index
            (m,) int64, index into ``hashes`` of each posting.
        track_ids, frames
            (m,) int64, where each posting lies.
        """
        repeats = self._counts[hash_index]
        ends = np.cumsum(repeats)
        posting = np.repeat(np.arange(len(hash_index)), repeats)
        starts = np.repeat(self._first[hash_index] - (ends - repeats), repeats)
        landmark = np.arange(len(posting)) + starts
        known = np.unique(track_ids)
        track = np.searchsorted(known, track_ids)
        pairs = self._probes[landmark] * len(known) + track[posting]
        offsets = frames[posting] - self._frames[landmark]
        for pair, pair_offsets, votes in self._agreeing_pairs(pairs, offsets):
            number, which = divmod(pair, len(known))
            best = self._best_offsets(pair_offsets, votes)
            yield DuplicateCandidate(number, int(known[which]), int(votes.max()), best)

    def _agreeing_pairs(self, pairs: Longs, offsets: Longs) -> Iterator[tuple[int, Longs, Longs]]:
        """Yield (pair, offsets, votes) of the pairs that have an offset with enough votes.

        pairs, offsets: (m,), one for each landmark that a posting agrees with
        """
        keys = pairs * (2 * _OFFSET_BIAS) + offsets + _OFFSET_BIAS
        # Most keys are alone at their offset. They are left out first, which saves sorting them.
        # Buckets hold eight offsets; some others fall into the same bucket by chance.
        buckets = (keys >> 3) % _PRIME
        near = np.bincount(buckets, minlength=_PRIME)
        near += np.roll(near, 1) + np.roll(near, -1)
        keys = keys[near[buckets] >= self._policy.min_further_votes]
        keys, votes = np.unique(keys, return_counts=True)
        # a copy that begins between two frames votes for both
        votes[:-1] += votes[1:] * (np.diff(keys) == 1)
        pairs, biased = np.divmod(keys, 2 * _OFFSET_BIAS)
        starts = np.flatnonzero(np.diff(pairs, prepend=-1))
        if len(starts) == 0:
            return
        best = np.maximum.reduceat(votes, starts)
        ends = np.append(starts[1:], len(pairs))
        enough = best >= self._policy.min_votes
        for start, end in zip(starts[enough].tolist(), ends[enough].tolist(), strict=True):
            yield int(pairs[start]), biased[start:end] - _OFFSET_BIAS, votes[start:end]

    def _best_offsets(self, offsets: Longs, votes: Longs) -> tuple[int, ...]:
        """Return the offsets of one pair with the most votes, well apart."""
        policy, kept = self._policy, list[int]()
        for place in np.argsort(-votes, kind="stable"):
            if votes[place] < policy.min_further_votes or len(kept) == policy.max_offsets:
                break
            if all(abs(offsets[place] - other) > policy.min_gap_frames for other in kept):
                kept.append(int(offsets[place]))
        return tuple(kept)
