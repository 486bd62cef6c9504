"""Music made from seeds: a score that can be played at any tempo and pitch."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SR = 16_000
_NOTES_PER_S = 9
_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])  # of a major key, in semitones


@cache
def play(seed: int, duration_s: float, tempo: float = 1.0, pitch: float = 1.0) -> Floats:
    """The piece of a seed, (n,) float32 at `SR`, read-only: plucked chords and drum strokes.

    duration_s: of the piece at tempo 1; tempo, pitch: factors
    """
    rng = np.random.default_rng(seed)
    hiss = np.random.default_rng([seed, round(1000 * pitch)])  # noise moved in pitch is other noise
    samples = np.zeros(round((duration_s / tempo + 1) * SR))
    n_notes = round(duration_s * _NOTES_PER_S)
    key_hz = 110 * 2 ** (rng.integers(12) / 12)
    onsets_s = np.sort(rng.uniform(0, duration_s, n_notes))
    semitones = rng.choice(_SCALE, n_notes) + 12 * rng.integers(0, 4, n_notes)
    for onset_s, semitone in zip(onsets_s, semitones, strict=True):
        drum = 0.3 * hiss.standard_normal(800) * np.exp(-np.arange(800) / 200)
        level, decay_s = rng.uniform(0.3, 1), rng.uniform(0.1, 0.6) / tempo
        note = level * _note(key_hz * 2 ** (semitone / 12) * pitch, decay_s)
        note[: len(drum)] += drum * (rng.random() < 0.3)
        start = round(onset_s / tempo * SR)
        samples[start : start + len(note)] += note[: len(samples) - start]
    samples = samples[: round(duration_s / tempo * SR)]
    played: Floats = (0.5 * samples / np.abs(samples).max()).astype(np.float32)
    played.flags.writeable = False  # the same array for all who ask
    return played


def _note(hz: float, decay_s: float) -> npt.NDArray[np.float64]:
    """A plucked string of six partials."""
    t = np.arange(round(min(1.0, 4 * decay_s) * SR)) / SR
    partials = (np.sin(2 * np.pi * hz * k * t) * np.exp(-k * t / decay_s) / k for k in range(1, 7))
    return np.sum(list(partials), axis=0) * np.minimum(1, t * 200)
