"""The key of a recording, found by correlating its pitch classes with key profiles.

The method is that of Krumhansl [1]_, the profiles are those of Albrecht and Shanahan [2]_.

References
----------
.. [1] C. L. Krumhansl, "Cognitive Foundations of Musical Pitch", Oxford University Press 1990.
.. [2] J. Albrecht and D. Shanahan, "The use of large corpora to train a new type of key-finding
   algorithm", Music Perception 2013.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from fingerprinter.core.arrays import Doubles
from fingerprinter.core.mir.chroma import Chroma
from fingerprinter.core.mir.keys import MODES, TONICS
from fingerprinter.types import Key

# With these profiles 46 of 50 Bach chorales are right, and 65 % of 133 tracks have the same key in
# both halves. Bellmann's profiles reach 43 and 56 %, those of Krumhansl and Kessler 41 and 56 %.
_PROFILES: Final = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_MIN_STRENGTH = 0.02  # sum of the pitch classes of a frame; a weaker frame has no tone
_MIN_FRAMES = 20  # two seconds
# Of the deviation of a frame from equal pitch classes, the share that is the same in all frames. A
# tone, a held chord and noise have 0.98 or more, 22 pieces of music 0.4 to 0.96.
_MAX_STATIC = 0.975
_SMOOTHED_FRAMES = 9  # a chord lasts longer than each of its notes
# Strength that the third partial of a tone adds to the pitch class a fifth above it, relative to
# the tone. Without this and the smoothing 44 chorales are right, and 59 % of the halves agree.
_FIFTH = 0.25
# Logistic function, fitted on 133 tracks: how often both halves of a track have the same key, by
# the lead of the best key over the second.
_MIDDLE, _SLOPE = 0.021, 10.9
_MAX_CONFIDENCE = 0.99


def find_key(chroma: Chroma) -> Key | None:
    """Find the key of a whole recording. Every moment counts the same, however loud it is.

    Returns
    -------
    Key or None
        None if there is too little sound, or if it never changes, like a tone or noise.
    """
    from scipy.ndimage import uniform_filter1d

    sounding = chroma.frames[chroma.frames.sum(axis=1) > _MIN_STRENGTH].astype(np.float64)
    if len(sounding) < _MIN_FRAMES:
        return None
    smooth = uniform_filter1d(sounding, _SMOOTHED_FRAMES, axis=0)
    frames = smooth / np.linalg.norm(smooth, axis=1, keepdims=True)
    uneven = frames - frames.mean(axis=1, keepdims=True)
    changes = np.linalg.norm(uneven, axis=1).mean()
    if np.linalg.norm(uneven.mean(axis=0)) >= _MAX_STATIC * changes:
        return None
    pitch_classes = frames.sum(axis=0)
    scores = key_scores(pitch_classes - _FIFTH * np.roll(pitch_classes, 7))
    best, second = np.argsort(scores)[[-1, -2]]
    mode, tonic = divmod(int(best), 12)
    lead = float(scores[best] - scores[second])
    confidence = float(1 / (1 + np.exp(-_SLOPE * (lead - _MIDDLE))))
    return Key(TONICS[tonic], MODES[mode], round(min(_MAX_CONFIDENCE, confidence), 3))


def key_scores(pitch_classes: Doubles) -> Doubles:
    """Correlate pitch classes with the profiles of all keys.

    Parameters
    ----------
    pitch_classes : (12,) float64
        Strength of each pitch class, from C on.

    Returns
    -------
    (24,) float64
        -1..1 for the 12 major keys from C on, then for the 12 minor keys.

    Examples
    --------
    >>> c_major_triad = np.bincount([0, 4, 7], minlength=12).astype(float)
    >>> int(key_scores(c_major_triad).argmax())
    0
    """
    return _profiles() @ _standardised(pitch_classes)


def _standardised(values: Doubles) -> Doubles:
    """Subtract the mean and scale to unit length, so that a product is a correlation."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)


@lru_cache(maxsize=1)
def _profiles() -> Doubles:
    """Standardised profiles of all keys, (24, 12)."""
    return _standardised(
        np.array([np.roll(_PROFILES[mode], tonic) for mode in MODES for tonic in range(12)])
    )
