"""Overlapping frames of a stream of samples, the same however the stream is cut into blocks."""

from __future__ import annotations

import numpy as np

from fingerprinter.core.arrays import Floats


class CentredFrames:
    """Cuts a stream of samples into frames. Frame i is centred on sample ``i * hop_length``.

    There is silence before the first sample and after the last one.

    Parameters
    ----------
    n : int
        Length of a frame, in samples.
    hop_length : int
        Samples from frame to frame.

    Examples
    --------
    >>> frames = CentredFrames(4, 2)
    >>> frames.push(np.arange(1, 6, dtype=np.float32))
    array([[0., 0., 1., 2.],
           [1., 2., 3., 4.]], dtype=float32)
    >>> frames.finish()
    array([[3., 4., 5., 0.]], dtype=float32)
    """

    def __init__(self, n: int, hop_length: int) -> None:
        self._n, self._hop = n, hop_length
        self._rest = np.zeros(n // 2, np.float32)
        self._pending = 0  # samples that came in and are not yet the centre of a frame

    def push(self, block: Floats) -> Floats:
        """Take the next samples, (n,) float32, and return the frames they complete, (k, n)."""
        self._pending += len(block)
        return self._cut(np.concatenate([self._rest, block]))

    def finish(self) -> Floats:
        """End the stream and return the last frames, (k, n) float32."""
        padded = np.concatenate([self._rest, np.zeros(self._n, np.float32)])
        return self._cut(padded)[: -(-self._pending // self._hop)]

    def _cut(self, samples: Floats) -> Floats:
        """Cut whole frames and keep the rest for the next call."""
        count = max(0, 1 + (len(samples) - self._n) // self._hop)
        self._pending -= count * self._hop
        self._rest = samples[count * self._hop :]
        if not count:
            return np.empty((0, self._n), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._n)
        return frames[: count * self._hop : self._hop]
