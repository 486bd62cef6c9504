"""Sketches: half a second of a recording in 64 bits, for clips too short for landmarks.

A landmark needs two peaks that both survive; of a second under noise, or in a room, too few do.
A sketch has what is left: the pattern of levels of a whole second, all bands together. It is the
signs of 64 projections that were learned on pairs of clean and of degraded music, by canonical
correlation (Hotelling 1936), so that they say most about what degradation leaves. That bits of a
spectrogram's pattern identify music is Haitsma & Kalker 2002; learned projections are
Chang et al. 2021, there with a network.

1. *Contrast*: how far each band stands above its surroundings, not below. Gain, colour and steady
   noise fall out.
2. A *window* of 32 frames of contrast (1 s), every 16 frames, makes a sketch of a recording.
3. A clip has one at every frame, as numbers and not as signs, windows that reach beyond its ends
   included. Sketches on one line (16 frames of the clip are 16 of the recording) speak together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprinter.core.spectrogram import Floats

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]

WINDOW = 32  # frames, 1.02 s
HOP = 16  # frames from sketch to sketch of a recording
BANDS = 64
BITS = 64
SURROUNDINGS = 20  # frames on either side that contrast looks at
_LOWEST_HZ, _HIGHEST_HZ, _BEND_HZ, _BIN_HZ = 40.0, 4000.0, 150.0, 16_000 / 2048
_DEPTH = 5.2  # nepers (45 dB) below the loudest of half a second on either side, nothing counts
_HALF_DEPTH_FRAMES = 15
_FLOOR = -13.0  # nepers of full scale: below it lies the noise of 16 bits, as for peaks
_MEAN = 9  # frames and bands of the surroundings
_TIMES, _PATTERNS = 16, 40  # cosines over time and over bands that are projected
_LEAST_FRAMES = 12  # of a clip in a window
_SILENT = 0.05  # nepers of mean contrast; of 18,000 windows of music none had less than 0.1


@lru_cache(maxsize=1)
def _edges() -> Longs:
    """The first bin of each band, and the end: nearly even below 150 Hz, then logarithmic."""
    low, high = np.log1p(np.array([_LOWEST_HZ, _HIGHEST_HZ]) / _BEND_HZ)
    hz = np.expm1(np.linspace(low, high, BANDS + 1)) * _BEND_HZ
    edges: Longs = np.rint(hz / _BIN_HZ).astype(np.int64)
    return edges


def contrast(log_mag: Floats, start: int, stop: int) -> Floats:
    """How far each band stands above its surroundings, in nepers, 0 where it does not.

    log_mag: (frames, bins) nepers; up to `SURROUNDINGS` frames more on either side are looked at
    returns: (stop - start, BANDS) of these frames
    """
    first = max(0, start - SURROUNDINGS)
    seen = log_mag[first : stop + SURROUNDINGS]
    if start >= stop:
        return np.empty((0, BANDS), np.float32)
    *lowest, end = _edges().clip(max=log_mag.shape[1]).tolist()
    lowest = np.minimum(lowest, end - 1)  # of a spectrogram that ends lower, its last bin
    level: Floats = np.maximum.reduceat(seen[:, :end], lowest, axis=1)
    around = np.pad(level.max(axis=1), _HALF_DEPTH_FRAMES, constant_values=-np.inf)
    loudest = np.lib.stride_tricks.sliding_window_view(around, 2 * _HALF_DEPTH_FRAMES + 1)
    least = np.maximum(loudest.max(axis=1) - np.float32(_DEPTH), np.float32(_FLOOR))
    level = np.maximum(level, least[:, None])
    above = (level - _local_mean(level)).clip(min=0)
    kept: Floats = above[start - first : stop - first].astype(np.float32, copy=False)
    return kept


def _local_mean(level: Floats) -> Floats:
    """Mean of a box around each value; beyond the borders lies what lies at the border."""
    half = _MEAN // 2
    total = np.pad(level.astype(np.float64), ((half + 1, half), (half + 1, half)), mode="edge")
    for axis in (0, 1):
        total = np.cumsum(total, axis=axis)
        behind, before = np.arange(_MEAN, total.shape[axis]), np.arange(total.shape[axis] - _MEAN)
        total = np.take(total, behind, axis) - np.take(total, before, axis)
    return (total / _MEAN**2).astype(np.float32)


def cosines(windows: Floats) -> Floats:
    """The slow cosines over time and bands of windows: what is projected.

    windows: (n, WINDOW, BANDS); returns: (n, _TIMES * _PATTERNS)
    """
    over_time, over_bands = _cosine_basis(WINDOW, _TIMES), _cosine_basis(BANDS, _PATTERNS)
    patterns: Floats = (windows.reshape(-1, BANDS) @ over_bands).reshape(-1, WINDOW, _PATTERNS)
    slow: Floats = over_time.T @ patterns
    return slow.reshape(len(windows), -1)


@lru_cache(maxsize=2)
def _cosine_basis(n: int, count: int) -> Floats:
    """(n, count), orthonormal: the discrete cosine transform of type 2."""
    waves = np.cos(np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(count))
    basis: Floats = (waves / np.linalg.norm(waves, axis=0)).astype(np.float32)
    return basis


@dataclass(frozen=True, slots=True)
class Projections:
    """What was learned; see `scripts/train/sketches.py`.

    recording, clip: (_TIMES * _PATTERNS, BITS), of cosines; and what of each is the mean: (BITS,)
    digest: of all numbers
    """

    recording: Floats
    recording_mean: Floats
    clip: Floats
    clip_mean: Floats
    digest: str


def sketched(above: Floats, made: Projections) -> Codes:
    """The sketches of a recording, one for each `HOP` frames of its contrast that a window fits.

    above: (frames, BANDS); returns: (n,) uint64, 0 for silence, which is like any other
    """
    if len(above) < WINDOW:
        return np.empty(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(above, WINDOW, axis=0)[::HOP].swapaxes(1, 2)
    centred = windows - windows.mean(axis=(1, 2), keepdims=True)
    codes = _packed(cosines(centred) @ made.recording - made.recording_mean)
    codes[windows.mean(axis=(1, 2)) < _SILENT] = 0
    return codes


class Sketcher:
    """Makes a recording's sketches while its contrast comes in."""

    def __init__(self, made: Projections) -> None:
        self._made = made
        self._waiting = np.empty((0, BANDS), np.float32)  # from the next window's beginning on
        self._parts = [np.empty(0, np.uint64)]

    def push(self, above: Floats) -> None:
        """Contrast of the next frames."""
        rows = np.concatenate([self._waiting, above])
        codes = sketched(rows, self._made)
        self._parts.append(codes)
        self._waiting = rows[len(codes) * HOP :]

    def sketches(self) -> Codes:
        """All so far."""
        return np.concatenate(self._parts)


def _packed(values: Floats) -> Codes:
    octets = np.packbits(values > 0, axis=1, bitorder="little")
    codes: Codes = octets.view("<u8").ravel()
    return codes


def _signs(codes: Codes) -> Floats:
    """(n, BITS) of -1 and 1."""
    octets = codes.astype("<u8").view(np.uint8).reshape(-1, BITS // 8)
    signs: Floats = np.unpackbits(octets, axis=1, bitorder="little").astype(np.float32)
    return signs * 2 - 1


@dataclass(frozen=True, slots=True)
class ClipSketch:
    """A clip's windows, one at every frame.

    values: (q, BITS) float32, each of length 1; codes: (q,) their signs
    starts: (q,) int64, frame of the clip at which each begins, below 0 too
    weights: (q,) float32, by how much of each window the clip has
    """

    values: Floats
    codes: Codes
    starts: Longs
    weights: Floats


def clip_sketch(above: Floats, made: Projections) -> ClipSketch:
    """The windows of a clip; above: (frames, BANDS), its contrast."""
    n, reach = len(above), WINDOW - _LEAST_FRAMES
    starts = np.arange(-reach, max(-reach, n - _LEAST_FRAMES + 1))
    padded = np.pad(above, ((WINDOW, WINDOW), (0, 0)))
    there = np.pad(np.ones(n, np.float32), WINDOW)
    places = starts[:, None] + WINDOW + np.arange(WINDOW)
    windows, inside = padded[places], there[places]
    share = inside.mean(axis=1)
    mean = windows.sum(axis=(1, 2)) / np.maximum(inside.sum(axis=1) * BANDS, 1)
    values = cosines((windows - mean[:, None, None]) * inside[:, :, None]) @ made.clip
    values -= share[:, None] * made.clip_mean
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    weights = np.where(mean < _SILENT, 0, share).astype(np.float32)
    return ClipSketch(values, _packed(values), starts, weights)


_APART = 16  # empty sketches between recordings: a line of 8 s leaves one before the next
_AT_A_TIME = 1 << 16  # sketches that are compared at once: their sums, 256 KB, stay in a cache
_BEST = 64  # of each such part, by signs alone, that are compared in full
_NEAR = 3  # frames by which an alignment of peaks and a line of sketches may differ


@dataclass(frozen=True, slots=True)
class Near:
    """A place where a clip may lie, by its sketches.

    number: of the recording; offset: its frame at the clip's frame 0
    score: in standard deviations of what chance does at one place
    """

    number: int
    offset: int
    score: float


class Sketches:
    """The sketches of many recordings, in memory: 8 bytes for half a second."""

    def __init__(self, recordings: Sequence[Codes]) -> None:
        gap = np.zeros(_APART, np.uint64)
        parts = [gap, *(part for codes in recordings for part in (codes, gap))]
        self._codes = np.concatenate(parts)
        lengths = np.array([len(codes) for codes in recordings], np.int64)
        self._starts = np.cumsum(lengths + _APART) - lengths
        self._there = self._codes != 0

    def nearest(self, clip: ClipSketch, most: int) -> list[Near]:
        """The places most like a clip, best first, each recording's well apart."""
        phases = _phases(clip)
        found: list[tuple[int, int]] = []
        for first in range(0, len(self._codes), _AT_A_TIME):
            found += self._candidates(clip, phases, first)
        scored = [self._scored(clip, phases[phase], at) for phase, at in found]
        best: list[Near] = []
        likely = [near for near in scored if near and near.score > 0]
        for each in sorted(likely, key=lambda near: -near.score):
            if all(o.number != each.number or abs(o.offset - each.offset) > HOP for o in best):
                best.append(each)
            if len(best) == most:
                break
        return best

    def _candidates(
        self, clip: ClipSketch, phases: Sequence[Longs], first: int
    ) -> list[tuple[int, int]]:
        """(phase, sketch at its first window) of the best places of a part, by signs alone."""
        longest = max(len(rows) for rows in phases)
        codes = self._codes[first : first + _AT_A_TIME + longest - 1]
        there = self._there[first : first + len(codes)]
        n = min(_AT_A_TIME, len(self._codes) - first)
        found = []
        for number, rows in enumerate(phases):
            total = np.zeros(n, np.float32)
            for step, row in enumerate(rows.tolist()):
                agree = BITS // 2 - np.bitwise_count(codes ^ clip.codes[row]).astype(np.int8)
                agree *= there
                part = agree[step : step + n]
                total[: len(part)] += clip.weights[row] * part
            total /= max(float(np.linalg.norm(clip.weights[rows])), 1e-9)
            best = np.argpartition(-total, min(_BEST, n - 1))[:_BEST]
            found += [(float(total[at]), number, first + at) for at in best.tolist()]
        found.sort(reverse=True)
        return [(number, at) for _, number, at in found[:_BEST]]

    def _scored(self, clip: ClipSketch, rows: Longs, at: int) -> Near | None:
        """A place in full: the clip's values against the recording's signs."""
        places = at + np.arange(len(rows))
        places = places[places < len(self._codes)]
        rows = rows[: len(places)]
        inside = self._there[places]
        if not inside.any():
            return None
        number = int(np.searchsorted(self._starts, places[inside][0], side="right")) - 1
        weights = clip.weights[rows]
        likeness = (clip.values[rows] * _signs(self._codes[places])).sum(axis=1) * inside
        score = float((weights * likeness).sum() / max(np.linalg.norm(weights), 1e-9))
        offset = (at - int(self._starts[number])) * HOP - int(clip.starts[rows[0]])
        return Near(number, offset, score)

    def score(self, clip: ClipSketch, number: int, offset: float) -> float:
        """How like a clip a place of a recording is, to within some frames; 0 or more."""
        best = 0.0
        for frame in range(round(offset) - _NEAR, round(offset) + _NEAR + 1):
            rows = np.arange((-frame - int(clip.starts[0])) % HOP, len(clip.starts), HOP)
            if len(rows) == 0:
                continue
            at = int(self._starts[number]) + (frame + int(clip.starts[rows[0]])) // HOP
            near = self._scored(clip, rows, at) if at >= 0 else None
            if near and near.number == number:
                best = max(best, near.score)
        return best


def _phases(clip: ClipSketch) -> list[Longs]:
    """The windows of a clip that lie on one line of a recording's: every `HOP`-th."""
    return [np.arange(phase, len(clip.starts), HOP) for phase in range(min(HOP, len(clip.starts)))]
