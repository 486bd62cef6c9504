"""Performances of pieces that are made from seeds: the same chords in any key, tempo and sound."""

from __future__ import annotations

import numpy as np

SR = 11_025
_CHORDS = 26
_SCALE = np.array([step + 12 * octave for octave in (0, 1) for step in (0, 2, 4, 5, 7, 9, 11)])


def perform(piece: int, semitones: int, tempo: float, partials: int) -> np.ndarray:
    """Play the chords of a piece in a major key, about 1.6 s each, with so many partials."""
    rng, player = np.random.default_rng(piece), np.random.default_rng([piece, partials])
    sounds = []
    for _ in range(_CHORDS):
        seconds = rng.uniform(1.0, 2.2) * player.uniform(0.9, 1.1) / tempo
        t = np.arange(round(seconds * SR)) / SR
        pitches = 48 + semitones + _SCALE[rng.integers(7) + np.array([0, 2, 4, 7])]
        sound = sum(
            np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * t) / k
            for pitch in pitches
            for k in range(1, partials + 1)
        )
        sounds.append(0.1 * sound * np.exp(-t / seconds))
    tones = np.concatenate(sounds)
    hits = player.standard_normal(len(tones))
    hits *= np.exp(-8 * (np.arange(len(tones)) % (SR // 2)) / SR)  # each performance has its own
    return (tones + 0.1 * hits).astype(np.float32)
