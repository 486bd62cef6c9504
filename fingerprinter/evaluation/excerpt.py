"""Reading a part of a file without decoding what lies before it."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio

SR = 16_000  # Hz; the rate of all samples in this package, unless a module says otherwise
Samples = npt.NDArray[np.float32]


def read_excerpt(path: str | os.PathLike[str], start_s: float, n: int) -> Samples:
    """Read ``n`` samples of a file from ``start_s`` on, or as many as there are, at least one.

    Returns
    -------
    (m,) float32, m <= n
        Mono, at 16 kHz.

    Raises
    ------
    AudioError
        If the file cannot be read or ends before ``start_s``.
    """
    with open_audio(path, SR, start_s=start_s) as audio:
        return next(audio.blocks(n / SR))
