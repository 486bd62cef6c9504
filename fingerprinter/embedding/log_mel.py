"""The log-mel spectrogram on which the embedding model was trained.

musicnn (Pons & Serra 2019) uses the mel power spectrogram of librosa, compressed as
log10(1 + 10000 x). Every frame lies wholly inside the samples: the caller cuts windows with enough
context, so that no frame is padded.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats

# The mel scale of Slaney (1998, "Auditory Toolbox"): linear up to 1 kHz, then logarithmic with 27
# mel for each factor of 6.4.
_LINEAR_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_MEL_PER_NEPER = 27 / np.log(6.4)


@dataclass(frozen=True, slots=True)
class LogMel:
    """Parameters of a log-mel spectrogram; part of the model's digest.

    Attributes
    ----------
    sr
        Sample rate in hertz.
    n_fft, hop_length
        Length and step of the frames in samples; the defaults are 32 and 16 ms.
    n_mels
        Number of mel bands.
    f_min, f_max
        Lowest and highest frequency in hertz.
    gain
        Factor of the power inside ``log10(1 + gain * power)``.
    """

    sr: int = 16_000
    n_fft: int = 512
    hop_length: int = 256
    n_mels: int = 96
    f_min: float = 0.0
    f_max: float = 8000.0
    gain: float = 10_000.0

    @property
    def id(self) -> str:
        """Digest of every value: 16 hex digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def samples_for(self, frames: int) -> int:
        """Return the number of samples that a number of frames spans.

        Examples
        --------
        >>> LogMel().samples_for(2)
        768
        """
        return (frames - 1) * self.hop_length + self.n_fft


def log_mel(samples: Floats, params: LogMel) -> Floats:
    """Compute the log-mel spectrogram.

    Parameters
    ----------
    samples
        (..., n) float32 at ``params.sr``, n >= n_fft.
    params
        Parameters of the spectrogram.

    Returns
    -------
    (..., frames, n_mels) float32
        ``log10(1 + gain * power)``. Frame i starts at sample i * hop_length.
    """
    mel = mel_power(samples, params)
    mel *= params.gain  # float32, because float16 as in musicnn overflows at a power of 6.5
    mel += 1
    return np.log10(mel, out=mel)


def mel_power(samples: Floats, params: LogMel) -> Floats:
    """Compute the power in each mel band of each frame; shapes as for `log_mel`."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, params.n_fft, axis=-1)
    spectrum = np.fft.rfft(frames[..., :: params.hop_length, :] * _hann(params.n_fft))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    # Not matmul, because BLAS would start a thread on every core of every worker for 1 ms of work.
    mel: Floats = np.vecdot(power[..., np.newaxis, :], mel_filters(params))
    return mel


@lru_cache(maxsize=4)
def _hann(n_fft: int) -> Floats:
    """Return a periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@lru_cache(maxsize=4)
def mel_filters(params: LogMel) -> Floats:
    """Return triangular filters of equal area, evenly spaced on the mel scale (Slaney 1998).

    Returns
    -------
    (n_mels, n_fft // 2 + 1) float32
        Weight of each FFT bin in each band.
    """
    low, high = _hz_to_mel(np.array([params.f_min, params.f_max]))
    edges = _mel_to_hz(np.linspace(low, high, params.n_mels + 2))[:, np.newaxis]
    bins = np.fft.rfftfreq(params.n_fft, 1 / params.sr)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


def _hz_to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_MEL + _MEL_PER_NEPER * np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ)
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, above)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp((mel - _BREAK_MEL) / _MEL_PER_NEPER)
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)
