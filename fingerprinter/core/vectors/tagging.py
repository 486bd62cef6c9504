"""Compares the tags of all tracks of a library: which track has more of a tag than the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from fingerprinter.core.arrays import Floats

_MIN_DEVIATION = 1e-3  # of logits; if all tracks are equal, none stands out
_LOGISTIC_SCALE = 1.702  # the logistic function of 1.702 z is the normal distribution within 0.01

_NOT_SOUND = re.compile(r"\d0s|oldies|sexy")


def describes_sound(tag: str) -> bool:
    """Tell whether a tag describes the sound of a track, and not its decade or its audience.

    The network predicts "60s" for any orchestra, so tags of this kind are never shown.

    Examples
    --------
    >>> describes_sound("metal"), describes_sound("90s")
    (True, False)
    """
    return not _NOT_SOUND.fullmatch(tag)


def standard_scores(logits: Floats) -> Floats:
    """Standardise the logits of each tag over the library.

    Parameters
    ----------
    logits : (n, t) float32
        Logits of n tracks and t tags, n >= 0.

    Returns
    -------
    (n, t) float32
        Distance from the mean of the library, in standard deviations.
    """
    centred = logits - logits.mean(axis=0, keepdims=True) if len(logits) else logits
    deviation = np.sqrt(np.square(centred).mean(axis=0)) if len(logits) else np.ones(1)
    return (centred / np.maximum(deviation, _MIN_DEVIATION)).astype(np.float32)


def mixture_shares(scores: Floats, tags: Sequence[str], mixture: Mapping[str, float]) -> Floats:
    """Compare how much each track has of a mixture of tags.

    Parameters
    ----------
    scores : (n, t) float32
        Scores that `standard_scores` returns.
    tags : sequence of str
        The t names of the tags.
    mixture : mapping of str to float
        Weight of each tag by name; other tags have weight 0.

    Returns
    -------
    (n,) float32
        0..1, the share of tracks that have less, as `shares_below` returns it.
    """
    weights = np.array([mixture.get(tag, 0.0) for tag in tags], np.float32)
    return shares_below(scores @ weights)


def shares_below(values: Floats) -> Floats:
    """Estimate the share of tracks with a smaller value, as if values were normally distributed.

    Parameters
    ----------
    values : (n,) float32

    Returns
    -------
    (n,) float32
        0..1

    Examples
    --------
    >>> shares_below(np.array([-1.0, 0.0, 1.0], np.float32)).round(2)
    array([0.11, 0.5 , 0.89], dtype=float32)
    """
    scores = standard_scores(values[:, np.newaxis])[:, 0]
    return 1 / (1 + np.exp(-_LOGISTIC_SCALE * scores))
