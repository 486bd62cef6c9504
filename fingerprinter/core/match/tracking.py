"""A recording followed through a long clip, peak by peak, to where it begins and ends.

A window of some seconds tells which recording plays, and its time map (offset, tempo, pitch). From
there on nothing has to be searched. Every few seconds the stored peaks of the recording are laid
over those of the clip along the time map. The share of them that is present, against the share at
other lags, is evidence that the recording still plays. Each step also corrects the time map, so
that a drift of the tempo is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.arrays import Doubles, Longs, Mask
from fingerprinter.core.match.policy import DEFAULT_POLICY, TrackingPolicy
from fingerprinter.types import Peaks

SLICE_FRAMES = 16  # half a second: recordings begin and end between slices
STEP_FRAMES = 128  # 4 s, some hundred stored peaks: a tempo wrong by 0.4 % is off by half a frame
LAG_FRAMES = 24  # on either side of the time map, where other lags tell what chance gives
_SLICES = STEP_FRAMES // SLICE_FRAMES
_PER_FRAME = 4  # peaks lie at quarters of a frame
_LAGS = np.arange(2 * LAG_FRAMES * _PER_FRAME + 1) / _PER_FRAME - LAG_FRAMES  # frames


@dataclass(frozen=True, slots=True)
class TimeMap:
    """A line: frame f of a clip is frame ``offset + tempo * f`` of a recording, at ``pitch``.

    Examples
    --------
    >>> time_map = TimeMap(offset=100.0, tempo=1.25, pitch=1.0)
    >>> time_map.at(8)
    110.0
    >>> time_map.when(110)
    8.0
    """

    offset: float
    tempo: float
    pitch: float

    def at(self, frame: float) -> float:
        """Return the frame of the recording at a frame of the clip."""
        return self.offset + self.tempo * frame

    def when(self, frame: float) -> float:
        """Return the frame of the clip at a frame of the recording."""
        return (frame - self.offset) / self.tempo


@dataclass(frozen=True, slots=True)
class Step:
    """The evidence of a span of a clip for a recording.

    Parameters
    ----------
    time_map
        Moved to the lag at which most peaks agree.
    nats
        (slices,) float64, log-likelihood that the recording plays, against chance.
    presence
        0..1, share of the recording's peaks that are present beyond chance.
    hits
        Number of peaks that agree.
    """

    time_map: TimeMap
    nats: Doubles
    presence: float
    hits: int


@dataclass(frozen=True, slots=True)
class Correspondence:
    """A frame of the clip, the frame of the recording there, and how many peaks support it."""

    frame: float
    of_recording: float
    hits: int


def measure_step(
    clip: Peaks,
    recording: Peaks,
    time_map: TimeMap,
    span: tuple[float, float],
    spread: float,
    policy: TrackingPolicy = DEFAULT_POLICY.tracking,
) -> Step:
    """Lay a recording over a span of a clip.

    Parameters
    ----------
    clip, recording
        Peaks sorted by frame.
    time_map
        Where the recording is expected.
    span
        First and last frame of the clip, at most `STEP_FRAMES` apart.
    spread
        Frames by which the time map is usually off.
    """
    due, due_bins = _expected_peaks(recording, time_map, span)
    if len(due) == 0:
        return Step(time_map, np.zeros(_SLICES), 0.0, 0)
    near = peaks_between(clip, span[0] - LAG_FRAMES, span[1] + LAG_FRAMES)
    index, other = np.nonzero(np.abs(near.bins[None] - due_bins[:, None]) <= policy.near_bins)
    lag = near.frames[other] - due[index]
    inside = np.abs(lag) <= LAG_FRAMES
    index, lag = index[inside], lag[inside]
    present = _present_at_lags(index, lag, len(due), policy)
    best = _best_lag(present.sum(axis=0), spread, policy)
    shares = present.mean(axis=0)
    others = np.abs(np.arange(len(_LAGS)) - best) > policy.chance_gap_frames * _PER_FRAME
    chance = float(np.clip(shares[others].mean(), policy.min_chance, policy.max_chance))
    agreeing = np.abs(lag - float(_LAGS[best])) <= policy.near_frames
    mean_lag = float(lag[agreeing].mean()) if agreeing.any() else 0.0
    hits = present[:, best]
    return Step(
        time_map=replace(time_map, offset=time_map.offset - time_map.tempo * mean_lag),
        nats=_slice_nats(hits, due - span[0], chance, policy),
        presence=max(0.0, float(shares[best] - chance) / (1 - chance)),
        hits=int(hits.sum()),
    )


def peaks_between(peaks: Peaks, start: float, end: float) -> Peaks:
    """Return the peaks from one frame to another, of peaks that are sorted by frame."""
    low, high = np.searchsorted(peaks.frames, [start, end])
    return peaks.take(np.arange(low, high))


def explained_peaks(
    clip: Peaks,
    recording: Peaks,
    time_map: TimeMap,
    span: tuple[float, float],
    policy: TrackingPolicy = DEFAULT_POLICY.tracking,
) -> Mask:
    """Return (n,) which peaks of a clip a recording has too, within a span of the clip."""
    due, bins = _expected_peaks(recording, time_map, span)
    reach = policy.near_frames
    low, high = np.searchsorted(clip.frames, [span[0] - reach, span[1] + reach])
    near = np.abs(clip.frames[low:high, None] - due[None]) <= reach
    near &= np.abs(clip.bins[low:high, None] - bins[None]) <= policy.near_bins
    mask = np.zeros(len(clip), np.bool_)
    mask[low:high] = near.any(axis=1)
    return mask


def _expected_peaks(
    recording: Peaks, time_map: TimeMap, span: tuple[float, float]
) -> tuple[Doubles, Doubles]:
    """Return (frames, bins) of the clip where the peaks of a recording should be."""
    passage = peaks_between(recording, time_map.at(span[0]), time_map.at(span[1]))
    frames = (passage.frames.astype(np.float64) - time_map.offset) / time_map.tempo
    return frames, passage.bins.astype(np.float64) * time_map.pitch


def _present_at_lags(index: Longs, lag: Doubles, n: int, policy: TrackingPolicy) -> Mask:
    """Return (n, lags) whether each expected peak is present at each lag, to within half a frame.

    index, lag: of pairs, the expected peak, and frames by which the clip's peak comes later
    """
    near = round(policy.near_frames * _PER_FRAME)
    table = np.zeros((n, len(_LAGS) + 2 * near + 1), np.int32)
    table[index, np.rint((lag + LAG_FRAMES) * _PER_FRAME).astype(np.int64) + near + 1] = 1
    total = np.cumsum(table, axis=1)
    return total[:, 2 * near + 1 :] > total[:, : -2 * near - 1]


def _best_lag(hits: Longs, spread: float, policy: TrackingPolicy) -> int:
    """Return the index of the likeliest lag: most hits, unless that is far off the time map."""
    likely = hits * policy.hit_nats - 0.5 * (_LAGS / spread) ** 2
    best = np.flatnonzero(likely >= likely.max() - 1e-9)
    return int(best[len(best) // 2])


def _slice_nats(hits: Mask, due: Doubles, chance: float, policy: TrackingPolicy) -> Doubles:
    """Return what each slice says for a recording, against chance.

    due: frames from the start of the span at which each peak is expected
    """
    present = chance + policy.assumed_presence * (1 - chance)
    gains = np.where(hits, np.log(present / chance), np.log((1 - present) / (1 - chance)))
    slices = np.floor(due / SLICE_FRAMES).astype(np.int64).clip(0, _SLICES - 1)
    nats: Doubles = np.bincount(slices, weights=gains, minlength=_SLICES).astype(np.float64)
    return nats


def fit_time_map(
    correspondences: Sequence[Correspondence],
    first: TimeMap,
    frame: float | None = None,
    policy: TrackingPolicy = DEFAULT_POLICY.tracking,
) -> TimeMap:
    """Fit a time map through correspondences, by weighted least squares.

    Parameters
    ----------
    first
        The time map as it was found. Few correspondences lead away from its tempo only with
        reason. It is returned where there are none.
    frame
        Frame of the clip around which the time map should hold. Default: everywhere.

    Examples
    --------
    >>> first = TimeMap(offset=0.0, tempo=1.0, pitch=1.0)
    >>> fit_time_map([Correspondence(500.0, 502.0, hits=80)], first).offset
    2.0
    """
    if not correspondences:
        return first
    rows = np.array([(each.frame, each.of_recording, each.hits) for each in correspondences])
    frames, weight = rows[:, 0], rows[:, 2]
    off = rows[:, 1] - first.offset - first.tempo * frames
    if frame is not None:
        weight = weight * np.exp(-np.abs(frames - frame) / policy.memory_frames)
    weight = weight / weight.max() * 100
    middle, level = np.average(frames, weights=weight), np.average(off, weights=weight)
    centred = frames - middle
    moment = np.sum(weight * centred**2) + policy.steadiness
    slope = np.sum(weight * centred * (off - level)) / moment
    offset = first.offset + level - slope * middle
    return replace(first, offset=float(offset), tempo=float(first.tempo + slope))
