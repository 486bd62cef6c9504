"""On which peaks, landmarks and votes a clip and a recording agree, for people to look at.

`fingerprinter.core.match.matching` decides with counts alone. This module names the same peaks,
landmarks and votes: which of them agree, and what all other offsets of the recording would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Longs, Mask
from fingerprinter.core.fingerprint.landmarks import make_landmarks, pair_peaks, shifted_landmarks
from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.peaks import detune
from fingerprinter.core.match import matching
from fingerprinter.types import Peaks

_NEAR_FRAMES, _NEAR_BINS = 1.0, 1.0  # peaks that lie this close coincide, as in `matching`
_ROUNDING = 1.5  # frames: both anchors are rounded, and the clip is tried at half a frame
_VICINITY = 31  # frames (1 s) around the right offset that say nothing of chance
_CHANCE_FLOOR = 0.01  # votes an offset; chance is never taken as less
_MULTIPLES = np.geomspace(1.0, 1e6, 4000)  # of the mean, among which the luckiest is sought


@dataclass(frozen=True, slots=True)
class Pairs:
    """Landmarks as the two peaks of each.

    Parameters
    ----------
    anchors, targets
        (n,) int64, indices of peaks.
    """

    anchors: Longs
    targets: Longs

    def __len__(self) -> int:
        return len(self.anchors)


@dataclass(frozen=True, slots=True)
class OffsetVotes:
    """How many landmarks of a clip vote for each offset in one recording.

    Parameters
    ----------
    offsets, votes
        (n,) int64, the offsets with any votes, in frames of the recording.
    best
        Votes of the offset of the match.
    chance
        Mean votes of an offset, without those around the match.
    luckiest
        Votes that the best of so many offsets gets by chance.
    """

    offsets: Longs
    votes: Longs
    best: int
    chance: float
    luckiest: float


def coinciding(clip: Peaks, reference: Peaks) -> tuple[Mask, Mask]:
    """Return which peaks of each lie on a peak of the other.

    Parameters
    ----------
    clip, reference
        Peaks sorted by frame; the clip where the recording has it.

    Returns
    -------
    tuple of Mask
        (n,) of the clip, (m,) of the reference.
    """
    of_clip, of_reference = _ranges_between(
        np.searchsorted(reference.frames, clip.frames - _NEAR_FRAMES),
        np.searchsorted(reference.frames, clip.frames + _NEAR_FRAMES, side="right"),
    )
    close = np.abs(clip.bins[of_clip] - reference.bins[of_reference]) <= _NEAR_BINS
    clip_mask, reference_mask = np.zeros(len(clip), np.bool_), np.zeros(len(reference), np.bool_)
    clip_mask[of_clip[close]] = reference_mask[of_reference[close]] = True
    return clip_mask, reference_mask


def _ranges_between(first: Longs, end: Longs) -> tuple[Longs, Longs]:
    """Return (owners, numbers): every number from first[i] up to end[i], and its i."""
    counts = end - first
    owners = np.repeat(np.arange(len(first)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - first, counts)


def shared_landmarks(
    clip: Peaks, reference: Peaks, offset: float, params: LandmarkParams, query: QueryParams
) -> tuple[Pairs, Pairs]:
    """Return the landmarks that vote for an offset, as pairs of peaks of the clip and reference.

    Parameters
    ----------
    clip, reference
        Peaks sorted by frame.
    offset
        Frame of the recording at the clip's frame 0.
    """
    stored = DrawnLandmarks.of(reference, params, params.fan_out)
    shared = [np.empty((4, 0), np.int64)]
    for phase, detuning in product(query.phases, query.detunings):
        marks = DrawnLandmarks.of(detune(clip, detuning), params, query.fan_out, phase)
        i, j = _ranges_between(
            np.searchsorted(stored.hashes, marks.hashes),
            np.searchsorted(stored.hashes, marks.hashes, side="right"),
        )
        voting = np.abs(stored.frames[j] - marks.frames[i] - offset) <= _ROUNDING
        i, j = i[voting], j[voting]
        shared.append(
            np.stack([marks.anchors[i], marks.targets[i], stored.anchors[j], stored.targets[j]])
        )
    distinct = np.unique(np.concatenate(shared, axis=1), axis=1)  # two phases share most of them
    return Pairs(*distinct[:2]), Pairs(*distinct[2:])


@dataclass(frozen=True, slots=True)
class DrawnLandmarks:
    """Landmarks with the peaks that they are made of.

    Parameters
    ----------
    hashes
        (n,) uint32, sorted.
    frames, anchors, targets
        (n,) int64, frame of the anchor, and indices of both peaks.
    """

    hashes: npt.NDArray[np.uint32]
    frames: Longs
    anchors: Longs
    targets: Longs

    @classmethod
    def of(cls, peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float = 0.0) -> Self:
        """Return what `make_landmarks` makes of some peaks."""
        marks, anchors, targets = pair_peaks(peaks, params, fan_out, phase)
        order = np.argsort(marks.hashes, kind="stable")
        frames = marks.frames[order].astype(np.int64)
        return cls(marks.hashes[order], frames, anchors[order], targets[order])


def offset_votes(
    clip: Peaks, reference: Peaks, offset: float, params: LandmarkParams, query: QueryParams
) -> OffsetVotes:
    """Count the votes for every offset of a clip in a recording, as identification counts them.

    Parameters
    ----------
    clip
        At the tempo and pitch of the recording.
    reference
        All peaks of the recording.
    offset
        Frame of the recording at the clip's frame 0.

    Notes
    -----
    Chance is a quasi-Poisson model of the votes at wrong offsets, as for peaks in
    `fingerprinter.core.match.matching.AlignmentCurve`. Repeated passages of the recording spread
    the votes wider than chance alone would.
    """
    marks = shifted_landmarks(clip, params, query, query.fan_out)
    hash_query = matching.build_query([marks])
    stored = make_landmarks(reference, params, params.fan_out)
    known = np.isin(stored.hashes, hash_query.hashes)
    which = np.searchsorted(hash_query.hashes, stored.hashes[known])
    keys = matching.vote_keys(hash_query, which, stored.frames[known].astype(np.int64))
    found = matching.count_votes(keys, range(1), len(keys))
    length = float(np.ptp(reference.frames) + np.ptp(clip.frames)) if len(found.votes) else 0.0
    n_offsets = max(length, 1.0)
    wrong = found.votes[np.abs(found.position - offset) > _VICINITY].astype(np.float64)
    mean = max(float(wrong.sum()) / n_offsets, _CHANCE_FLOOR)
    dispersion = max(1.0, float(np.square(wrong).sum()) / n_offsets / mean - mean)
    counts = mean * _MULTIPLES
    improbable = (counts * np.log(_MULTIPLES) - (counts - mean)) / dispersion
    near = np.abs(found.position - offset) <= _ROUNDING
    order = np.argsort(found.position)
    return OffsetVotes(
        offsets=found.position[order],
        votes=found.votes[order],
        best=int(found.votes[near].max(initial=0)),
        chance=mean,
        luckiest=float(np.interp(np.log(n_offsets), improbable, counts)),
    )
