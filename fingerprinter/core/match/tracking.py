"""A recording followed through a long clip, peak by peak, to where it begins and ends.

A window of some seconds tells which recording is heard, and along which line (offset, tempo,
pitch). From there on nothing has to be searched: every few seconds the recording's stored peaks
are laid over the clip's along the line, and how many of them are there, against how many are
there on the lines beside it, is evidence that the recording still plays. Each such step puts the
line right, so that a drift of the tempo is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinter.types import Peaks

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SLICE_FRAMES = 16  # half a second: borders lie between slices
STEP_FRAMES = 128  # 4 s, some hundred stored peaks: a tempo wrong by 0.4 % is off by half a frame
BESIDE_FRAMES = 24  # on either side of the line, where lines tell what chance does
_SLICES = STEP_FRAMES // SLICE_FRAMES
_PER_FRAME = 4  # peaks lie at quarters of a frame
_LAGS = 2 * BESIDE_FRAMES * _PER_FRAME + 1
_NEAR_FRAMES, _NEAR_BINS = 0.5, 0.5  # peaks that agree are no farther apart
_NEAR = round(_NEAR_FRAMES * _PER_FRAME)
_APART = 4 * _PER_FRAME  # lags farther than this from the line's are chance
_CHANCE, _MOST_CHANCE = 0.01, 0.9  # bounds of the share that chance is taken to agree in
# Share of the recording's peaks that are there, by which it is told from chance: under louder
# music it is 0.1 to 0.4, alone and as MP3 0.9. Evidence turns at 0.04.
_AUDIBLE = 0.1
_HIT_NATS = 2.0  # about what one more peak that agrees says
_MEMORY_FRAMES = 192.0  # 6 s: signs farther away say less of where the line is now
_STEADINESS = 1e4  # hits times squared frames: as if the first tempo were right to 0.3 %


@dataclass(frozen=True, slots=True)
class TimeMap:
    """A line: frame f of a clip is frame ``offset + tempo * f`` of a recording, at ``pitch``."""

    offset: float
    tempo: float
    pitch: float

    def at(self, frame: float) -> float:
        """The recording's frame at one of the clip."""
        return self.offset + self.tempo * frame

    def when(self, frame: float) -> float:
        """The clip's frame at one of the recording."""
        return (frame - self.offset) / self.tempo


@dataclass(frozen=True, slots=True)
class Step:
    """What a span of a clip says of a recording.

    course: the line, moved to where most peaks agree
    nats: (slices,) float64, log-likelihood that the recording plays, against chance
    presence: 0..1, share of its peaks that are there beyond chance
    hits: peaks that agree
    """

    time_map: TimeMap
    nats: Doubles
    presence: float
    hits: int


@dataclass(frozen=True, slots=True)
class Correspondence:
    """A frame of the clip, the recording's frame there, and how many peaks say so."""

    frame: float
    of_recording: float
    hits: int


def measure_step(
    clip: Peaks, recording: Peaks, course: TimeMap, span: tuple[float, float], spread: float
) -> Step:
    """Lays a recording over a span of a clip, `STEP_FRAMES` long or less.

    clip, recording: sorted by frame; span: frames of the clip
    spread: frames by which the line is usually off
    """
    due, bins = _due(recording, course, span)
    if len(due) == 0:
        return Step(course, np.zeros(_SLICES), 0.0, 0)
    heard = peaks_between(clip, span[0] - BESIDE_FRAMES, span[1] + BESIDE_FRAMES)
    which, late = _meetings(heard, due, bins)
    there = _there(which, late, len(due))
    shares = there.mean(axis=0)
    best = _best_lag(there.sum(axis=0), spread)
    chance = _chance(shares, best)
    hits = there[:, best]
    return Step(
        time_map=replace(course, offset=course.offset - course.tempo * _lateness(late, best)),
        nats=_nats(hits, due - span[0], chance),
        presence=max(0.0, float(shares[best] - chance) / (1 - chance)),
        hits=int(hits.sum()),
    )


def peaks_between(peaks: Peaks, start: float, end: float) -> Peaks:
    """The peaks from one frame to another; they are sorted by frame."""
    low, high = np.searchsorted(peaks.frames, [start, end])
    return peaks.take(np.arange(low, high))


def explained_peaks(
    clip: Peaks, recording: Peaks, course: TimeMap, span: tuple[float, float]
) -> Mask:
    """(n,) which peaks of a clip a recording has too, within a span of the clip."""
    due, bins = _due(recording, course, span)
    low, high = np.searchsorted(clip.frames, [span[0] - _NEAR_FRAMES, span[1] + _NEAR_FRAMES])
    near = np.abs(clip.frames[low:high, None] - due[None]) <= _NEAR_FRAMES
    near &= np.abs(clip.bins[low:high, None] - bins[None]) <= _NEAR_BINS
    mask = np.zeros(len(clip), np.bool_)
    mask[low:high] = near.any(axis=1)
    return mask


def _due(recording: Peaks, course: TimeMap, span: tuple[float, float]) -> tuple[Doubles, Doubles]:
    """(frames, bins) of the clip where a recording's peaks should be."""
    passage = peaks_between(recording, course.at(span[0]), course.at(span[1]))
    frames = (passage.frames.astype(np.float64) - course.offset) / course.tempo
    return frames, passage.bins.astype(np.float64) * course.pitch


def _meetings(heard: Peaks, due: Doubles, bins: Doubles) -> tuple[Longs, Doubles]:
    """(index of the due peak, frames by which the heard one is late), where the bins agree."""
    which, other = np.nonzero(np.abs(heard.bins[None] - bins[:, None]) <= _NEAR_BINS)
    late = heard.frames[other] - due[which]
    near = np.abs(late) <= BESIDE_FRAMES
    return which[near], late[near]


def _there(which: Longs, late: Doubles, n: int) -> Mask:
    """(n, lags) whether each due peak is there, to within a frame, at each lag."""
    table = np.zeros((n, _LAGS + 2 * _NEAR + 1), np.int32)
    table[which, np.rint((late + BESIDE_FRAMES) * _PER_FRAME).astype(np.int64) + _NEAR + 1] = 1
    total = np.cumsum(table, axis=1)
    return total[:, 2 * _NEAR + 1 :] > total[:, : -2 * _NEAR - 1]


def _best_lag(hits: Longs, spread: float) -> int:
    """The likeliest lag: where most peaks are there, unless that is far off the line."""
    frames = np.arange(_LAGS) / _PER_FRAME - BESIDE_FRAMES
    likely = hits * _HIT_NATS - 0.5 * (frames / spread) ** 2
    best = np.flatnonzero(likely >= likely.max() - 1e-9)
    return int(best[len(best) // 2])


def _lateness(late: Doubles, best: int) -> float:
    """Frames by which the clip is behind the line, by the mean of what agrees."""
    lag = best / _PER_FRAME - BESIDE_FRAMES
    near = np.abs(late - lag) <= _NEAR_FRAMES
    return float(late[near].mean()) if near.any() else 0.0


def _chance(shares: Doubles, best: int) -> float:
    """Share of the peaks that are there on the lines beside."""
    beside = np.abs(np.arange(_LAGS) - best) > _APART
    return float(np.clip(shares[beside].mean(), _CHANCE, _MOST_CHANCE))


def _nats(hits: Mask, due: Doubles, chance: float) -> Doubles:
    """What each slice says for a recording of which some peaks are there, against chance."""
    audible = chance + _AUDIBLE * (1 - chance)
    gains = np.where(hits, np.log(audible / chance), np.log((1 - audible) / (1 - chance)))
    slices = np.floor(due / SLICE_FRAMES).astype(np.int64).clip(0, _SLICES - 1)
    nats: Doubles = np.bincount(slices, weights=gains, minlength=_SLICES).astype(np.float64)
    return nats


def local_time_map(signs: Sequence[Correspondence], first: TimeMap, frame: float) -> TimeMap:
    """The line about a frame of the clip, by the signs near it.

    first: the line as it was found, from which few signs lead away only with reason
    """
    if not signs:
        return first
    when, off, weight = _against(signs, first)
    weight = weight * np.exp(-np.abs(when - frame) / _MEMORY_FRAMES)
    return _bent(when, off, weight, first)


def whole_time_map(signs: Sequence[Correspondence], first: TimeMap) -> TimeMap:
    """The line through all signs."""
    return _bent(*_against(signs, first), first) if signs else first


def _against(signs: Sequence[Correspondence], first: TimeMap) -> tuple[Doubles, Doubles, Doubles]:
    """(frame, frames of the recording off the line, hits) of signs."""
    rows = np.array([(each.frame, each.of_recording, each.hits) for each in signs])
    return rows[:, 0], rows[:, 1] - first.offset - first.tempo * rows[:, 0], rows[:, 2]


def _bent(when: Doubles, off: Doubles, weight: Doubles, first: TimeMap) -> TimeMap:
    """The line that least squares lay through what is off another."""
    weight = weight / weight.max() * 100
    middle, level = np.average(when, weights=weight), np.average(off, weights=weight)
    aside = when - middle
    slope = np.sum(weight * aside * (off - level)) / (np.sum(weight * aside**2) + _STEADINESS)
    offset = first.offset + level - slope * middle
    return replace(first, offset=float(offset), tempo=float(first.tempo + slope))
