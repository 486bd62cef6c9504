"""Spectral peaks: the points of a spectrogram that survive noise, rooms and codecs [1]_.

A peak is a local maximum of the spectrogram. Peaks are chosen by *salience*, which is how far they
stand above their surroundings, at an even density in time. So quiet passages are described as well
as loud ones.

References
----------
.. [1] A. Wang, "An industrial-strength audio search algorithm", ISMIR 2003.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from fingerprinter.core.arrays import Doubles, Floats, Grades, Indices
from fingerprinter.core.fingerprint.clip_sketch import ClipSpectrum
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.sketch import SURROUNDINGS, contrast
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.numeric import compiled
from fingerprinter.types import Peaks

Box: TypeAlias = tuple[int, int]  # frames, bins

PARTS = 4  # the place of a peak is kept to a quarter of a frame and of a bin
BLOCK_FRAMES = 512  # 16 s: long enough to hide the overhead of calls, short enough for the cache
LIVE_BLOCK_FRAMES = 64  # 2 s, so that the answer to live sound does not wait
RANK_FRAMES = 15  # peaks compete with those within this many frames on either side (0.5 s)

_BIN_BITS, _INDEX_BITS = 12, 28  # of a sorting key: enough for more than a day of audio


@dataclass(frozen=True, slots=True)
class PeakChunk:
    """The next part of a constellation.

    Attributes
    ----------
    peaks : Peaks
        All peaks of the frames before ``end`` that no earlier chunk had.
    end : int
        Frame before which all peaks are known.
    spectrum : ClipSpectrum
        Contrast and log magnitude of the same frames. The default is no frames.
    """

    peaks: Peaks
    end: int
    spectrum: ClipSpectrum = field(default_factory=ClipSpectrum.empty)


def find_peaks(
    blocks: Iterable[Floats],
    params: LandmarkParams,
    inner_boxes: Sequence[Box] = (),
    block_frames: int = BLOCK_FRAMES,
) -> Peaks:
    """Find every local maximum of the spectrogram, interpolated in time and frequency.

    Parameters
    ----------
    blocks : iterable of (n,) float32
        Consecutive mono samples at ``params.sr``, in blocks of any length.
    inner_boxes : sequence of (frames, bins)
        Boxes inside that of ``params``, the widest first. The maximum of one of them is a peak
        too, and its grade tells which box it is.
    block_frames : int
        Frames of the spectrogram that are computed together. Memory use grows with it.

    Returns
    -------
    Peaks
        Sorted by (frame, bin). They are the same to the last bit however the audio is cut.
    """
    chunks = peak_chunks(blocks, params, inner_boxes, block_frames)
    return sort_by_frame(concat_peaks([chunk.peaks for chunk in chunks]))


def peak_chunks(
    blocks: Iterable[Floats],
    params: LandmarkParams,
    inner_boxes: Sequence[Box] = (),
    block_frames: int = BLOCK_FRAMES,
) -> Iterator[PeakChunk]:
    """Find peaks while the audio comes in.

    A frame is decided once all of its surroundings are known. The parameters are those of
    `find_peaks`, which returns all chunks as one.
    """
    boxes = [(params.peak_frames, params.peak_bins), *inner_boxes]
    halo = max(params.mean_frames // 2, params.peak_frames // 2, SURROUNDINGS)
    rows = np.empty((0, params.max_bin + 1), np.float32)
    first, done = 0, 0  # the first frame of rows; the frames that are decided
    for part in _spectrograms(blocks, params, block_frames):
        rows = np.concatenate([rows, part])
        ready = max(done, first + len(rows) - halo)
        yield _chunk_of_rows(rows, first, done, ready, params, boxes)
        keep = max(first, ready - halo)
        rows, first, done = rows[keep - first :], keep, ready
    yield _chunk_of_rows(rows, first, done, first + len(rows), params, boxes)


def _spectrograms(
    blocks: Iterable[Floats], params: LandmarkParams, block_frames: int
) -> Iterator[Floats]:
    """Yield parts of one spectrogram, of equal length however the audio is cut.

    Sums over equal parts are rounded alike, so peaks are the same to the last bit.
    """
    hops = block_frames * params.hop_length
    needed = hops - params.hop_length + params.n_fft
    pending = np.empty(0, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        while len(pending) >= needed:
            yield log_spectrogram(pending[:needed], params)
            pending = pending[hops:]
    yield log_spectrogram(pending, params)


def _chunk_of_rows(
    rows: Floats, first: int, start: int, end: int, params: LandmarkParams, boxes: Sequence[Box]
) -> PeakChunk:
    """Find the peaks between two frames, with all rows as surroundings; rows begin at `first`."""
    at, bins, grade = local_maxima(rows, boxes, params.floor)
    inside = (at >= start - first) & (at < end - first)
    inside &= (bins >= params.min_bin) & (bins < params.max_bin)
    at, bins, grade = at[inside], bins[inside], grade[inside]
    level = rows[at, bins]
    # The level of a frame as one peak with all of its power would have it, and of the loudest near
    half, frame_level = params.mean_frames // 2, np.log(np.exp(2 * rows).sum(axis=1)) / 2
    padded = np.pad(frame_level, half, constant_values=-np.inf)
    loudest = sliding_max(padded, 2 * half + 1, 0)[at]
    salience = level - local_mean(rows, at, bins, params) + params.level_weight * (level - loudest)
    before, after = np.maximum(at - 1, 0), np.minimum(at + 1, len(rows) - 1)
    frames = _interpolated(at, rows[before, bins], level, rows[after, bins])
    exact_bins = _interpolated(bins, rows[at, bins - 1], level, rows[at, bins + 1])
    peaks = Peaks(frames + np.float32(first), exact_bins, salience.astype(np.float32), grade)
    above = contrast(rows, start - first, end - first)
    spectrum = ClipSpectrum(above, rows[start - first : end - first])
    return PeakChunk(sort_by_frame(peaks), end, spectrum)


def local_maxima(
    log_mag: Floats, boxes: Sequence[Box], floor: float
) -> tuple[Indices, Indices, Grades]:
    """Find the (rows, columns, grades) of the local maxima; boxes: the widest first.

    A grade counts the boxes around a maximum that hold a greater value.
    """
    kernels = compiled.kernels()
    if kernels:
        found = kernels.maxima(log_mag, np.array(boxes) // 2, np.float32(floor))
        return found[0].astype(np.intp), found[1].astype(np.intp), found[2]
    *wider, narrowest = boxes
    maxima = (log_mag >= _box_max(log_mag, narrowest)) & (log_mag > floor)
    rows, cols = np.divmod(np.flatnonzero(maxima), log_mag.shape[1])  # a tenth of `nonzero`'s time
    grade = np.zeros(len(rows), np.int8)
    for box in wider:
        grade += _box_max(log_mag, box)[rows, cols] > log_mag[rows, cols]
    return rows, cols, grade


def _box_max(log_mag: Floats, box: Box) -> Floats:
    """Maximum of the box of (frames, bins) around each value; same shape."""
    half_frames, half_bins = box[0] // 2, box[1] // 2
    padded = np.pad(log_mag, ((half_frames,) * 2, (half_bins,) * 2), constant_values=-np.inf)
    return sliding_max(sliding_max(padded, box[0], 0), box[1], 1)


def sliding_max(values: Floats, width: int, axis: int) -> Floats:
    """Maximum over ``width`` neighbours along ``axis``; shorter by width - 1.

    The width is doubled in each vectorised pass, so log2(width) passes are enough.
    """
    values = np.moveaxis(values, axis, 0)
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        values = np.maximum(values[:-step], values[step:])
        reach += step
    return np.moveaxis(values, 0, axis)


def local_mean(log_mag: Floats, rows: Indices, cols: Indices, params: LandmarkParams) -> Doubles:
    """Mean of the box around each of the given points, cut at the borders.

    Sums are exact, except where a level is within 0.005 neper of full scale. So it does not matter
    in which order they are made.
    """
    half = params.mean_bins // 2
    top = np.maximum(rows - params.mean_frames // 2, 0)
    bottom = np.minimum(rows + params.mean_frames // 2 + 1, log_mag.shape[0])
    left, right = np.maximum(cols - half, 0), np.minimum(cols + half + 1, log_mag.shape[1])
    kernels = compiled.kernels()
    if kernels:
        integral = np.zeros((log_mag.shape[0] + 1, log_mag.shape[1] + 1))
        kernels.integrate(log_mag, integral)
        total = integral[bottom, right] - integral[top, right]
        total -= integral[bottom, left] - integral[top, left]
    else:
        # Few points need the sum over bins. To add all rows is five times as fast as all columns.
        columns = np.zeros((log_mag.shape[0] + 1, log_mag.shape[1] + 2 * half))
        columns[1:, half : half + log_mag.shape[1]] = log_mag
        for above, row in pairwise(columns):
            row += above
        boxes = np.lib.stride_tricks.sliding_window_view(columns, 2 * half + 1, axis=1)
        total = (boxes[bottom, cols] - boxes[top, cols]).sum(axis=1)
    return total / ((bottom - top) * (right - left))


def _interpolated(places: Indices, before: Floats, middle: Floats, after: Floats) -> Floats:
    """Move places to the vertex of the parabola through three neighbours, at most half a step.

    They are rounded to what a library keeps, so that stored peaks have the hashes of fresh ones.
    """
    bend = before - 2 * middle + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(middle), where=bend < -1e-6)
    return (np.rint((places + shift.clip(-0.5, 0.5)) * PARTS) / PARTS).astype(np.float32)


def sort_by_frame(peaks: Peaks) -> Peaks:
    """Sort peaks by (frame, bin).

    Interpolation can swap neighbours, so found peaks are sorted again. Frame, bin and index are
    sorted as one number, in a fifth of the time of a sort by two keys.
    """
    places = np.rint(np.stack([peaks.frames, peaks.bins]) * PARTS).astype(np.int64)
    keys = (((places[0] << _BIN_BITS) + places[1]) << _INDEX_BITS) + np.arange(len(peaks))
    keys.sort()
    return peaks.take(keys & ((1 << _INDEX_BITS) - 1))


def sort_by_bin(peaks: Peaks) -> Peaks:
    """Sort peaks by bin. Peaks of one bin keep their order."""
    quarters = np.rint(peaks.bins * PARTS).astype(np.int16)  # radix sort, 30 times as fast
    return peaks.take(np.argsort(quarters, kind="stable"))


def concat_peaks(parts: Sequence[Peaks]) -> Peaks:
    """Join peaks end to end; there must be at least one part."""
    columns = zip(*map(attrgetter(*Peaks.__slots__), parts), strict=True)
    return Peaks(*map(np.concatenate, columns))


def detune(peaks: Peaks, bins: float) -> Peaks:
    """Raise peaks by a fraction of a bin."""
    return replace(peaks, bins=peaks.bins + np.float32(bins))


def limit_density(peaks: Peaks, per_s: float, params: LandmarkParams) -> Peaks:
    """Keep the most salient peaks, about ``per_s`` in every second.

    A peak is kept if fewer than ``per_s`` peaks a second are more salient within half a second of
    it. There is no fixed grid of seconds, so a clip keeps the same peaks as its recording.

    Parameters
    ----------
    peaks : Peaks
        Sorted by frame.
    """
    quota = per_s * (2 * RANK_FRAMES + 1) * params.hop_s
    frames, salience = peaks.frames, peaks.salience
    beaten_by = np.zeros(len(frames), np.int32)  # the number of more salient peaks nearby
    kernels = compiled.kernels()
    if kernels:
        kernels.beaten_by(frames, salience, RANK_FRAMES, beaten_by)
        return peaks.take(beaten_by < quota)
    for step in range(1, len(frames)):
        near = frames[step:] - frames[:-step] <= RANK_FRAMES
        if not near.any():
            break
        later_wins = salience[step:] > salience[:-step]
        beaten_by[:-step] += near & later_wins
        beaten_by[step:] += near & ~later_wins
    return peaks.take(beaten_by < quota)
