"""Simulated listeners of a real library: who likes and plays what, and why.

There is no public record of who plays the user's music. The tastes of these listeners depend on
folder, artist and genre of a track, which the library knows without the network of the
recommendations. A random factor of each track, which nothing predicts, and its popularity are
added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Mask
from fingerprinter.core.spelling import normalize_name
from fingerprinter.evaluation.metrics import precision_of_ranking
from fingerprinter.library.similar.rows import first_of_each
from fingerprinter.types import Track

# Shares of the variance of tastes. Folders count most: an album is made for one purpose.
_FOLDER, _ARTIST, _GENRE, _OWN = 0.40, 0.22, 0.15, 0.23
_FACTORS = 8  # numbers that describe a folder, an artist, a genre, a track
_POPULARITY = 0.8  # deviation of the logarithm of how often a track is played besides all taste
_KEENNESS = 2.5  # deviation of a listener's log odds over the tracks: how far taste decides
_PLAYS, _PLAYS_FACTOR = 40, 2.0  # median plays of a listener, and the factor of one deviation


@dataclass(frozen=True, slots=True)
class Listeners:
    """What is played, and the truth behind it.

    Attributes
    ----------
    plays
        (listeners, tracks) int64, how often each listener played each track.
    taste
        (listeners, tracks) how much each listener likes each track, as log odds.
    popularity
        (tracks,) added to the taste of everybody.
    """

    plays: npt.NDArray[np.int64]
    taste: Doubles
    popularity: Doubles


def simulate_listeners(tracks: Sequence[Track], count: int, seed: int) -> Listeners:
    """Draw the tastes of listeners and what they play of some tracks."""
    rng = np.random.default_rng(seed)
    folders = [str(Path(track.path or "").parent) for track in tracks]
    artists = [normalize_name(track.artist or "") for track in tracks]
    genres = [normalize_name(track.genre or "") for track in tracks]
    parts = [
        _group_factors(names, rng) * np.sqrt(share / _FACTORS)
        for names, share in ((folders, _FOLDER), (artists, _ARTIST), (genres, _GENRE))
    ]
    own = rng.standard_normal((len(tracks), _FACTORS)) * np.sqrt(_OWN / _FACTORS)
    factors = np.hstack([*parts, own])
    interests = rng.standard_normal((count, factors.shape[1]))
    # Few factors count much for a listener, most count little.
    interests *= rng.gamma(0.3, 1 / 0.3, interests.shape)
    taste = interests @ factors.T
    taste *= _KEENNESS / taste.std(axis=1, keepdims=True)
    popularity = _POPULARITY * rng.standard_normal(len(tracks))
    return Listeners(_draw_plays(taste + popularity, rng), taste, popularity)


def _group_factors(names: Sequence[str], rng: np.random.Generator) -> Doubles:
    """(n, factors) that tracks with the same name share; zeros without a name."""
    groups = first_of_each(names)
    values = rng.standard_normal((groups.max(initial=-1) + 2, _FACTORS))
    values[-1] = 0  # the group of the nameless is -1
    return values[groups]


def _draw_plays(log_odds: Doubles, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    counts = np.maximum(5, _PLAYS * _PLAYS_FACTOR ** rng.standard_normal(len(odds))).astype(int)
    shares = odds / odds.sum(axis=1, keepdims=True)
    return np.stack([rng.multinomial(n, share) for n, share in zip(counts, shares, strict=True)])


def average_precision(scores: Doubles, relevant: Mask) -> float:
    """The mean precision at the rank of each relevant track, in a ranking by scores.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    0.8333333333333333
    """
    return precision_of_ranking(relevant[np.argsort(-scores, kind="stable")], int(relevant.sum()))


def area_under_curve(scores: Doubles, relevant: Mask) -> float:
    """How often a relevant track is ranked above another one, 0..1; 0.5 is chance.

    >>> area_under_curve(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    0.5
    """
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1
    n, positive = len(scores), int(relevant.sum())
    above = order[relevant].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (n - positive)))
