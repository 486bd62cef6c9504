"""Samples -> a WAV file."""

from __future__ import annotations

import os
import wave
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_FULL_SCALE = 32_767


class WavWriter:
    """A WAV file that grows: mono, 16-bit PCM. A context manager."""

    def __init__(self, path: str | os.PathLike[str], sr: int) -> None:
        """Makes the file; raises `OSError` where that cannot be done."""
        with ExitStack() as resources:
            file = resources.enter_context(Path(path).open("wb"))
            self._wav: wave.Wave_write = resources.enter_context(wave.open(file, "wb"))
            self._wav.setparams((1, 2, sr, 0, "NONE", ""))
            self._resources = resources.pop_all()

    def write(self, samples: npt.NDArray[np.floating[Any]]) -> None:
        """The next samples, (n,) float of full scale 1; louder ones are clipped."""
        pcm = np.rint(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
        self._wav.writeframes(pcm.tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()


def write_wav(
    path: str | os.PathLike[str], samples: npt.NDArray[np.floating[Any]], sr: int
) -> None:
    """Writes mono samples, (n,) float of full scale 1, as 16-bit PCM; louder ones are clipped."""
    with WavWriter(path, sr) as wav:
        wav.write(samples)
