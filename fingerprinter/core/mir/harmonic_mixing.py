"""How well one track follows another to a dancer's or a musician's ear: tempo and key."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.mir.keys import TONICS

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

UNKNOWN: Final = -1  # a key that is not known
# What stands for a distance that is not known: about the mean of random pairs (0.49 of tempos, 0.46
# of keys, 351 tracks). As 0, paths went by tracks without a tempo: 51 % of their steps have two
# tempos without regard to them, 38 % then.
_AVERAGE = 0.5
_FIFTH = 7  # semitones; seven times seven is one: the circle of fifths
_TO_RELATIVE = 3  # semitones up from a minor key to the major key of the same tones
_FARTHEST = 6  # fifths


def circle_position(key: str | None) -> int:
    """Where a key is on the circle of fifths, 0..11; keys of the same tones share a place.

    >>> [circle_position(key) for key in ("C major", "A minor", "G major", "F major", None)]
    [0, 0, 1, 11, -1]
    """
    tonic, _, mode = (key or "").partition(" ")
    if tonic not in TONICS:
        return UNKNOWN
    semitone = TONICS.index(tonic) + (_TO_RELATIVE if mode == "minor" else 0)
    return semitone * _FIFTH % 12


def tempo_distances(tempos_bpm: Floats) -> Floats:
    """(n, n): 0 where tempos agree, in octaves, up to 1 at the square root of two.

    tempos_bpm: (n,), NaN where it is not known: that is 0.5 from everything
    """
    octaves = np.log2(tempos_bpm)[:, np.newaxis] - np.log2(tempos_bpm)
    away = 2 * np.abs(octaves - np.round(octaves))
    return np.nan_to_num(away, nan=_AVERAGE).astype(np.float32)


def key_distances(places: Places) -> Floats:
    """(n, n): 0 for keys of the same tones, 1 for those that share the fewest, 0.5 if unknown."""
    around = np.abs((places[:, np.newaxis] - places + _FARTHEST) % 12 - _FARTHEST) / _FARTHEST
    known = places != UNKNOWN
    return np.where(known[:, np.newaxis] & known, around, _AVERAGE).astype(np.float32)
