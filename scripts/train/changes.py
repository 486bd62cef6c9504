"""What may happen to music without its becoming other music: seeded, some of it each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.evaluation.degrade import add_noise, mp3, reverberated, stretched
from fingerprinter.evaluation.degrade.noise import synthetic_ambience
from fingerprinter.evaluation.excerpt import SR, Samples

Change = Callable[[Samples, np.random.Generator], Samples]

_FAST_LENGTH = 4096  # samples: transforms of lengths with large prime factors take ten times longer
_EQ_HZ = (30.0, 100.0, 250.0, 600.0, 1500.0, 3500.0, 8000.0)
_EQ_DB = (1.0, 5.0)  # deviation of the gains
_CUT_HZ = (3000.0, 7500.0)
_SNR_DB = (5.0, 25.0)
_DRIVE = (2.0, 6.0)


def changed(samples: Samples, rng: np.random.Generator) -> Samples:
    """The samples after a drawn chain of changes; of another length where the tempo changed."""
    for chance, change in _CHAIN:
        if rng.random() < chance:
            samples = change(samples, rng)
    return samples


def _warped(samples: Samples, rng: np.random.Generator) -> Samples:
    """Speed by up to 8 %, pitch by up to two semitones, or tempo by up to 12 %."""
    speed, pitch = np.exp(rng.uniform(-0.08, 0.08)), 2 ** (rng.uniform(-2, 2) / 12)
    tempo = np.exp(rng.uniform(-0.12, 0.12))
    warps = Warp(speed, speed), Warp(1.0, pitch), Warp(tempo, 1.0)
    return _of_fast_length(stretched(samples, warps[rng.integers(3)]))


def _of_fast_length(samples: Samples) -> Samples:
    return samples[: max(1, len(samples) // _FAST_LENGTH) * _FAST_LENGTH]


def _equalised(samples: Samples, rng: np.random.Generator) -> Samples:
    gains_db = rng.normal(0, rng.uniform(*_EQ_DB), len(_EQ_HZ))
    octaves = np.log2(np.maximum(_frequencies(samples), _EQ_HZ[0]))
    return _filtered(samples, 10 ** (np.interp(octaves, np.log2(_EQ_HZ), gains_db) / 20))


def _dulled(samples: Samples, rng: np.random.Generator) -> Samples:
    """Without its treble, as a low bit rate leaves it."""
    cut = rng.uniform(*_CUT_HZ)
    return _filtered(samples, 1 / np.sqrt(1 + (_frequencies(samples) / cut) ** 16))


def _frequencies(samples: Samples) -> Samples:
    return np.fft.rfftfreq(len(samples), 1 / SR).astype(np.float32)


def _filtered(samples: Samples, gains: npt.NDArray[np.floating[Any]]) -> Samples:
    return np.fft.irfft(np.fft.rfft(samples) * gains, len(samples)).astype(np.float32)


def _noisy(samples: Samples, rng: np.random.Generator) -> Samples:
    return add_noise(samples, synthetic_ambience(len(samples), rng), rng.uniform(*_SNR_DB))


def _as_mp3(samples: Samples, rng: np.random.Generator) -> Samples:
    return np.resize(mp3(samples), len(samples))


def _compressed(samples: Samples, rng: np.random.Generator) -> Samples:
    """Without its peaks, as loud mastering leaves it."""
    peak = np.abs(samples).max(initial=1e-9)
    return np.tanh(samples / peak * np.float32(rng.uniform(*_DRIVE))) * peak


_CHAIN: tuple[tuple[float, Change], ...] = (
    (0.6, _warped),
    (0.7, _equalised),
    (0.3, _dulled),
    (0.35, _noisy),
    (0.2, reverberated),
    (0.35, _as_mp3),
    (0.2, _compressed),
)
