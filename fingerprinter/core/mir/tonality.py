"""The key of a recording out of its pitch classes, by correlation with key profiles.

The method is Krumhansl's (1990), the profiles are those of Albrecht & Shanahan ("The use of large
corpora to train a new type of key-finding algorithm", Music Perception 2013).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.mir.chroma import Chroma
from fingerprinter.core.mir.keys import MODES, TONICS
from fingerprinter.types import Key

Doubles = npt.NDArray[np.float64]

# Of 50 Bach chorales, rendered in keys from a seed, 46 are right; 65 % of 133 tracks have one key
# in both halves; with Bellmann's profiles 43 and 56 %, with Krumhansl & Kessler's 41 and 56 %.
_PROFILES: Final = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_QUIETEST = 0.02  # sum of a frame's pitch classes; below it there is no tone
_LEAST_FRAMES = 20  # two seconds
_AVERAGED = 9  # frames: a chord lasts longer than each of its notes
# Of a tone's strength that its third partial adds to the fifth above it. Without this and the
# averaging 44 chorales are right, and 59 % of the halves agree.
_FIFTH = 0.25
# Fitted on 133 tracks: how often both halves have the same key, by the lead of the best key.
_MIDDLE, _SLOPE = 0.021, 10.9
_SUREST = 0.99


def find_key(chroma: Chroma) -> Key | None:
    """The key of the whole; None where there is too little sound for one.

    Every moment counts the same, however loud.
    """
    sounding = chroma.frames[chroma.frames.sum(axis=1) > _QUIETEST].astype(np.float64)
    if len(sounding) < _LEAST_FRAMES:
        return None
    scores = key_scores(_without_fifths(_directions(sounding).sum(axis=0)))
    best, second = np.argsort(scores)[[-1, -2]]
    mode, tonic = divmod(int(best), 12)
    return Key(TONICS[tonic], MODES[mode], _confidence(float(scores[best] - scores[second])))


def _directions(frames: Doubles) -> Doubles:
    """Averaged frames of unit length."""
    from scipy.ndimage import uniform_filter1d

    averaged = uniform_filter1d(frames, _AVERAGED, axis=0)
    unit: Doubles = averaged / np.linalg.norm(averaged, axis=1, keepdims=True)
    return unit


def _without_fifths(pitch_classes: Doubles) -> Doubles:
    return pitch_classes - _FIFTH * np.roll(pitch_classes, 7)


def key_scores(pitch_classes: Doubles) -> Doubles:
    """Correlation with the 12 major keys from C on, then with the 12 minor ones: (24,)."""
    return _profiles() @ _standardised(pitch_classes)


def _standardised(values: Doubles) -> Doubles:
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)


@lru_cache(maxsize=1)
def _profiles() -> Doubles:
    return _standardised(
        np.array([np.roll(_PROFILES[mode], tonic) for mode in MODES for tonic in range(12)])
    )


def _confidence(lead: float) -> float:
    """How often the other half of a recording has the same key, by the lead of the best key."""
    probability = 1 / (1 + np.exp(-_SLOPE * (lead - _MIDDLE)))
    return round(min(_SUREST, float(probability)), 3)
