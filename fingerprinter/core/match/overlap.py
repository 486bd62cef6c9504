"""Aligns two recordings: where do they hold the same sound, and are they the same recording?

Along the right line, copies of one recording agree in nine of ten peaks below 2 kHz, however they
were encoded; other music agrees in one of ten. Between them lie variations: the same backing under
another melody, with a voice, or in another mix. A peak that agrees is therefore evidence for a
copy, and a peak that does not agree is evidence for a variation. The shared passages are
those of the greatest sum of this evidence, all maximal scoring subsequences [1]_.

Within the passages a variation shows in *cells* of two seconds by about an octave where most peaks
disagree. A melody lies in one place, while the losses of a codec are everywhere.

References
----------
.. [1] W. L. Ruzzo and M. Tompa, "A linear time algorithm for finding all maximal scoring
   subsequences", ISMB 1999.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.arrays import Doubles, Longs, Mask
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.match.policy import DEFAULT_POLICY, OverlapPolicy
from fingerprinter.core.numeric.runs import maximal_runs
from fingerprinter.types import Peaks

SLICE_FRAMES = 16  # half a second: passages begin and end between slices
_PER_UNIT = 4  # peaks lie at quarters of a frame and of a bin
_BIN_SHIFT = 40  # of a peak's key; below it there is room for quarter frames of centuries
_VICINITY = np.bartlett(11)[1:-1]  # weight of pairs by quarter frames off; a frame is near


@dataclass(frozen=True, slots=True)
class Line:
    """Where a recording lies over another: its frame f over frame ``offset + speed * f``.

    Parameters
    ----------
    offset
        Frame of the reference at frame 0 of the query.
    speed
        Speed of the query as a factor. Its pitch is changed likewise.
    """

    offset: float
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """Where two recordings hold the same sound.

    Parameters
    ----------
    line
        Along which they agree.
    start, end
        Frames of the reference.
    nats
        Evidence for a copy, against a variation.
    cells, bad_cells
        Number of cells with enough peaks, and of those where most peaks disagree.
    """

    line: Line
    start: float
    end: float
    nats: float
    cells: int
    bad_cells: int


@dataclass(frozen=True, slots=True)
class PeakPairs:
    """Pairs of near peaks of two recordings.

    Parameters
    ----------
    query
        (n,) int64, index of the peak of the query.
    lag_frames
        (n,) float64, how many frames later the reference has it.
    """

    query: Longs
    lag_frames: Doubles


class Reference:
    """A recording that others are laid over.

    Parameters
    ----------
    peaks
        Peaks of the whole recording. Those that copies share best are kept in ``peaks``.
    """

    def __init__(self, peaks: Peaks, policy: OverlapPolicy = DEFAULT_POLICY.overlap) -> None:
        self.peaks, self._policy = low_peaks(peaks, policy), policy
        self._keys = _keys(self.peaks)

    def pairs_with(self, query: Peaks) -> PeakPairs:
        """Return the pairs of near peaks; ``query``: peaks as they lie over this recording."""
        reach = round(self._policy.search_frames * _PER_UNIT)
        keys = np.concatenate([_keys(query) + (step << _BIN_SHIFT) for step in (-1, 0, 1)])
        first = np.searchsorted(self._keys, keys - reach)
        counts = np.searchsorted(self._keys, keys + reach, side="right") - first
        ends = np.cumsum(counts)
        own = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
        other = np.repeat(np.tile(np.arange(len(query)), 3), counts)
        close = np.abs(self.peaks.bins[own] - query.bins[other]) <= self._policy.near_bins
        own, other = own[close], other[close]
        lag_frames = (self.peaks.frames[own] - query.frames[other]).astype(np.float64)
        return PeakPairs(other, lag_frames)


def low_peaks(peaks: Peaks, policy: OverlapPolicy = DEFAULT_POLICY.overlap) -> Peaks:
    """Return the peaks that copies share best, sorted by bin and then by frame."""
    low = peaks.take(peaks.bins < policy.max_bin)
    return low.take(np.argsort(_keys(low)))


def _keys(peaks: Peaks) -> Longs:
    """Return a number for the place of each peak: whole bins, then quarter frames."""
    bins = np.rint(peaks.bins * _PER_UNIT).astype(np.int64) // _PER_UNIT
    frames = np.rint(peaks.frames * _PER_UNIT).astype(np.int64)  # may be negative
    return (bins << _BIN_SHIFT) + frames + (1 << (_BIN_SHIFT - 1))


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two recordings share.

    Parameters
    ----------
    passages
        The shared passages, in the order of the reference.
    query_share, reference_share
        0..1, share of the peaks of each within the passages.
    policy
        The values that decide the confidence.
    """

    passages: Sequence[SharedPassage]
    query_share: float
    reference_share: float
    policy: OverlapPolicy = DEFAULT_POLICY.overlap

    @property
    def nats(self) -> float:
        """Evidence for a copy, against a variation."""
        return sum(passage.nats for passage in self.passages)

    @property
    def confidence(self) -> float:
        """The probability that the query, or most of it, is the same recording."""
        policy = self.policy
        bad = sum(passage.bad_cells for passage in self.passages)
        good = sum(passage.cells for passage in self.passages) - bad
        hit, miss = _nats(policy.cell_shares)
        limit = policy.max_cell_nats
        cells = float(np.clip(good * hit + bad * miss, -limit, limit))
        share = policy.share_slope * (self.query_share - policy.share_middle)
        return float(1 / (1 + np.exp(-(share + policy.cell_slope * cells))))


def _nats(shares: tuple[float, float]) -> tuple[float, float]:
    """Return what a hit and a miss say for the first share of hits, against the second one."""
    share, other = shares
    return float(np.log(share / other)), float(np.log((1 - share) / (1 - other)))


def overlap(
    query: Peaks,
    reference: Reference,
    speed: float,
    offsets: Sequence[float],
    policy: OverlapPolicy = DEFAULT_POLICY.overlap,
) -> Overlap:
    """Lay a recording over another along proposed lines, and keep the passages that agree.

    Parameters
    ----------
    query
        Peaks of the whole recording.
    reference
        The other recording.
    speed
        About that of the query, as a factor.
    offsets
        Frames of the reference at frame 0 of the query, the likeliest first.

    Notes
    -----
    A recording that repeats itself agrees at many offsets. Each second counts once: a passage is
    kept where most of it is in no better passage, in both recordings.
    """
    query = low_peaks(query, policy)
    starts = [Line(offset, speed) for offset in offsets[: policy.fitted_lines]]
    lines = [fit_line(query, reference, line, policy) for line in starts]
    if speed == 1.0:
        lines += [Line(offset) for offset in offsets]
    found = [each for line in lines for each in _passages(query, reference, line, policy)]
    kept: list[SharedPassage] = []
    in_query = np.zeros(len(query), np.bool_)
    in_reference = np.zeros(len(reference.peaks), np.bool_)
    for passage in sorted(found, key=lambda each: -each.nats):
        query_part = _inside(_lay(query, passage.line), passage)
        reference_part = _inside(reference.peaks, passage)
        known = max(_share(in_query[query_part]), _share(in_reference[reference_part]))
        if known < policy.max_repeated:
            kept.append(passage)
            in_query |= query_part
            in_reference |= reference_part
    kept.sort(key=lambda passage: passage.start)
    return Overlap(kept, _share(in_query), _share(in_reference), policy)


def _inside(peaks: Peaks, passage: SharedPassage) -> Mask:
    return (peaks.frames >= passage.start) & (peaks.frames < passage.end)


def _share(mask: Mask) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _lay(peaks: Peaks, line: Line) -> Peaks:
    """Return peaks as they lie over the reference."""
    moved = unwarp(peaks, Warp(line.speed, line.speed))
    return replace(moved, frames=moved.frames + np.float32(line.offset))


def _passages(
    query: Peaks, reference: Reference, line: Line, policy: OverlapPolicy
) -> Iterator[SharedPassage]:
    """Yield the passages along a line, which is moved by a fraction of a frame first."""
    laid = _lay(query, line)
    line, hits = _align(laid, reference, line, policy)
    gains = np.where(hits, *_nats(policy.copy_shares))
    for start, end in agreeing_runs(laid, gains, policy):
        inside = (laid.frames >= start) & (laid.frames < end)
        part = laid.take(inside)
        cells, bad_cells = _count_cells(part, hits[inside], policy)
        yield SharedPassage(
            line=line,
            start=float(part.frames.min()),
            end=float(part.frames.max()) + 1,
            nats=float(gains[inside].sum()),
            cells=cells,
            bad_cells=bad_cells,
        )


def _align(
    laid: Peaks, reference: Reference, line: Line, policy: OverlapPolicy
) -> tuple[Line, Mask]:
    """Return the line moved to where most peaks agree, and (n,) which of them do."""
    pairs, search, near = reference.pairs_with(laid), policy.search_frames, policy.near_frames
    lag = pairs.lag_frames
    quarters = np.rint((lag + search) * _PER_UNIT).astype(np.int64)
    counts = np.bincount(quarters, minlength=round(2 * search * _PER_UNIT) + 1)
    top = float(np.convolve(counts, _VICINITY, "same").argmax()) / _PER_UNIT - search
    around = np.abs(lag - top) <= near
    shift = float(lag[around].mean()) if around.any() else 0.0
    hits = np.zeros(len(laid), np.bool_)
    hits[pairs.query[np.abs(lag - shift) <= near]] = True
    return Line(line.offset + shift, line.speed), hits


def _count_cells(laid: Peaks, hits: Mask, policy: OverlapPolicy) -> tuple[int, int]:
    """Return the number of cells with enough peaks, and of those where most peaks disagree."""
    time = np.floor((laid.frames - laid.frames.min()) / policy.cell_frames).astype(np.int64)
    cell = time * (len(policy.cell_bins) + 1) + np.digitize(laid.bins, policy.cell_bins)
    peaks, agreeing = np.bincount(cell), np.bincount(cell, weights=hits)
    enough = peaks >= policy.min_cell_peaks
    return int(enough.sum()), int((agreeing < peaks / 2)[enough].sum())


def agreeing_runs(
    laid: Peaks, gains: Doubles, policy: OverlapPolicy = DEFAULT_POLICY.overlap
) -> list[tuple[float, float]]:
    """Return (start, end) in frames of the runs of slices of greatest gain, in no order.

    Parameters
    ----------
    laid
        Peaks as they lie over the reference.
    gains
        (n,) float64, evidence of each peak in nats.
    """
    if len(laid) == 0:
        return []
    slices = np.floor(laid.frames / SLICE_FRAMES).astype(np.int64)
    lowest = int(slices.min())
    by_slice: Doubles = np.bincount(slices - lowest, weights=gains).astype(np.float64)
    found = maximal_runs(by_slice, policy.min_passage_nats)
    return [((lowest + s) * SLICE_FRAMES, (lowest + e) * SLICE_FRAMES) for s, e in found]


def fit_line(
    query: Peaks,
    reference: Reference,
    line: Line,
    policy: OverlapPolicy = DEFAULT_POLICY.overlap,
) -> Line:
    """Make a line exact that is right in one place, and follow it as far as it leads.

    Parameters
    ----------
    query
        Result of `low_peaks`.
    line
        Where it is right, it need only be so to within three frames.
    """
    hit, miss = _nats(policy.sound_shares)
    reached = 0.0
    for _ in range(policy.max_fit_rounds):
        laid = _lay(query, line)
        line, hits = _align(laid, reference, line, policy)
        runs = agreeing_runs(laid, np.where(hits, hit, miss), policy)
        start, end = max(runs, key=lambda run: run[1] - run[0], default=(0.0, 0.0))
        if end - start <= reached:
            break
        reached = end - start
        line = _fit_within(query, reference, line, (start - reached, end + reached), policy)
    drift = abs(line.speed - 1.0) * reached
    return line if drift >= policy.min_drift_frames else Line(line.offset)


def _fit_within(
    query: Peaks,
    reference: Reference,
    line: Line,
    region: tuple[float, float],
    policy: OverlapPolicy,
) -> Line:
    """Return the least squares line through the near pairs within a region of the reference."""
    laid = _lay(query, line)
    pairs = reference.pairs_with(laid)
    frames, lag = laid.frames[pairs.query].astype(np.float64), pairs.lag_frames
    near = (frames >= region[0]) & (frames < region[1])
    slope = start = 0.0
    for reach in (policy.search_frames, policy.near_frames):
        near &= np.abs(lag - (start + slope * frames)) <= reach
        if near.sum() < policy.min_line_pairs:
            return line
        slope, start = np.polyfit(frames[near], lag[near], 1).tolist()
    return Line(start + (1 + slope) * line.offset, (1 + slope) * line.speed)
