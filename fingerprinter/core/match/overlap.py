"""Two recordings laid over each other: where do they hold the same sound, and is it the same?

Along the right line, copies of one recording agree in nine of ten peaks below 2 kHz,
however they were encoded, other music in one of ten. Between them lie variations: the
same backing under another melody, with a voice, mixed anew. So a peak that agrees
speaks for a copy against a variation, one that does not speaks for the variation, and
the aligned stretches are those of the greatest sum (all maximal scoring subsequences,
Ruzzo & Tompa 1999). Within them a variation shows in *cells*, two seconds by about an
octave, where most peaks disagree: a melody is in one place, a codec's losses are
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.numeric.runs import maximal_runs
from fingerprinter.types import Peaks

Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MAX_BIN = 256.0  # 2 kHz: above, codecs lose more
_PARTS = 4  # peaks lie at quarters of a frame and of a bin
_CELL_SHIFT = 40  # quarter frames of centuries
_SEARCH_FRAMES = 3.0  # a proposed line is right to within so many
_NEAR_FRAMES = 1.0  # peaks that agree are no further apart
_CROWD = np.bartlett(11)[1:-1]  # weighs pairs within those frames, the middle most
_SLICE_FRAMES = 16  # half a second: stretches begin and end at borders of slices
_CELL_FRAMES = 64
_CELL_BINS = (40, 80, 128, 180)  # about as many peaks lie between each two
_CELL_PEAKS = 5  # a cell with fewer says nothing
_LEAST_NATS = 20.0  # that make a stretch
_LINE_PAIRS = 24  # from which on a line is fitted
_TURNS = 12  # a line that is fitted doubles its reach in each
_FITTED = 4  # proposed lines that are
_LEAST_DRIFT = 0.5  # frames over a stretch; less is no change of speed
_SHARE_SLOPE, _SHARE_MIDDLE = 5.6, 0.3
_CELL_SLOPE, _MOST_CELLS = 0.5, 10.0  # cells are no independent witnesses


@dataclass(frozen=True, slots=True)
class _LogLikelihoodRatio:
    """What a peak that agrees, and one that does not, say in nats."""

    hit: float
    miss: float

    @classmethod
    def between(cls, share: float, other: float) -> _LogLikelihoodRatio:
        """Of one share of agreeing peaks against another."""
        return cls(float(np.log(share / other)), float(np.log((1 - share) / (1 - other))))


_COPY = _LogLikelihoodRatio.between(0.85, 0.5)  # a copy against a variation
_CELL = _LogLikelihoodRatio.between(0.98, 0.9)  # a cell of a copy against one of a variation
_SOUND = _LogLikelihoodRatio.between(
    0.5, 0.1
)  # the same sound along a line not yet exact, against other music


@dataclass(frozen=True, slots=True)
class Line:
    """Where a recording lies over another: its frame f over ``offset + speed * f`` of the other.

    speed: of the recording as a factor; its pitch is changed likewise
    """

    offset: float
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class SharedPassage:
    """Where two recordings hold the same.

    start, end: in frames of the ground; nats: evidence for a copy against a variation
    cells, bad_cells: in all, and those where most peaks disagree
    """

    line: Line
    start: float
    end: float
    nats: float
    cells: int
    bad_cells: int


class Reference:
    """A recording that others are laid over; peaks: those of its own that count."""

    def __init__(self, peaks: Peaks) -> None:
        self.peaks = low_peaks(peaks)
        self._keys = _keys(self.peaks)

    def meetings(self, upper: Peaks) -> PeakPairs:
        """Pairs of peaks of about the same place; upper: as it lies over this one."""
        reach = round(_SEARCH_FRAMES * _PARTS)
        rows = np.concatenate([_keys(upper) + (step << _CELL_SHIFT) for step in (-1, 0, 1)])
        first = np.searchsorted(self._keys, rows - reach)
        counts = np.searchsorted(self._keys, rows + reach, side="right") - first
        ends = np.cumsum(counts)
        mine = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
        theirs = np.repeat(np.tile(np.arange(len(upper)), 3), counts)
        close = np.abs(self.peaks.bins[mine] - upper.bins[theirs]) <= 1.0
        mine, theirs = mine[close], theirs[close]
        return PeakPairs(
            theirs, (self.peaks.frames[mine] - upper.frames[theirs]).astype(np.float64)
        )


@dataclass(frozen=True, slots=True)
class PeakPairs:
    """Pairs of peaks of two recordings.

    upper: (n,) int64, index of the upper recording's peak
    late: (n,) float64, how many frames later the ground has it
    """

    upper: Longs
    late: Doubles

    def shift(self) -> float:
        """How many frames later most pairs are, by whose mean the line is off."""
        quarters = np.rint((self.late + _SEARCH_FRAMES) * _PARTS).astype(np.int64)
        counts = np.bincount(quarters, minlength=round(2 * _SEARCH_FRAMES * _PARTS) + 1)
        top = float(np.convolve(counts, _CROWD, "same").argmax()) / _PARTS - _SEARCH_FRAMES
        near = np.abs(self.late - top) <= _NEAR_FRAMES
        return float(self.late[near].mean()) if near.any() else 0.0


def low_peaks(peaks: Peaks) -> Peaks:
    """The peaks that copies share best, by bin and then by frame, which makes searches quick."""
    some = peaks.take(peaks.bins < _MAX_BIN)
    return some.take(np.argsort(_keys(some)))


def _keys(peaks: Peaks) -> Longs:
    """A number for each peak's place: whole bins, then quarter frames, which may be negative."""
    cells = np.rint(peaks.bins * _PARTS).astype(np.int64) // _PARTS
    frames = np.rint(peaks.frames * _PARTS).astype(np.int64)
    return (cells << _CELL_SHIFT) + frames + (1 << (_CELL_SHIFT - 1))


def _laid(peaks: Peaks, line: Line) -> Peaks:
    """Peaks as they lie over the ground."""
    moved = unwarp(peaks, Warp(line.speed, line.speed))
    return replace(moved, frames=moved.frames + np.float32(line.offset))


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two recordings share.

    stretches: in the order of the ground
    upper_share, ground_share: of the peaks of each, those within the stretches
    """

    passages: Sequence[SharedPassage]
    query_share: float
    reference_share: float

    @property
    def nats(self) -> float:
        """Evidence for a copy against a variation."""
        return sum(stretch.nats for stretch in self.passages)

    @property
    def confidence(self) -> float:
        """The probability that the recording above, or most of it, is the same as below.

        A logistic curve of the share and of the cells, fitted to 3,600 copies and 886
        variations, for ten copies to a variation.
        """
        bad = sum(stretch.bad_cells for stretch in self.passages)
        good = sum(stretch.cells for stretch in self.passages) - bad
        cells = float(np.clip(good * _CELL.hit + bad * _CELL.miss, -_MOST_CELLS, _MOST_CELLS))
        logit = _SHARE_SLOPE * (self.query_share - _SHARE_MIDDLE) + _CELL_SLOPE * cells
        return float(1 / (1 + np.exp(-logit)))


def overlap(upper: Peaks, ground: Reference, speed: float, offsets: Sequence[float]) -> Overlap:
    """Lays a recording over another along proposed lines and keeps the stretches that agree.

    speed: about that of the upper recording
    offsets: frames of the ground at frame 0 of the upper recording, the likeliest first
    """
    upper = low_peaks(upper)
    lines = [fit_line(upper, ground, Line(offset, speed)) for offset in offsets[:_FITTED]]
    if speed == 1.0:
        lines += [Line(offset) for offset in offsets]
    found = [each for line in lines for each in _stretches(upper, ground, line)]
    return _without_repeats(upper, ground.peaks, found)


def _without_repeats(upper: Peaks, ground: Peaks, found: Sequence[SharedPassage]) -> Overlap:
    """The best stretches: what repeats itself agrees at many offsets, and each second counts once.

    A stretch stays where most of it is new in both recordings.
    """
    kept: list[SharedPassage] = []
    in_upper, in_ground = np.zeros(len(upper), np.bool_), np.zeros(len(ground), np.bool_)
    for stretch in sorted(found, key=lambda each: -each.nats):
        above = _inside(_laid(upper, stretch.line), stretch)
        below = _inside(ground, stretch)
        if max(_share(in_upper[above]), _share(in_ground[below])) < 0.5:
            kept.append(stretch)
            in_upper |= above
            in_ground |= below
    kept.sort(key=lambda each: each.start)
    return Overlap(kept, _share(in_upper), _share(in_ground))


def _inside(peaks: Peaks, stretch: SharedPassage) -> Mask:
    return (peaks.frames >= stretch.start) & (peaks.frames < stretch.end)


def _share(mask: Mask) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _stretches(upper: Peaks, ground: Reference, line: Line) -> Iterator[SharedPassage]:
    """The stretches along a line, which is put right to a fraction of a frame."""
    laid = _laid(upper, line)
    line, hits = _hits(laid, ground, line)
    gains = np.where(hits, _COPY.hit, _COPY.miss)
    for start, end in _runs(laid, gains):
        inside = (laid.frames >= start) & (laid.frames < end)
        yield _stretch(line, laid.take(inside), hits[inside], float(gains[inside].sum()))


def _hits(laid: Peaks, ground: Reference, line: Line) -> tuple[Line, Mask]:
    """The line moved to where most peaks agree, and which do."""
    meetings = ground.meetings(laid)
    shift = meetings.shift()
    hits = np.zeros(len(laid), np.bool_)
    hits[meetings.upper[np.abs(meetings.late - shift) <= _NEAR_FRAMES]] = True
    return Line(line.offset + shift, line.speed), hits


def _stretch(line: Line, laid: Peaks, hits: Mask, nats: float) -> SharedPassage:
    cells, bad_cells = _cells(laid, hits)
    return SharedPassage(
        line=line,
        start=float(laid.frames.min()),
        end=float(laid.frames.max()) + 1,
        nats=nats,
        cells=cells,
        bad_cells=bad_cells,
    )


def _cells(laid: Peaks, hits: Mask) -> tuple[int, int]:
    """(cells that say something, those of them where most peaks disagree)."""
    time = np.floor((laid.frames - laid.frames.min()) / _CELL_FRAMES).astype(np.int64)
    cell = time * (len(_CELL_BINS) + 1) + np.digitize(laid.bins, _CELL_BINS)
    peaks, agreeing = np.bincount(cell), np.bincount(cell, weights=hits)
    speaks = peaks >= _CELL_PEAKS
    return int(speaks.sum()), int((agreeing < peaks / 2)[speaks].sum())


def _runs(laid: Peaks, gains: Doubles) -> list[tuple[float, float]]:
    """(start, end) in frames of the stretches of greatest gain, in no order."""
    if len(laid) == 0:
        return []
    slices = np.floor(laid.frames / _SLICE_FRAMES).astype(np.int64)
    lowest = int(slices.min())
    by_slice: Doubles = np.bincount(slices - lowest, weights=gains).astype(np.float64)
    found = maximal_runs(by_slice, _LEAST_NATS)
    return [((lowest + s) * _SLICE_FRAMES, (lowest + e) * _SLICE_FRAMES) for s, e in found]


def fit_line(upper: Peaks, ground: Reference, line: Line) -> Line:
    """A line that is right in one place, made exact and followed as far as it leads.

    upper: peaks below 2 kHz
    """
    reached = 0.0
    for _ in range(_TURNS):
        laid = _laid(upper, line)
        line, hits = _hits(laid, ground, line)
        runs = _runs(laid, np.where(hits, _SOUND.hit, _SOUND.miss))
        start, end = max(runs, key=lambda run: run[1] - run[0], default=(0.0, 0.0))
        if end - start <= reached:
            break
        reached = end - start
        line = _bent(upper, ground, line, (start - reached, end + reached))
    drift = abs(line.speed - 1.0) * reached
    return line if drift >= _LEAST_DRIFT else Line(line.offset)


def _bent(upper: Peaks, ground: Reference, line: Line, region: tuple[float, float]) -> Line:
    """A line through what meets along another within a region of the ground."""
    laid = _laid(upper, line)
    meetings = ground.meetings(laid)
    when, late = laid.frames[meetings.upper].astype(np.float64), meetings.late
    near = (when >= region[0]) & (when < region[1])
    slope = start = 0.0
    for reach in (_SEARCH_FRAMES, _NEAR_FRAMES):
        near &= np.abs(late - (start + slope * when)) <= reach
        if near.sum() < _LINE_PAIRS:
            return line
        slope, start = np.polyfit(when[near], late[near], 1).tolist()
    return Line(start + (1 + slope) * line.offset, (1 + slope) * line.speed)
