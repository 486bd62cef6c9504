"""Overlapping frames of a stream of samples, the same however it comes in blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class CentredFrames:
    """Cuts a stream into frames; the middle of frame i is sample ``i * hop_length``.

    Before the first sample and after the last there is silence.
    """

    def __init__(self, n: int, hop_length: int) -> None:
        self._n, self._hop = n, hop_length
        self._rest = np.zeros(n // 2, np.float32)
        self._due = 0  # samples taken that are not yet the middle of a frame

    def push(self, block: Floats) -> Floats:
        """The frames that samples (n,) float32 complete: (k, n) float32, maybe none."""
        self._due += len(block)
        return self._cut(np.concatenate([self._rest, block]))

    def finish(self) -> Floats:
        """The last frames, whose middle lies before the end: (k, n) float32."""
        padded = np.concatenate([self._rest, np.zeros(self._n, np.float32)])
        return self._cut(padded)[: -(-self._due // self._hop)]

    def _cut(self, samples: Floats) -> Floats:
        count = max(0, 1 + (len(samples) - self._n) // self._hop)
        self._due -= count * self._hop
        self._rest = samples[count * self._hop :]
        if not count:
            return np.empty((0, self._n), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._n)
        return frames[: count * self._hop : self._hop]
