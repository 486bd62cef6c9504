"""Spectral peaks: which points of a spectrogram survive noise, rooms and codecs.

After Wang 2003 ("An industrial-strength audio search algorithm"): local maxima,
chosen by *salience* (how far they stand above their surroundings) at an even
density in time, so that quiet passages are described as well as loud ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.sketch import BANDS, SURROUNDINGS, contrast
from fingerprinter.core.fingerprint.spectrogram import Floats, log_spectrogram
from fingerprinter.core.numeric import compiled
from fingerprinter.types import Peaks

Box = tuple[int, int]  # frames, bins

PARTS = 4  # a peak's place is kept to a quarter of a frame and of a bin

_BLOCK_FRAMES = 512  # 16 s: big enough to hide the overhead of calls, small enough for the cache
_BIN_BITS, _INDEX_BITS = 12, 28  # of a peak's place, when sorted: for more than a day of sound
_RANK_FRAMES = 15  # peaks compete with those within so many frames on either side (0.5 s)


@dataclass(frozen=True, slots=True)
class PeakChunk:
    """Part of a constellation: the peaks of all frames before ``end`` that no part before had.

    contrast: (frames, bands) of the same frames, see `fingerprinter.core.fingerprint.sketch`; default: none
    """

    peaks: Peaks
    end: int
    contrast: Floats = field(default_factory=lambda: np.empty((0, BANDS), np.float32))


def _sliding_max(a: Floats, width: int, axis: int) -> Floats:
    """Maximum over ``width`` neighbours along ``axis``; shorter by width - 1.

    By doubling: log2(width) vectorised passes instead of ``width``.
    """
    a = np.moveaxis(a, axis, 0)
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        a = np.maximum(a[:-step], a[step:])
        reach += step
    return np.moveaxis(a, 0, axis)


def _highest(log_mag: Floats, box: Box) -> Floats:
    """The greatest value around each one, in a box of (frames, bins); same shape."""
    half_frames, half_bins = box[0] // 2, box[1] // 2
    padded = np.pad(log_mag, ((half_frames,) * 2, (half_bins,) * 2), constant_values=-np.inf)
    return _sliding_max(_sliding_max(padded, box[0], 0), box[1], 1)


def _maxima(
    log_mag: Floats, boxes: Sequence[Box], floor: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.int8]]:
    """(rows, columns, grades) of the local maxima.

    boxes: the widest first; a grade counts those of which a maximum is not the greatest
    """
    kernels = compiled.kernels()
    if kernels:
        found = kernels.maxima(log_mag, np.array(boxes) // 2, np.float32(floor))
        return found[0].astype(np.intp), found[1].astype(np.intp), found[2]
    *wider, narrowest = boxes
    rows, cols = np.nonzero((log_mag >= _highest(log_mag, narrowest)) & (log_mag > floor))
    grade = np.zeros(len(rows), np.int8)
    for box in wider:
        grade += _highest(log_mag, box)[rows, cols] > log_mag[rows, cols]
    return rows, cols, grade


def _local_mean(
    log_mag: Floats, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], params: LandmarkParams
) -> npt.NDArray[np.float64]:
    """Mean of the box around each of the given points, cut at the borders."""
    integral = np.zeros((log_mag.shape[0] + 1, log_mag.shape[1] + 1))
    kernels = compiled.kernels()
    if kernels:
        kernels.integrate(log_mag, integral)
    else:
        np.cumsum(log_mag, axis=0, out=integral[1:, 1:])
        np.cumsum(integral[1:, 1:], axis=1, out=integral[1:, 1:])
    top = np.maximum(rows - params.mean_frames // 2, 0)
    bottom = np.minimum(rows + params.mean_frames // 2 + 1, log_mag.shape[0])
    left = np.maximum(cols - params.mean_bins // 2, 0)
    right = np.minimum(cols + params.mean_bins // 2 + 1, log_mag.shape[1])
    total = integral[bottom, right] - integral[top, right]
    total -= integral[bottom, left] - integral[top, left]
    return total / ((bottom - top) * (right - left))


def _loudest(log_mag: Floats, params: LandmarkParams) -> Floats:
    """The level of the loudest frame around each frame, as a peak of all its power would have."""
    level = np.log(np.exp(2 * log_mag).sum(axis=1)) / 2
    half = params.mean_frames // 2
    padded = np.pad(level, half, constant_values=-np.inf)
    return _sliding_max(padded, 2 * half + 1, 0)


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Where the parabola through three neighbours has its top, -0.5..0.5 around the middle."""
    bend = before - 2 * at + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(at), where=bend < -1e-6)
    return shift.clip(-0.5, 0.5)


def _peaks_between(
    log_mag: Floats, start: int, stop: int, params: LandmarkParams, boxes: Sequence[Box]
) -> Peaks:
    """The peaks in rows start..stop of a spectrogram, seen with all of it as surroundings."""
    rows, cols, grade = _maxima(log_mag, boxes, params.floor)
    inside = (rows >= start) & (rows < stop) & (cols >= params.min_bin) & (cols < params.max_bin)
    rows, cols, grade = rows[inside], cols[inside], grade[inside]
    at = log_mag[rows, cols]
    salience = at - _local_mean(log_mag, rows, cols, params)
    salience += params.level_weight * (at - _loudest(log_mag, params)[rows])
    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 1, len(log_mag) - 1)
    frames = rows + _vertex(log_mag[before, cols], at, log_mag[after, cols])
    bins = cols + _vertex(log_mag[rows, cols - 1], at, log_mag[rows, cols + 1])
    return Peaks(_quantised(frames), _quantised(bins), salience.astype(np.float32), grade)


def _spectrograms(blocks: Iterable[Floats], params: LandmarkParams) -> Iterator[Floats]:
    """Stretches of one spectrogram, of `_BLOCK_FRAMES` frames however the audio is cut.

    Sums over a stretch round alike then, and peaks are the same to the last bit.
    """
    hops = _BLOCK_FRAMES * params.hop_length
    needed = hops - params.hop_length + params.n_fft
    pending = np.empty(0, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        while len(pending) >= needed:
            yield log_spectrogram(pending[:needed], params)
            pending = pending[hops:]
    yield log_spectrogram(pending, params)


def peak_chunks(
    blocks: Iterable[Floats], params: LandmarkParams, narrower: Sequence[Box] = ()
) -> Iterator[PeakChunk]:
    """Peaks while the audio comes in, each decided with its full surroundings in view.

    blocks, narrower: as for `find_peaks`, which gives all of them at once
    """
    boxes = [(params.peak_frames, params.peak_bins), *narrower]
    halo = max(params.mean_frames // 2, params.peak_frames // 2, SURROUNDINGS)
    rows, first, done = np.empty((0, params.max_bin + 1), np.float32), 0, 0
    for part in _spectrograms(blocks, params):
        rows = np.concatenate([rows, part])
        ready = max(done, first + len(rows) - halo)
        yield _stretch(rows, first, done, ready, params, boxes)
        keep = max(first, ready - halo)
        rows, first, done = rows[keep - first :], keep, ready
    yield _stretch(rows, first, done, first + len(rows), params, boxes)


def _stretch(
    rows: Floats, first: int, done: int, end: int, params: LandmarkParams, boxes: Sequence[Box]
) -> PeakChunk:
    """What lies between two frames, of a spectrogram that begins at a first one."""
    peaks = _peaks_between(rows, done - first, end - first, params, boxes)
    moved = replace(peaks, frames=peaks.frames + np.float32(first))
    return PeakChunk(sort_by_frame(moved), end, contrast(rows, done - first, end - first))


def sort_by_frame(peaks: Peaks) -> Peaks:
    """Sorted by (frame, bin): interpolation reorders neighbours.

    One number of frame, bin and index: sorting it takes a fifth of the time of sorting by two.
    """
    places = np.rint(np.stack([peaks.frames, peaks.bins]) * PARTS).astype(np.int64)
    keys = (((places[0] << _BIN_BITS) + places[1]) << _INDEX_BITS) + np.arange(len(peaks))
    keys.sort()
    return peaks.take(keys & ((1 << _INDEX_BITS) - 1))


def _quantised(places: npt.NDArray[np.floating]) -> Floats:
    """Rounded to what a library keeps, so that stored peaks hash like fresh ones."""
    return (np.rint(places * PARTS) / PARTS).astype(np.float32)


def find_peaks(
    blocks: Iterable[Floats], params: LandmarkParams, narrower: Sequence[Box] = ()
) -> Peaks:
    """Every local maximum of the audio's spectrogram, interpolated in time and frequency.

    blocks: mono float32 at ``params.sr``, consecutive, of any lengths; memory stays at a block
    narrower: boxes of (frames, bins) within that of the params, the widest first; the greatest
        of one of them is a peak, too, and its grade tells which
    """
    parts = [stretch.peaks for stretch in peak_chunks(blocks, params, narrower)]
    return sort_by_frame(concat_peaks(parts))


def concat_peaks(parts: Sequence[Peaks]) -> Peaks:
    """Peaks end to end; at least one part."""
    return Peaks(*(np.concatenate([getattr(p, n) for p in parts]) for n in Peaks.__slots__))


def limit_density(peaks: Peaks, per_s: float, params: LandmarkParams) -> Peaks:
    """The most salient peaks, about ``per_s`` in every second.

    A peak stays if fewer than its share of the neighbours within half a second
    beat it: no fixed grid of seconds, so a clip keeps what its recording keeps.
    """
    quota = per_s * (2 * _RANK_FRAMES + 1) * params.hop_s
    return peaks.take(_beaten_by(peaks.frames, peaks.salience) < quota)


def _beaten_by(frames: Floats, salience: Floats) -> npt.NDArray[np.int32]:
    """How many neighbours of each peak are more salient."""
    beaten_by = np.zeros(len(frames), np.int32)
    kernels = compiled.kernels()
    if kernels:
        kernels.beaten_by(frames, salience, _RANK_FRAMES, beaten_by)
        return beaten_by
    for step in range(1, len(frames)):
        near = frames[step:] - frames[:-step] <= _RANK_FRAMES
        if not near.any():
            break
        later_wins = salience[step:] > salience[:-step]
        beaten_by[:-step] += near & later_wins
        beaten_by[step:] += near & ~later_wins
    return beaten_by


def detune(peaks: Peaks, bins: float) -> Peaks:
    """The peaks a fraction of a bin higher."""
    return replace(peaks, bins=peaks.bins + np.float32(bins))


def sort_by_bin(peaks: Peaks) -> Peaks:
    """The peaks sorted by bin, and by frame where bins are equal."""
    quarters = np.rint(peaks.bins * PARTS).astype(np.int16)  # sorted by radix: 30 times as fast
    return peaks.take(np.argsort(quarters, kind="stable"))
