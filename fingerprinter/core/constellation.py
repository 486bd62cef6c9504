"""The constellation: a recording's peaks in about 16 bits each.

It is the analysis that a library keeps. Landmarks are derived from it, so they
can be made anew without the audio, and a match is verified against it.
"""

from __future__ import annotations

import numpy as np

from fingerprinter.core.packing import Blocks, DamagedBlockError, encode_blocks
from fingerprinter.core.peaks import PARTS
from fingerprinter.types import Peaks

_PLACE_BITS = 12  # quarter bins below each quarter frame: bins up to 1023


def pack_peaks(peaks: Peaks) -> bytes:
    """Frames and bins of peaks, to a quarter each; salience is not kept."""
    if len(peaks) == 0:
        return b""
    # half a frame before the start: the vertex of a peak in frame 0 may lie there
    frames = np.rint((peaks.frames + 0.5) * PARTS).astype(np.int64)
    bins = np.rint(peaks.bins * PARTS).astype(np.int64)
    values = np.sort((frames << _PLACE_BITS) + bins)
    return encode_blocks(values, np.array([len(values)]))[0]


def unpack_peaks(data: bytes) -> Peaks:
    """The peaks that `pack_peaks` packed, sorted by (frame, bin), with salience 0.

    Raises `DamagedBlockError` where the bytes are not what was written.
    """
    values = Blocks([data] if data else []).values()
    frames, bins = values >> _PLACE_BITS, values & ((1 << _PLACE_BITS) - 1)
    return Peaks(
        (frames / PARTS - 0.5).astype(np.float32),
        (bins / PARTS).astype(np.float32),
        np.zeros(len(values), np.float32),
    )


__all__ = ["DamagedBlockError", "pack_peaks", "unpack_peaks"]
