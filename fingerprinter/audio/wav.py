"""Samples -> a WAV file."""

from __future__ import annotations

import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_FULL_SCALE = 32_767


def write_wav(
    path: str | os.PathLike[str], samples: npt.NDArray[np.floating[Any]], sr: int
) -> None:
    """Writes mono samples, (n,) float of full scale 1, as 16-bit PCM; louder ones are clipped."""
    pcm = np.rint(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
    with Path(path).open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(pcm.itemsize)
        wav.setframerate(sr)
        wav.writeframes(pcm.tobytes())
