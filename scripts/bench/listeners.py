"""Simulated listeners of a real library: who plays what, and why. Nobody real is behind them.

Their tastes are made of what a library knows without the network that recommendations are made
with: the folder (here: the game), artist and genre of a track, and plain descriptors of its sound
(brightness, the strength and tempo of its beat, how much of one chord it is). To these comes what
nothing tells: a factor of each track's own, and its popularity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding import FACETS_ID
from fingerprinter.embedding.facets import ROW_WIDTH, facets_from_rows
from fingerprinter.library.base.normalize import normalize_name
from fingerprinter.library.similar.rows import first_of_each
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import facets, tracks
from fingerprinter.types import Track

Floats = npt.NDArray[np.float64]

# Share of the variance of what tracks have in common with others. Folders most: musicians make
# a game's music for one purpose. OWN is what no content can tell.
FOLDER, ARTIST, GENRE, SOUND, OWN = 0.30, 0.15, 0.10, 0.25, 0.20
FACTORS = 8  # of folders, of artists, of genres, of tracks
POPULARITY = 0.8  # deviation of the logarithm of how often a track is played besides all taste
KEENNESS = 2.5  # deviation of a listener's log odds over the tracks: how far taste decides
PLAYS = (40, 2.0)  # median number of plays of a listener, and the factor of one deviation


@dataclass(frozen=True, slots=True)
class Listeners:
    """What was played, and the truth behind it.

    plays: (users, n) int64; truth: (users, n), how much each listener likes each track;
    popularity: (n,), besides
    """

    plays: npt.NDArray[np.int64]
    truth: Floats
    popularity: Floats


def listen(library: Sequence[Track], sound: Floats, users: int, seed: int) -> Listeners:
    """Plays of tracks by listeners; sound: (n, d) descriptors, standardised."""
    rng = np.random.default_rng(seed)
    factors = _tracks(library, sound, rng)
    tastes = rng.standard_normal((users, factors.shape[1]))
    # A listener cares for few things: most factors count little, some much.
    tastes *= rng.gamma(0.3, 1 / 0.3, tastes.shape)
    truth = tastes @ factors.T
    truth *= KEENNESS / truth.std(axis=1, keepdims=True)
    popularity = POPULARITY * rng.standard_normal(len(library))
    return Listeners(_plays(truth + popularity, rng), truth, popularity)


def _tracks(library: Sequence[Track], sound: Floats, rng: np.random.Generator) -> Floats:
    """(n, k) factors: tracks with the same name in one respect share those of it."""
    folders = [str(Path(track.path or "").parent) for track in library]
    artists = [normalize_name(track.artist or "") for track in library]
    genres = [normalize_name(track.genre or "") for track in library]
    own = rng.standard_normal((len(library), FACTORS))
    parts = [
        (_shared(names, rng), share)
        for names, share in ((folders, FOLDER), (artists, ARTIST), (genres, GENRE))
    ]
    parts += [(sound, SOUND), (own, OWN)]
    return np.hstack([part * np.sqrt(share / part.shape[1]) for part, share in parts])


def _shared(names: Sequence[str], rng: np.random.Generator) -> Floats:
    groups = first_of_each(names)
    values = rng.standard_normal((groups.max(initial=-1) + 2, FACTORS))
    values[-1] = 0  # of the nameless: group -1
    return values[groups]


def _plays(log_odds: Floats, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    median, factor = PLAYS
    counts = np.maximum(5, median * factor ** rng.standard_normal(len(odds))).astype(int)
    shares = odds / odds.sum(axis=1, keepdims=True)
    return np.stack([rng.multinomial(n, share) for n, share in zip(counts, shares, strict=True)])


def sound_of(database: Database, space: LibraryVectors) -> Floats:
    """(n, 5) descriptors of the tracks of a space, standardised; no network has part in them."""
    with database.connect() as connection:
        rows = facets.matrix(connection, FACETS_ID, ROW_WIDTH)
    assert np.array_equal(rows.ids, space.ids), "index the library again: facets are missing"
    heard = facets_from_rows(rows.rows)
    lags = heard.rhythm
    values = np.stack(
        [
            heard.timbre[:, 1],  # brightness: the slope of the spectrum
            heard.timbre[:, 20],  # how much the loudness varies
            lags.max(axis=1) - lags.mean(axis=1),  # strength of the beat
            lags.argmax(axis=1),  # its tempo, as a logarithm
            np.square(heard.harmony).max(axis=1),  # how much of one chord it is
        ],
        axis=1,
    ).astype(np.float64)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def tracks_of(database: Database, space: LibraryVectors) -> list[Track]:
    with database.connect() as connection:
        known = tracks.get_many(connection, space.ids.tolist())
    return [known[track_id] for track_id in space.ids.tolist()]


def average_precision(scores: Floats, relevant: npt.NDArray[np.bool_]) -> float:
    """Of a ranking by scores: the mean precision at the rank of each relevant track."""
    hits = relevant[np.argsort(-scores, kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def area_under_curve(scores: Floats, relevant: npt.NDArray[np.bool_]) -> float:
    """How often a relevant track is ranked above another one."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1
    n, positive = len(scores), int(relevant.sum())
    return float(
        (order[relevant].sum() - positive * (positive + 1) / 2) / (positive * (n - positive))
    )
