"""Distances of tempo and key, as a DJ compares two tracks before playing one after the other."""

from __future__ import annotations

from typing import Final

import numpy as np

from fingerprinter.core.arrays import Floats, Longs
from fingerprinter.core.mir.keys import TONICS

UNKNOWN: Final = -1  # position of a key that is not known
# Distance from an unknown tempo or key: about the mean of random pairs (0.49 for tempos, 0.46 for
# keys, over 351 tracks). If it were 0, paths would prefer tracks without a tempo.
_MEAN_DISTANCE = 0.5
_FIFTH = 7  # semitones; seven times seven is one semitone modulo 12: the circle of fifths
_TO_RELATIVE = 3  # semitones from a minor key up to the major key with the same notes
_MAX_FIFTHS = 6  # the greatest distance on the circle


def circle_position(key: str | None) -> int:
    """Position of a key on the circle of fifths, 0..11, or `UNKNOWN`.

    A major key and its relative minor key have the same notes and the same position.

    Examples
    --------
    >>> [circle_position(key) for key in ("C major", "A minor", "G major", "F major", None)]
    [0, 0, 1, 11, -1]
    """
    tonic, _, mode = (key or "").partition(" ")
    if tonic not in TONICS:
        return UNKNOWN
    semitone = TONICS.index(tonic) + (_TO_RELATIVE if mode == "minor" else 0)
    return semitone * _FIFTH % 12


def tempo_distances(tempos_bpm: Floats) -> Floats:
    """Distances between tempos, where octaves are equal.

    Parameters
    ----------
    tempos_bpm : (n,) float32
        NaN if it is not known. Its distance from everything is 0.5.

    Returns
    -------
    (n, n) float32
        0 for equal tempos or octaves of them, up to 1 for a factor of the square root of two.

    Examples
    --------
    >>> tempo_distances(np.array([60, 120, np.nan], np.float32))
    array([[0. , 0. , 0.5],
           [0. , 0. , 0.5],
           [0.5, 0.5, 0.5]], dtype=float32)
    """
    octaves = np.log2(tempos_bpm)[:, np.newaxis] - np.log2(tempos_bpm)
    away = 2 * np.abs(octaves - np.round(octaves))
    return np.nan_to_num(away, nan=_MEAN_DISTANCE).astype(np.float32)


def key_distances(positions: Longs) -> Floats:
    """Distances between keys on the circle of fifths.

    Parameters
    ----------
    positions : (n,) int64
        Positions that `circle_position` returns.

    Returns
    -------
    (n, n) float32
        0 for keys with the same notes, 1 for keys that share the fewest, 0.5 if one is unknown.
    """
    away = np.abs((positions[:, np.newaxis] - positions + _MAX_FIFTHS) % 12 - _MAX_FIFTHS)
    known = positions != UNKNOWN
    both_known = known[:, np.newaxis] & known
    return np.where(both_known, away / _MAX_FIFTHS, _MEAN_DISTANCE).astype(np.float32)
