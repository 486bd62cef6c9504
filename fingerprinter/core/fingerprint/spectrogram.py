"""Log-magnitude spectrogram. A frame is the same to the last bit however the audio is cut."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fingerprinter.core.arrays import Floats
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.numeric import compiled

_EPSILON = np.float32(1e-18)  # power; keeps the logarithm of digital silence finite (-20.7 nepers)

_CACHED_FRAMES = 64  # are computed together: their spectra fit into the cache of a core


def frame_count(n_samples: int, params: LandmarkParams) -> int:
    """Number of whole frames in ``n_samples`` samples."""
    return max(0, 1 + (n_samples - params.n_fft) // params.hop_length)


def log_spectrogram(samples: Floats, params: LandmarkParams) -> Floats:
    """Natural logarithm of the magnitude of each whole frame.

    Parameters
    ----------
    samples : (n,) float32
        Mono, at ``params.sr``.

    Returns
    -------
    (frames, max_bin + 1) float32
        In nepers relative to a full-scale sine. Frame i starts at sample ``i * hop_length``;
        there is no padding.
    """
    n = frame_count(len(samples), params)
    if n == 0:
        return np.empty((0, params.max_bin + 1), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, params.n_fft)
    frames = frames[: n * params.hop_length : params.hop_length]
    log_mag = np.empty((n, params.max_bin + 1), np.float32)
    for start in range(0, n, _CACHED_FRAMES):
        part = slice(start, start + _CACHED_FRAMES)
        windowed, power = frames[part] * _window(params.n_fft), log_mag[part]
        spectrum = compiled.rfft()(windowed, axis=1)[:, : params.max_bin + 1]
        np.square(spectrum.real, out=power)
        power += np.square(spectrum.imag)
        power += _EPSILON
        np.log(power, out=power)
        power *= np.float32(0.5)
    return log_mag


@lru_cache(maxsize=4)
def _window(n_fft: int) -> Floats:
    """Periodic Hann window, scaled so that a full-scale sine has magnitude 1."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return (window * 2 / window.sum()).astype(np.float32)
