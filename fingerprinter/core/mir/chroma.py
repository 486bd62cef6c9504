"""Chroma: the strength of the twelve pitch classes over time.

This is the harmonic pitch class profile [1]_. Spectral peaks, interpolated between the bins by a
parabola, are counted instead of the bins, because at 110 Hz a semitone is only 2.4 bins wide.

References
----------
.. [1] E. Gómez, "Tonal description of polyphonic audio for music content processing", INFORMS
   Journal on Computing 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fingerprinter.core.arrays import Floats, Indices
from fingerprinter.core.mir.frames import CentredFrames

HOP_S = 0.1

_N_FFT = 8192  # 0.37 s at 22.05 kHz
_MIN_HZ, _MAX_HZ = 100.0, 3000.0  # below lie drums and rumble, above lie overtones
_A4_HZ = 440.0
_BINS_PER_SEMITONE = 5  # 20 cents each
_MIN_RELATIVE_HEIGHT = 0.01  # of the highest peak of a frame: -40 dB


@dataclass(frozen=True, slots=True)
class Chroma:
    """Strength of each pitch class over time.

    Attributes
    ----------
    frames : (n, 12) float32
        Pitch classes from C on, one frame each `HOP_S`. The sum of a frame grows with its loudness.
    tuning : float
        Semitones above A4 = 440 Hz, -0.5..0.5.
    """

    frames: Floats
    tuning: float

    def __len__(self) -> int:
        return len(self.frames)


class ChromaMeter:
    """Computes the chroma of a stream of mono samples.

    Parameters
    ----------
    sr : int
        Sample rate in Hz.
    """

    def __init__(self, sr: int) -> None:
        self._sr = sr
        self._frames = CentredFrames(_N_FFT, round(HOP_S * sr))
        self._profiles: list[Floats] = []  # (frames, 60), five bins a semitone
        self._tuning_sum = 0j  # sum of the peaks, each turned by its distance from a semitone

    def push(self, block: Floats) -> None:
        """Take the next samples, (n,) float32."""
        self._add(self._frames.push(block))

    def result(self) -> Chroma:
        """End the stream and return its chroma, in the tuning of the whole recording."""
        self._add(self._frames.finish())
        n_bins = 12 * _BINS_PER_SEMITONE
        profiles = np.concatenate([np.empty((0, n_bins), np.float32), *self._profiles])
        tuning = float(np.angle(self._tuning_sum) / (2 * np.pi)) if self._tuning_sum else 0.0
        # The share of each bin that belongs to each pitch class of this tuning.
        semitones = np.arange(n_bins)[:, np.newaxis] / _BINS_PER_SEMITONE - tuning
        away = np.abs((semitones - np.arange(12) + 6) % 12 - 6)
        shares = np.square(np.cos(np.pi / 2 * np.minimum(1, away / 0.7))).astype(np.float32)
        return Chroma(profiles @ shares, tuning)

    def _add(self, frames: Floats) -> None:
        """Count the spectral peaks of frames, (k, n_fft), by their pitch within the octave."""
        from scipy.fft import rfft

        if not len(frames):
            return
        first, last = (round(hz * _N_FFT / self._sr) for hz in (_MIN_HZ, _MAX_HZ))
        magnitude = np.abs(rfft(frames * _window(), axis=1))[:, first - 1 : last + 2]
        frame, bins, height = _spectral_peaks(magnitude)
        pitch = 12 * np.log2((bins + first - 1) * self._sr / (_N_FFT * _A4_HZ)) + 9  # above C
        weight = np.sqrt(height)  # so that one loud note does not dominate
        self._tuning_sum += complex(np.sum(weight * np.exp(2j * np.pi * pitch)))
        n_bins = 12 * _BINS_PER_SEMITONE
        cell = np.rint(pitch * _BINS_PER_SEMITONE).astype(np.int64) % n_bins
        counted = np.bincount(frame * n_bins + cell, weight, len(frames) * n_bins)
        self._profiles.append(counted.reshape(len(frames), -1).astype(np.float32))


def _spectral_peaks(magnitude: Floats) -> tuple[Indices, Floats, Floats]:
    """Find the (frame, interpolated bin, magnitude) of the local maxima that are high enough."""
    middle = magnitude[:, 1:-1]
    floor = np.maximum(_MIN_RELATIVE_HEIGHT * middle.max(axis=1, keepdims=True), 1e-6)
    is_peak = (middle > magnitude[:, :-2]) & (middle >= magnitude[:, 2:]) & (middle > floor)
    frame, bins = np.nonzero(is_peak)
    left, top, right = (np.log(magnitude[frame, bins + k] + 1e-12) for k in range(3))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-6)
    return frame, bins + 1 + shift, magnitude[frame, bins + 1]


@lru_cache(maxsize=1)
def _window() -> Floats:
    """Hann window, scaled so that a full-scale sine has magnitude 1."""
    window = np.hanning(_N_FFT)
    return (window * 2 / window.sum()).astype(np.float32)
