"""Tags of a whole library, compared: which track has more of one than the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_LEAST_DEVIATION = 1e-3  # of logits: where all tracks are alike, none stands out
_HALF_WIDTH = 1.702  # the logistic function of 1.702 z is the normal distribution within 0.01

_NOT_SOUND = re.compile(r"\d0s|oldies|sexy")


def describes_sound(tag: str) -> bool:
    """Whether a tag says how a track sounds, and not when it was made or for whom.

    The network hears the 60s in any orchestra, so tags of that kind are never shown.

    >>> describes_sound("metal"), describes_sound("90s")
    (True, False)
    """
    return not _NOT_SOUND.fullmatch(tag)


def standard_scores(logits: Floats) -> Floats:
    """How far each track's logits are above the library's mean, in deviations.

    logits: (n, t) float32, n >= 0
    returns: (n, t) float32
    """
    centred = logits - logits.mean(axis=0, keepdims=True) if len(logits) else logits
    deviation = np.sqrt(np.square(centred).mean(axis=0)) if len(logits) else np.ones(1)
    return (centred / np.maximum(deviation, _LEAST_DEVIATION)).astype(np.float32)


def mixture_shares(scores: Floats, tags: Sequence[str], mixture: Mapping[str, float]) -> Floats:
    """How much of a mixture of tags each track has: the share of tracks that have less, 0..1.

    scores: (n, t), as `standard_scores` gives them; tags: their t names; mixture: weights by name
    returns: (n,) float32
    """
    weights = np.array([mixture.get(tag, 0.0) for tag in tags], np.float32)
    return shares_below(scores @ weights)


def shares_below(values: Floats) -> Floats:
    """The share of tracks that have less than each, as of a normal distribution, (n,) -> 0..1."""
    scores = standard_scores(values[:, np.newaxis])[:, 0]
    return 1 / (1 + np.exp(-_HALF_WIDTH * scores))
