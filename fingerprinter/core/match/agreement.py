"""In what a clip and a recording agree, for people to look at: peaks, landmarks, votes.

`matching` decides with counts alone. Here are the same peaks, landmarks and votes by
name: which of them agree, and what all other offsets of the recording would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.landmarks import make_landmarks, pair_peaks, shifted_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import detune
from fingerprinter.core.match import matching
from fingerprinter.core.match.matching import Longs, Votes
from fingerprinter.types import Peaks

Mask = npt.NDArray[np.bool_]

_NEAR_FRAMES, _NEAR_BINS = 1.0, 1.0  # peaks that lie this close coincide, as in `matching`
_ROUNDING = 1.5  # frames: both anchors are rounded, and the clip is tried at half a frame
_BESIDE = 31  # frames (1 s) around the right offset that say nothing of chance
_CHANCE_FLOOR = 0.01  # votes an offset; chance is never taken as less
_MULTIPLES = np.geomspace(1.0, 1e6, 4000)  # of the mean, among which the luckiest is sought


@dataclass(frozen=True, slots=True)
class Pairs:
    """Landmarks as the two peaks of each.

    anchors, targets: (n,) int64, indices of peaks
    """

    anchors: Longs
    targets: Longs

    def __len__(self) -> int:
        return len(self.anchors)


@dataclass(frozen=True, slots=True)
class OffsetVotes:
    """How many landmarks of a clip vote for each place in one recording.

    offsets, votes: (n,) int64, the places with any, in frames of the recording
    best: votes of the place of the match
    chance: votes of a place on average, those around the match left out
    luckiest: what the best of so many places gets by chance
    """

    offsets: Longs
    votes: Longs
    best: int
    chance: float
    luckiest: float


def coinciding(clip: Peaks, reference: Peaks) -> tuple[Mask, Mask]:
    """Which peaks of each lie on one of the other.

    clip, reference: sorted by frame, the clip where the recording has it
    """
    of_clip, of_reference = _between(
        np.searchsorted(reference.frames, clip.frames - _NEAR_FRAMES),
        np.searchsorted(reference.frames, clip.frames + _NEAR_FRAMES, side="right"),
    )
    close = np.abs(clip.bins[of_clip] - reference.bins[of_reference]) <= _NEAR_BINS
    heard, found = np.zeros(len(clip), np.bool_), np.zeros(len(reference), np.bool_)
    heard[of_clip[close]] = found[of_reference[close]] = True
    return heard, found


def _between(first: Longs, end: Longs) -> tuple[Longs, Longs]:
    """(owners, numbers): every number from first[i] up to end[i], and its i."""
    counts = end - first
    owners = np.repeat(np.arange(len(first)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - first, counts)


def shared_landmarks(
    clip: Peaks, reference: Peaks, offset: float, params: LandmarkParams, query: QueryParams
) -> tuple[Pairs, Pairs]:
    """The landmarks that vote for an offset, as pairs of the clip's peaks and of the reference's.

    clip, reference: sorted by frame
    offset: frame of the recording at the clip's frame 0
    """
    theirs = _Drawn.of(reference, params, params.fan_out)
    shared = [np.empty((4, 0), np.int64)]
    for phase, detuning in product(query.phases, query.detunings):
        mine = _Drawn.of(detune(clip, detuning), params, query.fan_out, phase)
        i, j = mine.voting(theirs, offset)
        shared.append(
            np.stack([mine.anchors[i], mine.targets[i], theirs.anchors[j], theirs.targets[j]])
        )
    distinct = np.unique(np.concatenate(shared, axis=1), axis=1)  # two phases share most of them
    return Pairs(*distinct[:2]), Pairs(*distinct[2:])


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Landmarks with the peaks that they were made of.

    hashes: (n,) uint32, sorted; frames, anchors, targets: (n,) int64
    """

    hashes: npt.NDArray[np.uint32]
    frames: Longs
    anchors: Longs
    targets: Longs

    @classmethod
    def of(cls, peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float = 0.0) -> Self:
        """What `make_landmarks` makes of some peaks."""
        marks, anchors, targets = pair_peaks(peaks, params, fan_out, phase)
        order = np.argsort(marks.hashes, kind="stable")
        frames = marks.frames[order].astype(np.int64)
        return cls(marks.hashes[order], frames, anchors[order], targets[order])

    def voting(self, others: _Drawn, offset: float) -> tuple[Longs, Longs]:
        """Indices of these and of the others that are alike and ``offset`` frames apart."""
        mine, theirs = _between(
            np.searchsorted(others.hashes, self.hashes),
            np.searchsorted(others.hashes, self.hashes, side="right"),
        )
        apart = others.frames[theirs] - self.frames[mine]
        right = np.abs(apart - offset) <= _ROUNDING
        return mine[right], theirs[right]


def offset_votes(
    clip: Peaks, reference: Peaks, offset: float, params: LandmarkParams, query: QueryParams
) -> OffsetVotes:
    """The votes for every place of a clip in a recording, counted as identification counts them.

    clip: where the recording has it, but for the offset; reference: all of the recording
    """
    marks = shifted_landmarks(clip, params, query, query.fan_out)
    question = matching.build_query([marks])
    stored = make_landmarks(reference, params, params.fan_out)
    asked = np.isin(stored.hashes, question.hashes)
    which = np.searchsorted(question.hashes, stored.hashes[asked])
    keys = matching.vote_keys(question, which, stored.frames[asked].astype(np.int64))
    votes = matching.count_votes(keys, 0, len(keys))
    length = float(np.ptp(reference.frames) + np.ptp(clip.frames)) if len(votes.votes) else 0.0
    chance, luckiest = _chance(votes, offset, length)
    near = np.abs(votes.position - offset) <= _ROUNDING
    order = np.argsort(votes.position)
    return OffsetVotes(
        offsets=votes.position[order],
        votes=votes.votes[order],
        best=int(votes.votes[near].max(initial=0)),
        chance=chance,
        luckiest=luckiest,
    )


def _chance(votes: Votes, offset: float, n_offsets: float) -> tuple[float, float]:
    """(mean, what the luckiest gets) of the votes at so many wrong offsets.

    A quasi-Poisson model, as for peaks in `matching.Coincidences`: repeated passages of
    the recording spread the votes wider than chance alone would.
    """
    wrong = votes.votes[np.abs(votes.position - offset) > _BESIDE].astype(np.float64)
    n_offsets = max(n_offsets, 1.0)
    mean = max(float(wrong.sum()) / n_offsets, _CHANCE_FLOOR)
    dispersion = max(1.0, float(np.square(wrong).sum()) / n_offsets / mean - mean)
    counts = mean * _MULTIPLES
    improbable = (counts * np.log(_MULTIPLES) - (counts - mean)) / dispersion
    return mean, float(np.interp(np.log(n_offsets), improbable, counts))
