"""Timbre, rhythm and harmony of a track as separate, interpretable features.

The vector of the network says how similar two tracks are, but not in which respect. These features
do. They are textbook features of the same windows: statistics of MFCCs (Logan 2000), the
autocorrelation of the onset strength (Ellis 2007) and chroma (Fujishima 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats
from fingerprinter.embedding.log_mel import LogMel
from fingerprinter.embedding.windows import Spectrograms

FACETS_ID: Final = "1"  # must be raised with every change of the values that are computed below
SR: Final = 16_000  # sample rate of the windows in hertz

_MEL = LogMel(sr=SR)
_LEVEL_DB = -20.0
_MFCC = 20  # coefficients; the first is the loudness
_LAG_RANGE_S = (0.2, 1.2)  # 300 to 50 beats per minute, with half and double beats of most music
_LAGS = 48  # evenly spaced on a logarithmic scale, 3.8 % apart
_CHROMA_FFT = 8192  # 0.5 s: at 110 Hz a semitone is three bins wide
_CHROMA_RANGE_HZ = (65.0, 2100.0)  # five octaves from C2
_A4_HZ = 440.0


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of a track.

    Attributes
    ----------
    timbre
        (40,) float32, mean and standard deviation of each MFCC.
    rhythm
        (48,) float32, autocorrelation of the onset strength at lags of 0.2 to 1.2 s, at most 1.
    harmony
        (12,) float32, strength of each pitch class from C, of unit length.
    """

    timbre: Floats
    rhythm: Floats
    harmony: Floats

    def row(self) -> Floats:
        """Return all facets in one array, (100,) float32."""
        return np.concatenate([self.timbre, self.rhythm, self.harmony])


ROW_WIDTH: Final = 2 * _MFCC + _LAGS + 12


def facets_from_rows(rows: Floats) -> Facets:
    """Split rows of `Facets.row`.

    Parameters
    ----------
    rows
        (..., 100) float32, one row or several.

    Returns
    -------
    Facets
        The facets, each with the leading dimensions of the rows.
    """
    return Facets(*np.split(rows, [2 * _MFCC, 2 * _MFCC + _LAGS], axis=-1))


def facets(windows: Floats, known: Spectrograms | None = None) -> Facets:
    """Compute the facets of a track.

    Parameters
    ----------
    windows
        (k, n) float32 at 16 kHz, k >= 1, of at least 2 s, at any level.
    known
        Spectrograms of the windows that an embedding model has made. They are used if they are
        those that facets are made of.
    """
    if known is None or (known.front_end, known.level_db) != (_MEL, _LEVEL_DB):
        known = Spectrograms.of(windows, _MEL, _LEVEL_DB)
    leveled, mels = known.windows, known.mels
    coefficients = mfcc(mels).reshape(-1, _MFCC)
    timbre = np.concatenate([coefficients.mean(axis=0), coefficients.std(axis=0)])
    return Facets(timbre, _rhythm(mels), _harmony(leveled))


def mfcc(mels: Floats) -> Floats:
    """Compute mel-frequency cepstral coefficients.

    Parameters
    ----------
    mels
        (..., frames, n_mels) float32, a log-mel spectrogram.

    Returns
    -------
    (..., frames, 20) float32
        The coefficients of each frame.
    """
    n = mels.shape[-1]
    row, column = np.mgrid[0:_MFCC, 0:n]
    cosines = np.cos(np.pi * row * (2 * column + 1) / (2 * n)) * np.sqrt(2 / n)
    cosines[0] /= np.sqrt(2)  # now the rows are those of the orthonormal transform
    return np.vecdot(mels[..., np.newaxis, :], cosines.astype(np.float32))


def _rhythm(mels: Floats) -> Floats:
    """Return the autocorrelation of the onset strength, averaged over the windows."""
    onsets = np.maximum(0, np.diff(mels, axis=1)).mean(axis=2)
    onsets -= onsets.mean(axis=1, keepdims=True)
    n = onsets.shape[1]
    spectrum = np.fft.rfft(onsets, 2 * n)
    products = np.fft.irfft(np.square(np.abs(spectrum)))[:, :n] / np.arange(n, 0, -1)
    correlation = products.sum(axis=0) / max(float(products[:, 0].sum()), 1e-12)
    lags = np.geomspace(*_LAG_RANGE_S, _LAGS) * _MEL.sr / _MEL.hop_length
    return np.interp(lags, np.arange(n), correlation).astype(np.float32)


def _harmony(windows: Floats) -> Floats:
    """Return the mean chroma of half-overlapping frames, each of unit length."""
    frames = np.lib.stride_tricks.sliding_window_view(windows, _CHROMA_FFT, axis=-1)
    frames = frames[:, :: _CHROMA_FFT // 2].reshape(-1, _CHROMA_FFT)
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(_CHROMA_FFT)))
    # The square root keeps one loud note from dominating. A logarithm would raise leakage too.
    chroma = np.sqrt(np.vecdot(magnitude[:, np.newaxis], _pitch_classes()))
    chroma /= np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-9)
    mean = chroma.mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


@lru_cache(maxsize=1)
def _pitch_classes() -> npt.NDArray[np.float64]:
    """Return the weight of each FFT bin in each pitch class, (12, bins) float64."""
    hz = np.fft.rfftfreq(_CHROMA_FFT, 1 / SR)
    used = (hz >= _CHROMA_RANGE_HZ[0]) & (hz <= _CHROMA_RANGE_HZ[1])
    semitones = 12 * np.log2(np.where(used, hz, _A4_HZ) / _A4_HZ) + 9  # from C
    distance = np.abs((semitones - np.arange(12)[:, np.newaxis] + 6) % 12 - 6)
    return np.square(np.maximum(0, 1 - distance)) * used
