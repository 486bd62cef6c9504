"""The outline of a recording: its loudest sample in each thousandth of its length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats

POINTS = 1000
_FIRST_BUCKET = 256  # samples
_MAX_BUCKETS = 1 << 14  # then two become one, so that memory stays bounded: 64 KB


class WaveformOutline:
    """Finds the outline of a recording of unknown length, block by block.

    Examples
    --------
    >>> outline = WaveformOutline()
    >>> outline.push(np.linspace(0, 1, 512_000, dtype=np.float32))
    >>> outline.points()[[0, 500, 999]].tolist()
    [0, 128, 255]
    """

    def __init__(self) -> None:
        self._bucket = _FIRST_BUCKET
        self._peaks = np.empty(0, np.float32)
        self._rest = np.empty(0, np.float32)  # samples that do not fill a bucket yet

    def push(self, block: Floats) -> None:
        """Take the next samples, (n,) float32."""
        samples = np.concatenate([self._rest, np.abs(block)])
        whole = len(samples) // self._bucket * self._bucket
        peaks = samples[:whole].reshape(-1, self._bucket).max(axis=1)
        self._peaks, self._rest = np.concatenate([self._peaks, peaks]), samples[whole:]
        while len(self._peaks) > _MAX_BUCKETS:
            even = len(self._peaks) // 2 * 2
            left = np.repeat(self._peaks[even:], self._bucket)
            self._rest = np.concatenate([left, self._rest])
            self._peaks = self._peaks[:even].reshape(-1, 2).max(axis=1)
            self._bucket *= 2

    def points(self) -> npt.NDArray[np.uint8]:
        """Return the outline, (1000,) uint8: 255 is full scale."""
        peaks = np.concatenate([self._peaks, [self._rest.max(initial=0)]])
        starts = np.arange(POINTS) * len(peaks) // POINTS
        loudest = np.maximum.reduceat(peaks, starts) if len(peaks) >= POINTS else peaks[starts]
        return np.round(255 * np.clip(loudest, 0, 1)).astype(np.uint8)
