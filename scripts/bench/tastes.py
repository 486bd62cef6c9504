"""Which way from likes and dislikes to recommendations suits simulated tastes best.

    python scripts/bench/tastes.py LIBRARY.db --out RESULTS.json [--listeners 150] [--seed 1]

Each simulated listener (scripts/bench/listeners.py) names some tracks of the best seventh as liked
and some of the worst two fifths as disliked; the other tracks of the best seventh are to be found
among all others. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from listeners import (
    Listeners,
    area_under_curve,
    average_precision,
    listen,
    sound_of,
    tracks_of,
)

from fingerprinter import open_library
from fingerprinter.core.vectors import preference
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.engine.database import Database

NAMED = ((1, 0), (3, 0), (3, 2), (10, 0), (10, 5))  # likes and dislikes
LIKED, DISLIKED = 0.85, 0.40  # quantiles of what a listener thinks of all tracks

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Method = Callable[[LibraryVectors, Rows, Rows], npt.NDArray[Any]]


def ours(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    weights = np.ones(len(liked), np.float32)
    return preference.score_by_likes(space.likeness(liked), weights, space.likeness(disliked))


def with_hubs(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    """The same by the cosine."""
    weights = np.ones(len(liked), np.float32)
    to_liked, to_disliked = (space.vectors @ space.vectors[rows].T for rows in (liked, disliked))
    return preference.score_by_likes(to_liked, weights, to_disliked)


def rocchio(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    vectors = space.vectors
    mean = vectors[liked].mean(axis=0)
    return vectors @ (mean - 0.25 * vectors[disliked].mean(axis=0) if len(disliked) else mean)


def nearest_like(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    vectors = space.vectors
    likeness = (vectors @ vectors[liked].T).max(axis=1)
    return likeness - 0.5 * np.maximum(0, (vectors @ vectors[disliked].T).max(axis=1, initial=0))


def ridge(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    """Regression with all other tracks as weak dislikes (Hu, Koren & Volinsky 2008)."""
    vectors = space.vectors
    wanted, trust = np.zeros(len(vectors), np.float32), np.ones(len(vectors), np.float32)
    wanted[liked], wanted[disliked] = 1, -0.5
    trust[liked] = trust[disliked] = 10
    weighted = vectors.T * trust
    gram = weighted @ vectors + 100 * np.eye(vectors.shape[1], dtype=np.float32)
    return vectors @ np.linalg.solve(gram, weighted @ wanted)


def logistic(space: LibraryVectors, liked: Rows, disliked: Rows) -> Floats:
    from sklearn.linear_model import LogisticRegression

    vectors = space.vectors
    wanted, trust = np.zeros(len(vectors)), np.ones(len(vectors))
    wanted[liked] = 1
    trust[liked] = trust[disliked] = 10
    model = LogisticRegression(C=0.1, max_iter=200).fit(vectors, wanted, sample_weight=trust)
    return vectors @ model.coef_[0]


METHODS: dict[str, Method] = {
    "ours": ours,
    "with hubs": with_hubs,
    "rocchio": rocchio,
    "nearest like": nearest_like,
    "ridge": ridge,
    "logistic": logistic,
}


def scored(
    space: LibraryVectors, listeners: Listeners, likes: int, dislikes: int, rng: np.random.Generator
) -> Iterator[dict[str, tuple[float, float]]]:
    """(average precision, AUC) of each method, and of chance, for each listener."""
    everything = np.arange(len(space))
    for truth in listeners.truth:
        good = np.flatnonzero(truth > np.quantile(truth, LIKED))
        bad = np.flatnonzero(truth < np.quantile(truth, DISLIKED))
        liked = rng.choice(good, likes, replace=False)
        disliked = rng.choice(bad, dislikes, replace=False)
        rest = np.setdiff1d(everything, np.concatenate([liked, disliked]))
        relevant = np.isin(rest, good)
        scores = {name: method(space, liked, disliked) for name, method in METHODS.items()}
        scores["random"] = rng.random(len(space))
        yield {
            name: (average_precision(each[rest], relevant), area_under_curve(each[rest], relevant))
            for name, each in scores.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="of real music, with facets")
    parser.add_argument("--listeners", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    given = parser.parse_args()
    with open_library(given.library, create=False, read_only=True) as library:
        space = library.library_vectors()
    with Database.open(given.library, read_only=True) as database:
        known, sound = tracks_of(database, space), sound_of(database, space)
    listeners = listen(known, sound, given.listeners, given.seed)
    rng, report = np.random.default_rng(given.seed), []
    for likes, dislikes in NAMED:
        rows = list(scored(space, listeners, likes, dislikes, rng))
        means = {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in rows[0]}
        report.append({"likes": likes, "dislikes": dislikes, "map_auc": means})
        print(json.dumps(report[-1]), flush=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
