"""Write samples to a WAV file."""

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
    """A mono WAV file of 16-bit PCM that is written block by block; a context manager.

    Parameters
    ----------
    path : str or path
        The file to write; an existing file is replaced.
    sr : int
        Sampling rate in Hz.

    Raises
    ------
    OSError
        If the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str], sr: int) -> None:
        with ExitStack() as resources:
            file = resources.enter_context(Path(path).open("wb"))
            self._wav: wave.Wave_write = resources.enter_context(wave.open(file, "wb"))
            self._wav.setparams((1, 2, sr, 0, "NONE", ""))
            self._resources = resources.pop_all()

    def write(self, samples: npt.NDArray[np.floating[Any]]) -> None:
        """Append samples, (n,) float of full scale 1; louder ones are clipped."""
        pcm = np.rint(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2")
        self._wav.writeframes(pcm.tobytes())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()


def write_wav(
    path: str | os.PathLike[str], samples: npt.NDArray[np.floating[Any]], sr: int
) -> None:
    """Write mono samples to a WAV file of 16-bit PCM.

    Parameters
    ----------
    path : str or path
        The file to write; an existing file is replaced.
    samples : (n,) float array
        Samples of full scale 1; louder ones are clipped.
    sr : int
        Sampling rate in Hz.

    Raises
    ------
    OSError
        If the file cannot be created.
    """
    with WavWriter(path, sr) as wav:
        wav.write(samples)
