"""Pitch classes of a stream of samples: the harmonic pitch class profile of Gómez (2006).

Peaks of the spectrum, placed between the bins by a parabola, are counted instead of the bins: at
110 Hz a semitone is 2.4 bins wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprinter.core.mir.frames import CentredFrames

Floats = npt.NDArray[np.float32]

_N_FFT = 8192  # 0.37 s at 22.05 kHz
HOP_S = 0.1
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 3000.0  # below it drums and rumble, above it overtones
_A4_HZ = 440.0
_FINE = 5  # bins in a semitone: 20 cents each
_LEAST = 0.01  # of the highest peak of a frame: -40 dB


@dataclass(frozen=True, slots=True)
class Chroma:
    """Strength of each pitch class over time.

    frames: (n, 12) float32 from C on, one each `HOP_S`; a frame's sum grows with its loudness
    tuning: semitones above A4 = 440 Hz, -0.5..0.5
    """

    frames: Floats
    tuning: float

    def __len__(self) -> int:
        return len(self.frames)


class ChromaMeter:
    """Takes mono samples in blocks, and then says which pitch classes they had."""

    def __init__(self, sr: int) -> None:
        self._sr = sr
        self._frames = CentredFrames(_N_FFT, round(HOP_S * sr))
        self._fine: list[Floats] = []
        self._deviation = 0j

    def push(self, block: Floats) -> None:
        """The next samples, (n,) float32."""
        self._take(self._frames.push(block))

    def result(self) -> Chroma:
        """Pitch classes in the tuning of the whole; ends the stream."""
        self._take(self._frames.finish())
        fine = np.concatenate([np.empty((0, 12 * _FINE), np.float32), *self._fine])
        tuning = float(np.angle(self._deviation) / (2 * np.pi)) if self._deviation else 0.0
        return Chroma(fine @ _folding(tuning), tuning)

    def _take(self, frames: Floats) -> None:
        from scipy.fft import rfft

        if not len(frames):
            return
        first, last = (round(hz * _N_FFT / self._sr) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
        magnitude = np.abs(rfft(frames * _window(), axis=1))[:, first - 1 : last + 2]
        frame, bins, height = _peaks(magnitude)
        pitch = 12 * np.log2((bins + first - 1) * self._sr / (_N_FFT * _A4_HZ)) + 9  # from C on
        weight = np.sqrt(height)  # lest one loud note be all
        self._deviation += complex(np.sum(weight * np.exp(2j * np.pi * pitch)))
        cell = np.rint(pitch * _FINE).astype(np.int64) % (12 * _FINE)
        counted = np.bincount(frame * 12 * _FINE + cell, weight, len(frames) * 12 * _FINE)
        self._fine.append(counted.reshape(len(frames), -1).astype(np.float32))


def _peaks(magnitude: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """(frame, bin with its fraction, magnitude) of the local maxima that are not far too low."""
    middle = magnitude[:, 1:-1]
    least = np.maximum(_LEAST * middle.max(axis=1, keepdims=True), 1e-6)
    is_peak = (middle > magnitude[:, :-2]) & (middle >= magnitude[:, 2:]) & (middle > least)
    frame, bins = np.nonzero(is_peak)
    left, top, right = (np.log(magnitude[frame, bins + k] + 1e-12) for k in range(3))
    shift = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-6)
    return frame, bins + 1 + shift, magnitude[frame, bins + 1]


@lru_cache(maxsize=1)
def _window() -> Floats:
    """Hann, scaled so that a full-scale sine has magnitude 1."""
    window = np.hanning(_N_FFT)
    return (window * 2 / window.sum()).astype(np.float32)


def _folding(tuning: float) -> Floats:
    """Which share of each fine bin belongs to each pitch class of a tuning, (fine, 12)."""
    semitones = np.arange(12 * _FINE)[:, np.newaxis] / _FINE - tuning
    away = np.abs((semitones - np.arange(12) + 6) % 12 - 6)
    return np.square(np.cos(np.pi / 2 * np.minimum(1, away / 0.7))).astype(np.float32)
