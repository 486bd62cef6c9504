"""Sketches: a second of a recording in 384 bits, for clips too short for landmarks.

A landmark needs two peaks that both survive. In a second under noise, or in a room, too few do. A
sketch keeps what is left: the pattern of levels of a whole second, in all bands together. Its bits
are the signs of projections that were learned on pairs of clean and degraded music by canonical
correlation [1]_, so that the first bits say most about what degradation leaves. Bits of a
spectrogram's pattern identify music in [2]_; learned projections are used in [3]_, there with a
network.

1. *Contrast*: how far each band stands above its surroundings. Gain, colour and steady noise
   cancel out.
2. Each *window* of 32 frames of contrast (1 s) makes one sketch of a recording.
3. A clip has a window at every frame, kept as numbers and not as signs. Windows that reach beyond
   its ends are included. The evidence of windows on one line is added: 32 frames of the clip are
   32 frames of the recording.
4. To compare a place under a warp, the clip's contrast is laid on the recording's own windows. It
   is stretched in time and moved over the bands.

The constants of this module belong to the stored format and to the learned projections, whose
digest is the version of sketches. The values that only decide a search are
`fingerprinter.core.fingerprint.params.SketchSearchParams`.

References
----------
.. [1] H. Hotelling, "Relations between two sets of variates", Biometrika 1936.
.. [2] J. Haitsma and T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.
.. [3] S. Chang et al., "Neural audio fingerprint for high-specific audio retrieval based on
   contrastive learning", ICASSP 2021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Floats, Longs
from fingerprinter.core.fingerprint.params import DEFAULT_SKETCH_SEARCH, SketchSearchParams
from fingerprinter.core.fingerprint.warp import Warp, WarpGrid
from fingerprinter.core.numeric.entropy import effective_number

Codes = npt.NDArray[np.uint64]

WINDOW = 32  # frames, 1.02 s
HOP = 32  # frames from sketch to sketch of a recording
BANDS = 64
WORD = 64
BITS = 6 * WORD  # a smaller sketch has the first of them
SURROUNDINGS = 20  # frames on either side that contrast looks at
_LOWEST_HZ, _HIGHEST_HZ, _BEND_HZ, _BIN_HZ = 40.0, 4000.0, 150.0, 16_000 / 2048
_DEPTH = 5.2  # nepers (45 dB) below the loudest of half a second on either side are ignored
_HALF_DEPTH_FRAMES = 15
_FLOOR = -13.0  # nepers of full scale; below lies the noise of 16 bits, as for peaks
_MEAN = 9  # frames and bands of the surroundings
_TIMES, _PATTERNS = 16, 40  # cosines over time and over bands that are projected
_SILENT = 0.07  # mean contrast; of 64,000 windows of music 85 are below, half of them at 0
_LOWEST, _HIGHEST = np.log1p(np.array([_LOWEST_HZ, _HIGHEST_HZ]) / _BEND_HZ)


def _hertz(bands: npt.NDArray[Any]) -> Doubles:
    """Return the frequency of places among the bands: nearly linear below 150 Hz, then log."""
    hz: Doubles = np.expm1(_LOWEST + bands / BANDS * (_HIGHEST - _LOWEST)) * _BEND_HZ
    return hz


# The first bin of each band, and the end of the last one.
_EDGES: Longs = np.rint(_hertz(np.arange(BANDS + 1)) / _BIN_HZ).astype(np.int64)


def contrast(log_mag: Floats, start: int, stop: int) -> Floats:
    """Return how far each band stands above its surroundings, in roots of nepers.

    Under the root many modest bands say as much as a few high ones, which may belong to noise.

    Parameters
    ----------
    log_mag
        (frames, bins) float32, log magnitude in nepers.
    start, stop
        Rows to return. Up to `SURROUNDINGS` rows more on either side are read.

    Returns
    -------
    Floats
        (stop - start, BANDS) float32; 0 where a band does not stand above its surroundings.
    """
    first = max(0, start - SURROUNDINGS)
    seen = log_mag[first : stop + SURROUNDINGS]
    if start >= stop:
        return np.empty((0, BANDS), np.float32)
    *lowest, end = _EDGES.clip(max=log_mag.shape[1]).tolist()
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
    """Return the mean of a box around each value; the border is repeated beyond it."""
    half = _MEAN // 2
    total = np.pad(level.astype(np.float64), ((half + 1, half), (half + 1, half)), mode="edge")
    for axis in (0, 1):
        total = np.cumsum(total, axis=axis)
        behind, before = np.arange(_MEAN, total.shape[axis]), np.arange(total.shape[axis] - _MEAN)
        total = np.take(total, behind, axis) - np.take(total, before, axis)
    return (total / _MEAN**2).astype(np.float32)


def cosines(windows: Floats) -> Floats:
    """Return the slow cosines of windows over time and bands, which are projected.

    Parameters
    ----------
    windows
        (n, WINDOW, BANDS) float32.

    Returns
    -------
    Floats
        (n, 640) float32: 16 cosines over time by 40 over bands.
    """
    patterns = windows.reshape(-1, BANDS) @ _cosine_basis(BANDS, _PATTERNS)
    return _over_time(patterns.reshape(-1, WINDOW, _PATTERNS))


def effective_patterns(contrast: Floats) -> float:
    """Return how many patterns a clip is made of: little for tones, signals, clicks and chords.

    It is the effective number of bands that stand out in a frame, times that of the cosines that
    describe a second. A tone stands out in few bands. A chord that is held, and a click, have
    many, but few cosines describe them.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32 of the clip.

    Returns
    -------
    float
        1 to 64 * 640, and 1 for silence.
    """
    n = len(contrast)
    if not contrast.any():
        return 1.0
    padded = np.pad(contrast, ((0, max(0, WINDOW - n)), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[:: HOP // 2]
    centred = windows.swapaxes(1, 2) - windows.mean(axis=(1, 2))[:, None, None]
    power = cosines(centred) ** 2
    each = np.mean([effective_number(window) for window in power])
    return max(1.0, effective_number(contrast) / n * float(each))


def _over_time(patterns: Floats) -> Floats:
    """Return (n, _TIMES * _PATTERNS) slow cosines over time, of (n, WINDOW, _PATTERNS)."""
    slow: Floats = _cosine_basis(WINDOW, _TIMES).T @ patterns
    return slow.reshape(len(patterns), -1)


@lru_cache(maxsize=512)
def _patterns_at(pitch: float) -> Floats:
    """Return (BANDS, _PATTERNS), which turns contrast at a pitch into the recording's patterns."""
    basis = _cosine_basis(BANDS, _PATTERNS)
    if pitch == 1.0:
        return basis
    hz = _hertz(np.arange(BANDS) + 0.5) * pitch  # of the recording's bands in the clip
    bands = (np.log1p(hz / _BEND_HZ) - _LOWEST) / (_HIGHEST - _LOWEST) * BANDS - 0.5
    apart = np.abs(np.arange(BANDS)[:, None] - bands)
    moved: Floats = (1 - apart).clip(min=0).astype(np.float32) @ basis
    return moved


@lru_cache(maxsize=512)
def _heard_at(pitch: float) -> Floats:
    """Return (_PATTERNS,), the pattern of the bands that a clip at a pitch has, the first as 1.

    The others lie above or below the band of the clip. Nothing is known of them.
    """
    if pitch == 1.0:
        return np.eye(1, _PATTERNS, dtype=np.float32)[0]
    pattern: Floats = _patterns_at(pitch).sum(axis=0)
    return pattern / pattern[0]


@lru_cache(maxsize=2)
def _cosine_basis(n: int, count: int) -> Floats:
    """Return (n, count), the orthonormal discrete cosine transform of type 2."""
    waves = np.cos(np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(count))
    basis: Floats = (waves / np.linalg.norm(waves, axis=0)).astype(np.float32)
    return basis


@dataclass(frozen=True, slots=True)
class Projections:
    """The learned projections; see `scripts/train/sketches.py`.

    Parameters
    ----------
    recording, clip
        (640, bits) float32, projections of the cosines of recordings and of clips.
    recording_mean, clip_mean
        (bits,) float32, the mean of each projection.
    digest
        Digest of all numbers, with the number of words of a sketch.
    """

    recording: Floats
    recording_mean: Floats
    clip: Floats
    clip_mean: Floats
    digest: str

    @property
    def words(self) -> int:
        """Words of 64 bits in a sketch."""
        return len(self.recording_mean) // WORD

    def first(self, words: int) -> Projections:
        """Return the projections that say most, for smaller sketches."""
        kept = slice(words * WORD)
        return Projections(
            self.recording[:, kept],
            self.recording_mean[kept],
            self.clip[:, kept],
            self.clip_mean[kept],
            f"{self.digest}-{words}",
        )


def make_sketches(rows: Floats, projections: Projections) -> Codes:
    """Return the sketches of a recording, one for every `HOP` frames that a window fits in.

    Parameters
    ----------
    rows
        (frames, BANDS) float32, contrast of the recording.

    Returns
    -------
    Codes
        (n, words) uint64. A silent window has a sketch of 0, which is compared with nothing.
    """
    if len(rows) < WINDOW:
        return np.empty((0, projections.words), np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0)[::HOP].swapaxes(1, 2)
    centred = windows - windows.mean(axis=(1, 2), keepdims=True)
    codes = _packed(cosines(centred) @ projections.recording - projections.recording_mean)
    codes[windows.mean(axis=(1, 2)) < _SILENT] = 0
    return codes


class Sketcher:
    """Makes the sketches of a recording while its contrast comes in."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections
        self._waiting = np.empty((0, BANDS), np.float32)  # from the start of the next window
        self._parts = [np.empty((0, projections.words), np.uint64)]

    def push(self, contrast: Floats) -> None:
        """Take the contrast of the next frames, (frames, BANDS) float32."""
        rows = np.concatenate([self._waiting, contrast])
        codes = make_sketches(rows, self._projections)
        self._parts.append(codes)
        self._waiting = rows[len(codes) * HOP :]

    def sketches(self) -> Codes:
        """Return the sketches of all frames so far."""
        return np.concatenate(self._parts)


def _packed(values: Floats) -> Codes:
    """Return (n, words) of the signs of (n, bits), the first in the least significant bit."""
    octets = np.packbits(values > 0, axis=1, bitorder="little")
    codes: Codes = octets.view("<u8").astype(np.uint64)
    return codes


def signs(codes: Codes) -> Floats:
    """Return (..., bits) of -1 and 1, from (..., words)."""
    octets = np.ascontiguousarray(codes, "<u8").view(np.uint8)
    bits: Floats = np.unpackbits(octets, axis=-1, bitorder="little").astype(np.float32)
    return bits * 2 - 1


@dataclass(frozen=True, slots=True)
class ClipSketch:
    """The windows of a clip, one at every frame.

    Parameters
    ----------
    values
        (q, bits) float32, each row of length 1.
    codes
        (q, words) uint64, the signs of the values.
    starts
        (q,) int64, frame of the clip at which each window begins; may be negative.
    weights
        (q,) float32, the share of each window that the clip covers; 0 for silence.
    """

    values: Floats
    codes: Codes
    starts: Longs
    weights: Floats


def clip_sketch(
    contrast: Floats,
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> ClipSketch:
    """Return the windows of a clip.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32 of the clip.
    """
    n, least = len(contrast), policy.min_window_frames
    reach = WINDOW - least
    starts = np.arange(-reach, max(-reach, n - least + 1))
    padded = np.pad(contrast @ _patterns_at(1.0), ((WINDOW, WINDOW), (0, 0)))
    inside = np.pad(np.ones(n, np.float32), WINDOW)
    rows = starts[:, None] + WINDOW + np.arange(WINDOW)
    values, weights = _project(padded[rows], inside[rows], _heard_at(1.0), projections)
    return ClipSketch(values, _packed(values), starts, weights)


def _project(
    patterns: Floats, inside: Floats, heard: Floats, projections: Projections
) -> tuple[Floats, Floats]:
    """Return ((n, bits) of length 1, (n,) weights) of the windows of a clip.

    patterns: (n, WINDOW, _PATTERNS), 0 beyond the clip; their mean is subtracted in place
    inside: (n, WINDOW), 1 for frames of the clip
    heard: (n or 1, _PATTERNS), see `_heard_at`
    """
    share = inside.mean(axis=1)
    # the first pattern is the sum of the bands of a frame, over the root of their number
    mean = patterns[:, :, 0].sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    patterns -= (mean[:, None] * inside)[:, :, None] * heard.reshape(-1, 1, _PATTERNS)
    return _projected(_over_time(patterns), mean, share, projections)


def _projected(
    slow: Floats, mean: Floats, share: Floats, projections: Projections
) -> tuple[Floats, Floats]:
    """Return ((n, bits) of length 1, (n,) weights) of the cosines of windows.

    slow: (n, _TIMES * _PATTERNS), without the mean
    mean: (n,) that was subtracted; share: (n,) of each window that the clip covers
    """
    values = slow @ projections.clip
    values -= share[:, None] * projections.clip_mean
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return values, np.where(mean < _SILENT * np.sqrt(BANDS), 0, share).astype(np.float32)


def _at_frames(rows: Floats, at: npt.NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Return (rows of a clip at places between its frames, 1 for places inside the clip)."""
    last = len(rows) - 1
    inside = ((at >= 0) & (at <= last)).astype(np.float32)
    before = np.floor(at).clip(0, last).astype(np.int64)
    part = (at - before).astype(np.float32)[:, None]
    between = rows[before] * (1 - part) + rows[np.minimum(before + 1, last)] * part
    between *= inside[:, None]
    return between, inside


@dataclass(frozen=True, slots=True)
class WarpedWindows:
    """Windows of a clip under many warps, as they would be in the unchanged recording.

    Parameters
    ----------
    values
        (n, bits) float32, each row of length 1.
    codes
        (n, words) uint64, the signs of the values.
    middles
        (n,) frame of the clip in the middle of each window.
    warps
        The warps.
    warp
        (n,) int64, index of the warp of each window.
    """

    values: Floats
    codes: Codes
    middles: Doubles
    warps: Sequence[Warp]
    warp: Longs


def warped_windows(
    contrast: Floats,
    middle: float,
    grid: WarpGrid,
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> Iterator[WarpedWindows]:
    """Yield the windows of some seconds of a clip under every tempo with every pitch.

    The windows of one tempo come together, which bounds the memory.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32 of the clip.
    middle
        Frame of the clip around which the windows lie.
    grid
        The tempos and pitches.
    """
    half = policy.warped_frames // 2
    for tempo in grid.tempos if len(contrast) else ():
        rows, inside = _at_frames(contrast, middle + np.arange(-half, half + 1) / tempo)
        starts = np.arange(0, len(rows) - WINDOW + 1, policy.warped_step)
        covered = np.lib.stride_tricks.sliding_window_view(inside, WINDOW)[starts]
        starts = starts[covered.mean(axis=1) >= policy.warped_weight]
        frames = starts[:, None] + np.arange(WINDOW)
        over_time = _cosine_basis(WINDOW, _TIMES).T
        slow, covered = over_time @ rows[frames], inside[frames]  # the pitch changes neither
        parts = [_at_pitch(slow, covered, pitch) for pitch in grid.pitches]
        patterns, means = map(np.concatenate, zip(*parts, strict=True))
        share = np.tile(covered.mean(axis=1), len(grid.pitches))
        values, weights = _projected(patterns, means, share, projections)
        middles = np.tile(middle + (starts + WINDOW / 2 - half) / tempo, len(grid.pitches))
        of_pitch = np.repeat(np.arange(len(grid.pitches)), len(starts))
        warps = [Warp(tempo, pitch) for pitch in grid.pitches]
        sounds = weights > 0
        values = values[sounds]
        yield WarpedWindows(values, _packed(values), middles[sounds], warps, of_pitch[sounds])


def _at_pitch(slow: Floats, inside: Floats, pitch: float) -> tuple[Floats, Floats]:
    """Return ((n, _TIMES * _PATTERNS) cosines, (n,) mean that was subtracted) at a pitch.

    slow: (n, _TIMES, BANDS), the slow cosines over time of each band
    inside: (n, WINDOW), 1 for frames of the clip
    """
    patterns = slow @ _patterns_at(pitch)
    # the first cosine is the sum over time, over the root of the number of frames
    mean = patterns[:, 0, 0] * np.float32(WINDOW**0.5) / np.maximum(inside.sum(axis=1), 1)
    covered = inside @ _cosine_basis(WINDOW, _TIMES)
    patterns -= (mean[:, None] * covered)[:, :, None] * _heard_at(pitch)
    return patterns.reshape(len(slow), _TIMES * _PATTERNS), mean


@dataclass(frozen=True, slots=True)
class LaidWindows:
    """The windows of a clip that is laid on the windows of recordings at some places.

    Parameters
    ----------
    values
        (n, bits) float32, each row of length 1.
    weights
        (n,) float32, the share of each window that the clip covers; 0 for silence.
    place, window
        (n,) int64, the number of the place, and that of the window in its recording.
    """

    values: Floats
    weights: Floats
    place: Longs
    window: Longs


def lay_on_windows(
    contrast: Floats,
    offsets: Sequence[float],
    warps: Sequence[Warp],
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> LaidWindows:
    """Lay a clip on the windows of recordings.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32 of the clip.
    offsets
        Frame of the recording at the clip's frame 0, for each place; at least one.
    warps
        Tempo and pitch of the clip at each place.
    """
    at_pitch = {pitch: contrast @ _patterns_at(pitch) for pitch in {warp.pitch for warp in warps}}
    laid = [
        _lay_on_windows(at_pitch[warp.pitch], offset, warp.tempo)
        for offset, warp in zip(offsets, warps, strict=True)
    ]
    patterns, inside = (np.concatenate([each[part] for each in laid]) for part in (1, 2))
    number = [len(part) for _, part, _ in laid]
    heard = np.repeat([_heard_at(warp.pitch) for warp in warps], number, axis=0)
    values, weights = _project(patterns, inside, heard, projections)
    weights[inside.sum(axis=1) < policy.min_window_frames] = 0
    place = np.repeat(np.arange(len(laid)), number)
    window = np.concatenate([first + np.arange(len(part)) for first, part, _ in laid])
    return LaidWindows(values, weights, place, window)


def _lay_on_windows(patterns: Floats, offset: float, tempo: float) -> tuple[int, Floats, Floats]:
    """Lay the patterns of a clip on the windows of a recording.

    patterns: (frames, _PATTERNS), at the pitch of the place
    offset: frame of the recording at the clip's frame 0
    returns: (number of the first window, (n, WINDOW, _PATTERNS) and (n, WINDOW) for `_project`)
    """
    last = len(patterns) - 1
    first = math.floor(offset / HOP)
    end = math.floor((offset + last * tempo) / HOP) + 1
    rows, inside = _at_frames(patterns, (np.arange(first * HOP, end * HOP) - offset) / tempo)
    return first, rows.reshape(-1, WINDOW, _PATTERNS), inside.reshape(-1, WINDOW)
