"""Landmarks: pairs of peaks, each a hash of two frequencies and the time between (Wang 2003)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprinter.core.params import LandmarkParams
from fingerprinter.types import Landmarks, Peaks

Ints = npt.NDArray[np.int32]


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


def landmarks_of(
    peaks: Peaks, params: LandmarkParams, fan_out: int, phase: float = 0.0
) -> Landmarks:
    """Pairs each peak with the ``fan_out`` nearest later peaks of its target zone.

    peaks: sorted by frame
    phase: fraction of a frame added to the times before they are rounded; a clip, whose
        frames lie anywhere between the recording's, is tried at several
    """
    frames = _rounded(peaks.frames + np.float32(phase))
    bins = _rounded(peaks.bins)
    order = np.lexsort((bins, frames))
    frames, bins = frames[order], bins[order]
    hashes, anchors = [], []
    taken = np.zeros(len(frames), np.int32)
    for step in range(1, len(frames)):
        dt = frames[step:] - frames[:-step]
        if not (dt <= params.max_dt).any():
            break
        df = bins[step:] - bins[:-step]
        fits = (dt >= params.min_dt) & (dt <= params.max_dt) & (np.abs(df) <= params.max_df)
        which = np.flatnonzero(fits & (taken[:-step] < fan_out))
        taken[which] += 1
        hashes.append(pair_hash(bins[which], df[which], dt[which], params))
        anchors.append(frames[which])
    if not hashes:
        return Landmarks(np.empty(0, np.uint32), np.empty(0, np.int32))
    return Landmarks(np.concatenate(hashes), np.concatenate(anchors))
