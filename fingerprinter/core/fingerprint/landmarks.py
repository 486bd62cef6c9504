"""Landmarks: pairs of peaks, each a hash of two frequencies and the time between (Wang 2003)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.params import LandmarkParams, QueryParams
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.numeric import compiled
from fingerprinter.types import Landmarks, Peaks

Ints = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.int32] | npt.NDArray[np.float32]


def hash_bits(params: LandmarkParams) -> int:
    """Bits of a hash: anchor bin, bin difference, frame difference."""
    return (
        params.max_bin.bit_length()
        + (2 * params.max_df + 1).bit_length()
        + params.max_dt.bit_length()
    )


def pair_hash(bins: Ints, df: Ints, dt: Ints, params: LandmarkParams) -> npt.NDArray[np.uint32]:
    """The hash of an anchor at ``bins`` and a target ``df`` bins higher, ``dt`` frames later."""
    df_bits = (2 * params.max_df + 1).bit_length()
    dt_bits = params.max_dt.bit_length()
    high = bins.astype(np.uint32) << np.uint32(df_bits + dt_bits)
    middle = (df + params.max_df).astype(np.uint32) << np.uint32(dt_bits)
    return high + middle + dt.astype(np.uint32)


def _rounded(places: npt.NDArray[np.float32]) -> Ints:
    """Nearest integers, halves always up.

    `np.rint` takes halves to the even neighbour. A quarter of all peaks lie at half a
    frame, and the same two peaks, an odd number of frames later, would hash anew:
    that cost 9 % of the votes of clean clips, 5 % of those at -5 dB.
    """
    return np.floor(places + np.float32(0.5)).astype(np.int32)


def make_landmarks(
    peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float = 0.0
) -> Landmarks:
    """Pairs each peak with the ``fan_out`` nearest later peaks of its target zone.

    peaks: sorted by frame
    phase: fraction of a frame added to the times before they are rounded; a clip, whose
        frames lie anywhere between the recording's, is tried at several
    """
    return pair_peaks(peaks, params, fan_out, phase)[0]


def pair_peaks(
    peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float = 0.0
) -> tuple[Landmarks, Indices, Indices]:
    """(landmarks, anchors, targets): also which two peaks each landmark is made of."""
    frames = _rounded(peaks.frames + np.float32(phase))
    bins = _rounded(peaks.bins)
    order = np.lexsort((bins, frames))
    limits = params.min_dt, params.max_dt, params.max_df
    of_order = _pairs(frames[order], bins[order], *limits, fan_out)
    anchors, targets = (order[which] for which in of_order)
    df, dt = bins[targets] - bins[anchors], frames[targets] - frames[anchors]
    marks = Landmarks(pair_hash(bins[anchors], df, dt, params), frames[anchors])
    return marks, anchors, targets


def shifted_landmarks(
    clip: Peaks, params: LandmarkParams, query: QueryParams, fan_out: int
) -> list[Landmarks]:
    """The landmarks of a clip at every phase of a frame and every detuning of a bin.

    Its frames lie anywhere between the recording's, and noise moves peaks across the
    borders of bins: some of these are those of the recording.
    """
    phases, detunings = np.array(list(product(query.phases, query.detunings)), np.float32).T
    limits = params.min_dt - 0.5, params.max_dt + 0.5, params.max_df + 0.5
    pairs = _pairs(clip.frames, clip.bins, *limits, fan_out)
    frames = _rounded(clip.frames + phases[:, np.newaxis])
    return _landmarks_of_pairs(
        frames, _rounded(clip.bins + detunings[:, np.newaxis]), pairs, params
    )


def warped_landmarks(
    clip: Peaks, warps: Sequence[Warp], params: LandmarkParams, fan_out: int
) -> list[Landmarks]:
    """The landmarks of a clip under each of many warps.

    The pairs are chosen once, from a zone that is wide enough for every warp: a fiftieth of
    the time of making the landmarks of each, and nearly the same ones.
    """
    tempos = np.array([[warp.tempo] for warp in warps], np.float32)
    pitches = np.array([[warp.pitch] for warp in warps], np.float32)
    longest, widest = params.max_dt / float(tempos.min()), params.max_df * float(pitches.max())
    pairs = _pairs(clip.frames, clip.bins, params.min_dt / 2, longest, widest, fan_out)
    frames, bins = _rounded(clip.frames * tempos), _rounded(clip.bins / pitches)
    return _landmarks_of_pairs(frames, bins, pairs, params)


def _landmarks_of_pairs(
    frames: Ints, bins: Ints, pairs: tuple[Indices, Indices], params: LandmarkParams
) -> list[Landmarks]:
    """Of each variant of some peaks; frames, bins: (variants, peaks)."""
    anchors, targets = pairs
    df, dt = bins[:, targets] - bins[:, anchors], frames[:, targets] - frames[:, anchors]
    fits = (dt >= params.min_dt) & (dt <= params.max_dt) & (np.abs(df) <= params.max_df)
    hashes = pair_hash(bins[:, anchors], df, dt, params)
    return [
        Landmarks(hashes[row, which], frames[row, anchors[which]])
        for row, which in enumerate(map(np.flatnonzero, fits))
    ]


def _pairs(
    frames: Numbers, bins: Numbers, min_dt: float, max_dt: float, max_df: float, fan_out: int
) -> tuple[Indices, Indices]:
    """Indices of (anchors, targets): of each peak the nearest later ones of its zone.

    frames: (n,), sorted; bins: (n,)
    """
    kernels = compiled.kernels()
    if kernels:
        found = np.empty((2, len(frames) * fan_out), np.intp)
        limits = np.array([min_dt, max_dt, max_df], frames.dtype)
        n = kernels.paired(frames, bins, *limits, fan_out, *found)
        return found[0, :n], found[1, :n]
    anchors, targets = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    taken = np.zeros(len(frames), np.int32)
    for step in range(1, len(frames)):
        dt = frames[step:] - frames[:-step]
        if not (dt <= max_dt).any():
            break
        df = np.abs(bins[step:] - bins[:-step])
        fits = (dt >= min_dt) & (dt <= max_dt) & (df <= max_df) & (taken[:-step] < fan_out)
        which = np.flatnonzero(fits)
        taken[which] += 1
        anchors.append(which)
        targets.append(which + step)
    return np.concatenate(anchors), np.concatenate(targets)
