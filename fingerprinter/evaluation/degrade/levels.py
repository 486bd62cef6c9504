"""Levels: signal-to-noise ratio, gain, equal mixing, silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprinter.evaluation.excerpt import Samples

_GAIN_DB = (-15.0, -0.5)  # peak of a clip below full scale
_SILENT_RMS = 10 ** (-50 / 20)  # a clip below -50 dB of full scale is silent
_PAUSE_RMS = 10 ** (-60 / 20)  # a part below -60 dB is a pause
_MAX_PAUSES = 0.5  # a clip with more pauses is silent, too
_PARTS = 10


def rms(samples: Samples) -> float:
    """The root mean square; 0 without samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def is_audible(samples: Samples) -> bool:
    """Whether there is anything to recognise.

    The level must be at least -50 dB of full scale, and at least five of ten equal parts must lie
    above -60 dB.
    """
    parts = [rms(part) for part in np.array_split(samples, _PARTS)]
    pauses = float(np.mean(np.array(parts) < _PAUSE_RMS))
    return rms(samples) >= _SILENT_RMS and pauses <= _MAX_PAUSES


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise of the same length; the ratio is that of the RMS over the whole clip."""
    factor = rms(samples) / rms(noise) * 10 ** (-snr_db / 20)
    return samples + np.float32(factor) * noise


def with_gain(samples: Samples, rng: np.random.Generator) -> Samples:
    """Scale so that the peak lies 0.5 to 15 dB below full scale; silence stays silent."""
    peak = float(np.abs(samples).max(initial=0.0))
    level = 10 ** (rng.uniform(*_GAIN_DB) / 20)
    return samples * np.float32(level / peak) if peak else samples


def mixed(parts: Sequence[Samples]) -> Samples:
    """Add audible parts of one length at equal RMS; a single part stays as it is."""
    if len(parts) == 1:
        return parts[0]
    return np.sum([part / np.float32(rms(part)) for part in parts], axis=0, dtype=np.float32)
