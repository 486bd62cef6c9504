"""Sketches: a second of a recording in 384 bits, for clips too short for landmarks.

A landmark needs two peaks that both survive; of a second under noise, or in a room, too few do.
A sketch has what is left: the pattern of levels of a whole second, all bands together. It is the
signs of projections that were learned on pairs of clean and of degraded music, by canonical
correlation (Hotelling 1936): the first say most about what degradation leaves. That bits of a
spectrogram's pattern identify music is Haitsma & Kalker 2002; learned projections are
Chang et al. 2021, there with a network.

1. *Contrast*: how far each band stands above its surroundings, not below. Gain, colour and steady
   noise fall out.
2. Each *window* of 32 frames of contrast (1 s) makes a sketch of a recording.
3. A clip has one at every frame, as numbers and not as signs, windows that reach beyond its ends
   included. Sketches on one line (32 frames of the clip are 32 of the recording) speak together.
4. A *place* that is proposed under some change of tempo and pitch has the clip's contrast laid on
   the recording's own windows: stretched over time, moved over the bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.numeric import compiled

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WINDOW = 32  # frames, 1.02 s
HOP = 32  # frames from sketch to sketch of a recording
BANDS = 64
WORD = 64
BITS = 6 * WORD  # the first of them make a smaller sketch
SURROUNDINGS = 20  # frames on either side that contrast looks at
_LOWEST_HZ, _HIGHEST_HZ, _BEND_HZ, _BIN_HZ = 40.0, 4000.0, 150.0, 16_000 / 2048
_DEPTH = 5.2  # nepers (45 dB) below the loudest of half a second on either side, nothing counts
_HALF_DEPTH_FRAMES = 15
_FLOOR = -13.0  # nepers of full scale: below it lies the noise of 16 bits, as for peaks
_MEAN = 9  # frames and bands of the surroundings
_TIMES, _PATTERNS = 16, 40  # cosines over time and over bands that are projected
_LEAST_FRAMES = 5  # of a clip in a window
_SILENT = 0.07  # of mean contrast; of 64,000 windows of music 85 are below, half of them at 0
_LOWEST, _HIGHEST = np.log1p(np.array([_LOWEST_HZ, _HIGHEST_HZ]) / _BEND_HZ)


def _hertz(bands: npt.NDArray[Any]) -> Doubles:
    """Of places among the bands: nearly even below 150 Hz, then logarithmic."""
    hz: Doubles = np.expm1(_LOWEST + bands / BANDS * (_HIGHEST - _LOWEST)) * _BEND_HZ
    return hz


@lru_cache(maxsize=1)
def _edges() -> Longs:
    """The first bin of each band, and the end."""
    bins = _hertz(np.arange(BANDS + 1)) / _BIN_HZ
    edges: Longs = np.rint(bins).astype(np.int64)
    return edges


def contrast(log_mag: Floats, start: int, stop: int) -> Floats:
    """How far each band stands above its surroundings, in roots of nepers, 0 where it does not.

    Under the root many modest bands say as much as a few high ones, which may be the noise's.

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
    above = np.sqrt((level - _local_mean(level)).clip(min=0))
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
    patterns = windows.reshape(-1, BANDS) @ _cosine_basis(BANDS, _PATTERNS)
    return _over_time(patterns.reshape(-1, WINDOW, _PATTERNS))


def _over_time(patterns: Floats) -> Floats:
    """(n, _TIMES * _PATTERNS) slow cosines of (n, WINDOW, _PATTERNS)."""
    slow: Floats = _cosine_basis(WINDOW, _TIMES).T @ patterns
    return slow.reshape(len(patterns), -1)


@lru_cache(maxsize=256)
def _patterns_at(pitch: float) -> Floats:
    """(BANDS, _PATTERNS): what makes the recording's patterns of a clip's contrast at a pitch."""
    basis = _cosine_basis(BANDS, _PATTERNS)
    if pitch == 1.0:
        return basis
    hz = _hertz(np.arange(BANDS) + 0.5) * pitch  # of the recording's bands, in the clip
    bands = (np.log1p(hz / _BEND_HZ) - _LOWEST) / (_HIGHEST - _LOWEST) * BANDS - 0.5
    apart = np.abs(np.arange(BANDS)[:, None] - bands)
    moved: Floats = (1 - apart).clip(min=0).astype(np.float32) @ basis
    return moved


@lru_cache(maxsize=2)
def _cosine_basis(n: int, count: int) -> Floats:
    """(n, count), orthonormal: the discrete cosine transform of type 2."""
    waves = np.cos(np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(count))
    basis: Floats = (waves / np.linalg.norm(waves, axis=0)).astype(np.float32)
    return basis


@dataclass(frozen=True, slots=True)
class Projections:
    """What was learned; see `scripts/train/sketches.py`.

    recording, clip: (_TIMES * _PATTERNS, bits), of cosines; and what of each is the mean: (bits,)
    digest: of all numbers, and how many words they are for
    """

    recording: Floats
    recording_mean: Floats
    clip: Floats
    clip_mean: Floats
    digest: str

    @property
    def words(self) -> int:
        """Numbers of 64 bits in a sketch."""
        return len(self.recording_mean) // WORD

    def first(self, words: int) -> Projections:
        """Those that say most, for smaller sketches."""
        kept = slice(words * WORD)
        return Projections(
            self.recording[:, kept],
            self.recording_mean[kept],
            self.clip[:, kept],
            self.clip_mean[kept],
            f"{self.digest}-{words}",
        )


def make_sketches(above: Floats, made: Projections) -> Codes:
    """The sketches of a recording, one for each `HOP` frames of its contrast that a window fits.

    above: (frames, BANDS); returns: (n, words) uint64, all 0 for silence, which is like any other
    """
    if len(above) < WINDOW:
        return np.empty((0, made.words), np.uint64)
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
        self._parts = [np.empty((0, made.words), np.uint64)]

    def push(self, above: Floats) -> None:
        """Contrast of the next frames."""
        rows = np.concatenate([self._waiting, above])
        codes = make_sketches(rows, self._made)
        self._parts.append(codes)
        self._waiting = rows[len(codes) * HOP :]

    def sketches(self) -> Codes:
        """All so far."""
        return np.concatenate(self._parts)


def _packed(values: Floats) -> Codes:
    """(n, words) of the signs of (n, bits), the first in the least significant bit."""
    octets = np.packbits(values > 0, axis=1, bitorder="little")
    codes: Codes = octets.view("<u8").astype(np.uint64)
    return codes


def _signs(codes: Codes) -> Floats:
    """(..., bits) of -1 and 1, of (..., words)."""
    octets = np.ascontiguousarray(codes, "<u8").view(np.uint8)
    signs: Floats = np.unpackbits(octets, axis=-1, bitorder="little").astype(np.float32)
    return signs * 2 - 1


@dataclass(frozen=True, slots=True)
class ClipSketch:
    """A clip's windows, one at every frame.

    values: (q, bits) float32, each of length 1; codes: (q, words) their signs
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
    padded = np.pad(above @ _patterns_at(1.0), ((WINDOW, WINDOW), (0, 0)))
    there = np.pad(np.ones(n, np.float32), WINDOW)
    places = starts[:, None] + WINDOW + np.arange(WINDOW)
    values, weights = _values(padded[places], there[places], made)
    return ClipSketch(values, _packed(values), starts, weights)


def _values(patterns: Floats, inside: Floats, made: Projections) -> tuple[Floats, Floats]:
    """((n, bits) of length 1, (n,) weights) of a clip's windows.

    patterns: (n, WINDOW, _PATTERNS), 0 beyond the clip; the mean is taken out of them
    inside: (n, WINDOW), 1 for frames of the clip
    """
    share = inside.mean(axis=1)
    # of the bands of a frame the first pattern is the sum, over the root of their number
    mean = patterns[:, :, 0].sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    patterns[:, :, 0] -= mean[:, None] * inside
    values = _over_time(patterns) @ made.clip
    values -= share[:, None] * made.clip_mean
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return values, np.where(mean < _SILENT * np.sqrt(BANDS), 0, share).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clip may lie.

    number: of the recording; offset: its frame at the clip's frame 0
    warp: what was done to the recording
    """

    number: int
    offset: float
    warp: Warp


def _laid(patterns: Floats, place: Place) -> tuple[int, Floats, Floats]:
    """A clip's patterns on a recording's windows: (the first's number, patterns, inside).

    patterns: (frames, _PATTERNS), at the place's pitch; returns (n, WINDOW, _PATTERNS) of them
    and (n, WINDOW), as for `_values`
    """
    last = len(patterns) - 1
    first = math.floor(place.offset / HOP)
    end = math.floor((place.offset + last * place.warp.tempo) / HOP) + 1
    at = (np.arange(first * HOP, end * HOP) - place.offset) / place.warp.tempo
    inside = ((at >= 0) & (at <= last)).astype(np.float32)
    before = np.floor(at).clip(0, last).astype(np.int64)
    part = (at - before).astype(np.float32)[:, None]
    rows = patterns[before] * (1 - part) + patterns[np.minimum(before + 1, last)] * part
    rows *= inside[:, None]
    return first, rows.reshape(-1, WINDOW, _PATTERNS), inside.reshape(-1, WINDOW)


_APART = 24  # empty sketches between recordings: a line of 20 s leaves one before the next
_FIRST_WORDS = 12  # of a line, by which the likely places are found that are compared in full
_FIRST_WINDOWS = 6  # of a clip's middle, for that
_AT_A_TIME = 1 << 16  # sketches that are compared at once: their sums, 256 KB, stay in a cache
_BEST = 256  # lines that are compared in full


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
    """The sketches of many recordings, in memory.

    recordings: (n, words) each, of equally many words
    """

    def __init__(self, recordings: Sequence[Codes]) -> None:
        words = recordings[0].shape[1] if recordings else 0
        gap = np.zeros((_APART, words), np.uint64)
        parts = [gap, *(part for codes in recordings for part in (codes, gap))]
        self._codes = np.ascontiguousarray(np.concatenate(parts).T)  # (words, n)
        lengths = np.array([len(codes) for codes in recordings], np.int64)
        self._starts, self._lengths = np.cumsum(lengths + _APART) - lengths, lengths
        self._there: Mask = np.any(self._codes, axis=0)

    def nearest(self, clip: ClipSketch, most: int) -> list[Near]:
        """The places most like a clip, best first, each recording's well apart."""
        if not self._there.any():
            return []
        phase, at = self._candidates(clip, min(HOP, len(clip.starts)))
        number, offset, score = self._compared(clip, phase, at)
        best: list[Near] = []
        for i in np.argsort(-score, kind="stable").tolist():
            each = Near(int(number[i]), int(offset[i]), float(score[i]))
            if each.number < 0 or each.score <= 0 or len(best) == most:
                continue
            if all(o.number != each.number or abs(o.offset - each.offset) > HOP for o in best):
                best.append(each)
        return best

    def _candidates(self, clip: ClipSketch, phases: int) -> tuple[Longs, Longs]:
        """(phase, place of its first window) of the likeliest lines, by some of the signs."""
        found = np.empty((3, 0))  # how like, phase, place
        windows = -(-len(clip.starts) // HOP)
        skipped = max(0, windows - 1 - _FIRST_WINDOWS) // 2
        codes = self._codes[: max(1, _FIRST_WORDS // min(windows, _FIRST_WINDOWS))]
        firsts = np.arange(phases) + skipped * HOP
        lines = [np.arange(first, len(clip.starts), HOP)[:_FIRST_WINDOWS] for first in firsts]
        rows = [clip.codes[line, : len(codes)] for line in lines]
        weights = [_of_length_1(clip.weights[line]) for line in lines]
        for start in range(0, len(self._there), _AT_A_TIME):
            n = min(_AT_A_TIME, len(self._there) - start)
            part = codes[:, start:], self._there[start:]
            for phase in range(phases):
                total = _agreement(*part, rows[phase], weights[phase], n)
                least = found[0, -1] if found.shape[1] == _BEST else 0.0
                at = _greatest(total, _BEST, least)
                more = np.stack([total[at], np.full(len(at), phase), start + at])
                found = np.concatenate([found, more], axis=1)
                found = found[:, np.argsort(-found[0], kind="stable")[:_BEST]]
        return found[1].astype(np.int64), found[2].astype(np.int64) - skipped

    def _compared(self, clip: ClipSketch, phase: Longs, at: Longs) -> tuple[Longs, Longs, Doubles]:
        """(recording, its frame at the clip's frame 0, score) of lines, by all that is known.

        phase: (n,), the clip's windows from there on, every `HOP`-th; at: (n,), the sketch that
        the first would be. Recording: -1 where there is none.
        """
        steps = np.arange(-(-len(clip.starts) // HOP))
        rows, places = phase[:, None] + HOP * steps, at[:, None] + steps
        valid = (rows < len(clip.starts)) & (places >= 0) & (places < len(self._there))
        rows, places = np.where(valid, rows, 0), np.where(valid, places, 0)
        inside = valid & self._there[places]
        signs = _signs(np.moveaxis(self._codes[:, places], 0, -1))
        weights = clip.weights[rows] * valid
        likeness = np.einsum("nsb,nsb->ns", clip.values[rows], signs) * inside
        score = (weights * likeness).sum(axis=1) / np.linalg.norm(weights, axis=1).clip(min=1e-9)
        first = np.take_along_axis(places, inside.argmax(axis=1)[:, None], axis=1)[:, 0]
        number = np.searchsorted(self._starts, first, side="right") - 1
        number[~inside.any(axis=1)] = -1
        offset = (at - self._starts[number]) * HOP - clip.starts[phase]
        return number, offset, score.astype(np.float64)

    def likeness(self, above: Floats, places: Sequence[Place], made: Projections) -> Doubles:
        """(n,) how like a clip places of recordings are, in the units of `Near.score`.

        above: (frames, BANDS), the clip's contrast
        """
        if not (len(above) and places):
            return np.zeros(len(places))
        pitches = {place.warp.pitch for place in places}
        at_pitch = {pitch: above @ _patterns_at(pitch) for pitch in pitches}
        laid = [_laid(at_pitch[place.warp.pitch], place) for place in places]
        patterns, inside = (np.concatenate([each[part] for each in laid]) for part in (1, 2))
        values, weights = _values(patterns, inside, made)
        weights[inside.sum(axis=1) < _LEAST_FRAMES] = 0
        of = np.repeat(np.arange(len(places)), [len(part) for _, part, _ in laid])
        number = np.array([place.number for place in places])[of]
        step = np.concatenate([first + np.arange(len(part)) for first, part, _ in laid])
        total = np.bincount(of, weights * self._alike(values, number, step), len(places))
        score: Doubles = total / np.sqrt(np.bincount(of, weights**2, len(places))).clip(min=1e-9)
        return score

    def _alike(self, values: Floats, number: Longs, step: Longs) -> Floats:
        """(n,) how like a window each recording's sketch of this number is; 0 beyond its ends."""
        valid = (step >= 0) & (step < self._lengths[number])
        at = np.where(valid, self._starts[number] + step, 0)
        signs = _signs(self._codes[:, at].T)
        alike: Floats = np.einsum("nb,nb->n", values, signs) * (valid & self._there[at])
        return alike


def _of_length_1(weights: Floats) -> Floats:
    made: Floats = weights / np.linalg.norm(weights).clip(min=1e-9)
    return made


def _greatest(values: Floats, most: int, least: float) -> Longs:
    """Where the greatest values are, at most so many, all greater than the least."""
    at = np.flatnonzero(values > least)
    if len(at) > most:
        at = np.sort(at[np.argpartition(-values[at], most)[:most]])
    return at


def _agreement(codes: Codes, there: Mask, rows: Codes, weights: Floats, n: int) -> Floats:
    """(n,) by how many bits more than half each place and those after it agree with a line.

    codes: (words, at least n); there: whether a sketch is; rows: (r, words); weights: (r,)
    """
    total = np.zeros(n, np.float32)
    kernels = compiled.kernels()
    if kernels:
        kernels.agreement(codes, there, rows, weights, total)
        return total
    half = len(codes) * WORD // 2
    for step, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        here = slice(step, step + n)
        agree = np.where(there[here], np.int16(half), np.int16(0))
        for column, word in zip(codes, row, strict=True):
            agree -= np.bitwise_count(column[here] ^ word).astype(np.int16) * there[here]
        total[: len(agree)] += weight * agree
    return total
