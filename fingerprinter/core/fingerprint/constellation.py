"""The stored form of a recording's peaks, in about 20 bits each.

The packed constellation is what a library keeps of a recording. Landmarks are derived from it, so
an index can be rebuilt without the audio, and a match is verified against it.
"""

from __future__ import annotations

import numpy as np

from fingerprinter.core.fingerprint.peaks import PARTS
from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError, encode_blocks
from fingerprinter.types import Peaks

_BIN_BITS = 12  # quarter bins, below the quarter frame in a packed value: bins up to 1023
# Salience in half nepers from -4.5 to 3, a range that holds 90 % of all stored peaks. Three bits
# instead of four lose a third of its benefit, and finer steps add nothing.
_SALIENCE_BITS, _MIN_SALIENCE, _SALIENCE_STEP = 4, -4.5, 0.5
# Marks the format with salience. The format without it starts with a checksum, which equals these
# four bytes with a probability of 1 in 4 billion.
_MAGIC_WITH_SALIENCE = b"fpp2"


def pack_peaks(peaks: Peaks) -> bytes:
    """Pack the frames and bins of peaks, to a quarter each, and their coarse salience.

    Parameters
    ----------
    peaks : Peaks
        The peaks in any order. Their grade is not stored.

    Returns
    -------
    bytes
        Empty if there are no peaks.

    Examples
    --------
    >>> one = np.array([7.25], np.float32)
    >>> unpack_peaks(pack_peaks(Peaks(one, one, one))).frames
    array([7.25], dtype=float32)
    """
    if len(peaks) == 0:
        return b""
    # The vertex of a peak in frame 0 may lie half a frame before the start.
    frames = np.rint((peaks.frames + 0.5) * PARTS).astype(np.int64)
    bins = np.rint(peaks.bins * PARTS).astype(np.int64)
    steps = np.rint((peaks.salience - _MIN_SALIENCE) / _SALIENCE_STEP).astype(np.int64)
    steps = steps.clip(0, (1 << _SALIENCE_BITS) - 1)
    values = np.sort((((frames << _BIN_BITS) + bins) << _SALIENCE_BITS) + steps)
    return _MAGIC_WITH_SALIENCE + encode_blocks(values, np.array([len(values)]))[0]


def unpack_peaks(data: bytes) -> Peaks:
    """Unpack the peaks that `pack_peaks` has packed.

    Returns
    -------
    Peaks
        Sorted by (frame, bin). Salience is NaN if the data has the format without it.

    Raises
    ------
    DamagedBlockError
        The bytes are not what was written.
    """
    has_salience = data.startswith(_MAGIC_WITH_SALIENCE)
    block = data[len(_MAGIC_WITH_SALIENCE) :] if has_salience else data
    values = Blocks([block] if block else []).values()
    salience = np.full(len(values), np.nan)
    if has_salience:
        salience = (values & ((1 << _SALIENCE_BITS) - 1)) * _SALIENCE_STEP + _MIN_SALIENCE
        values >>= _SALIENCE_BITS
    frames, bins = values >> _BIN_BITS, values & ((1 << _BIN_BITS) - 1)
    return Peaks(
        (frames / PARTS - 0.5).astype(np.float32),
        (bins / PARTS).astype(np.float32),
        salience.astype(np.float32),
    )


__all__ = ["DamagedBlockError", "pack_peaks", "unpack_peaks"]
