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
   32 frames of the recording. See `fingerprinter.core.fingerprint.clip_sketch`.

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

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Floats, Longs
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
TIMES, PATTERNS = 16, 40  # cosines over time and over bands that are projected
SILENT = 0.07  # mean contrast; of 64,000 windows of music 85 are below, half of them at 0
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
    above = _above_surroundings(_levels(seen, _EDGES))
    return above[start - first : stop - first]


def contrast_at(log_mag: Floats, pitch: float) -> Floats:
    """Return the contrast of a clip in the bands of its recording.

    Parameters
    ----------
    log_mag
        (frames, bins) float32 of the clip, log magnitude in nepers.
    pitch
        Of the clip, relative to the recording.

    Returns
    -------
    Floats
        (frames, bands) float32, of the lowest bands. Those above lie beyond the bins of the clip.
    """
    edges = np.rint(_hertz(np.arange(BANDS + 1)) * pitch / _BIN_HZ).astype(np.int64)
    heard = max(1, int(np.searchsorted(edges[1:], log_mag.shape[1], side="right")))
    return _above_surroundings(_levels(log_mag, edges[: heard + 1]))


def _levels(log_mag: Floats, edges: Longs) -> Floats:
    """Return (frames, bands), the highest level of each band; edges: (bands + 1,) bins."""
    *lowest, end = edges.clip(max=log_mag.shape[1]).tolist()
    lowest = np.minimum(lowest, end - 1)  # of a spectrogram that ends lower, its last bin
    level: Floats = np.maximum.reduceat(log_mag[:, :end], lowest, axis=1)
    return level


def _above_surroundings(level: Floats) -> Floats:
    """Return the contrast of the levels of bands; both (frames, bands)."""
    around = np.pad(level.max(axis=1), _HALF_DEPTH_FRAMES, constant_values=-np.inf)
    loudest = np.lib.stride_tricks.sliding_window_view(around, 2 * _HALF_DEPTH_FRAMES + 1)
    least = np.maximum(loudest.max(axis=1) - np.float32(_DEPTH), np.float32(_FLOOR))
    level = np.maximum(level, least[:, None])
    above: Floats = np.sqrt((level - _local_mean(level)).clip(min=0))
    return above.astype(np.float32, copy=False)


def _local_mean(level: Floats) -> Floats:
    """Return the mean of a box around each value; the border is repeated beyond it."""
    half = _MEAN // 2
    total = np.pad(level.astype(np.float64), ((half + 1, half), (half + 1, half)), mode="edge")
    total = np.cumsum(total, axis=0)
    total = np.cumsum(total[_MEAN:] - total[:-_MEAN], axis=1)
    total = total[:, _MEAN:] - total[:, :-_MEAN]
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
    patterns = windows.reshape(-1, BANDS) @ cosine_basis(BANDS, PATTERNS)
    return over_time(patterns.reshape(-1, WINDOW, PATTERNS))


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


def over_time(patterns: Floats) -> Floats:
    """Return (n, TIMES * PATTERNS), the slow cosines over time of (n, WINDOW, PATTERNS)."""
    slow: Floats = cosine_basis(WINDOW, TIMES).T @ patterns
    return slow.reshape(len(patterns), -1)


@lru_cache(maxsize=2)
def cosine_basis(n: int, count: int) -> Floats:
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
    codes = packed(cosines(centred) @ projections.recording - projections.recording_mean)
    codes[windows.mean(axis=(1, 2)) < SILENT] = 0
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


def packed(values: Floats) -> Codes:
    """Return (n, words) of the signs of (n, bits), the first in the least significant bit."""
    octets = np.packbits(values > 0, axis=1, bitorder="little")
    codes: Codes = octets.view("<u8").astype(np.uint64)
    return codes


def signs(codes: Codes) -> Floats:
    """Return (..., bits) of -1 and 1, from (..., words)."""
    octets = np.ascontiguousarray(codes, "<u8").view(np.uint8)
    bits: Floats = np.unpackbits(octets, axis=-1, bitorder="little").astype(np.float32)
    return bits * 2 - 1
