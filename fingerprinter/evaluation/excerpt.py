"""Reading a part of a file without decoding what lies before it."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio

SR = 16_000  # Hz; of everything in this package
Samples = npt.NDArray[np.float32]


def read_excerpt(path: str | os.PathLike[str], start_s: float, n: int) -> Samples:
    """``n`` samples of a file from ``start_s`` on, or as many as there are, at least one.

    Raises `AudioError` where it cannot be read or ends before.
    """
    with open_audio(path, SR, start_s=start_s) as audio:
        return next(audio.blocks(n / SR))
