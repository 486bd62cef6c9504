"""How well `recommend --plays` finds what simulated listeners like, on the standard protocol.

    python scripts/bench/recommend.py LIBRARY.db --out RESULTS.json [--seed 3]

*Known tracks*: a fifth of each listener's tracks is hidden and to be found among all that are left.
*Cold start*: a fifth of all tracks is hidden from everybody, or all tracks of a fifth of the
folders (here: games); each listener's are to be found among them. *Everything*: both fifths are
hidden, and to be found among all tracks that a listener has not played. Mean average precision and
area under the curve over 200 listeners, of 20 to 1,000 that are learned from. The upper bound is
the truth that the plays were drawn from (scripts/bench/listeners.py). Needs the extra [recommend].
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
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
from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.library.discover.collaborative import Factors, Plays, confidence, fit_factors
from fingerprinter.library.similar.rows import first_of_each
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.engine.database import Database

COUNTS = (20, 50, 100, 200, 1000)  # of listeners
JUDGED = 200  # of them
HIDDEN = 0.2
FIRST = 20  # recommendations, among which those that nobody played are counted

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Scores = dict[str, npt.NDArray[Any]]  # (listeners, n) by method


def fitted(plays: npt.NDArray[np.int64], vectors: Floats) -> Factors:
    users, tracks = np.nonzero(plays)
    return fit_factors(Plays(users, tracks, plays[users, tracks]), len(plays), vectors)


def own_taste(plays: npt.NDArray[np.int64], space: LibraryVectors) -> Floats:
    """What is recommended to each listener where there are no others."""
    nothing = np.empty((len(space), 0), np.float32)
    played = [np.flatnonzero(row) for row in plays]
    return np.stack(
        [
            score_by_likes(space.likeness(rows), confidence(row[rows]) - 1, nothing)
            for row, rows in zip(plays, played, strict=True)
        ]
    )


def all_scores(
    plays: npt.NDArray[np.int64],
    space: LibraryVectors,
    listeners: Listeners,
    rng: np.random.Generator,
) -> Scores:
    factors = fitted(plays, space.vectors)
    first = slice(JUDGED)
    shape = plays[first].shape
    return {
        "random": rng.random(shape),
        "popularity": np.broadcast_to(plays.sum(axis=0), shape),
        "own taste": own_taste(plays[first], space),
        "factors": factors.users[first] @ factors.tracks.T,
        "truth": (listeners.truth + listeners.popularity)[first],
    }


def judged(scores: Scores, relevant: Mask, open_: Mask) -> dict[str, dict[str, float]]:
    """relevant: (listeners, n), to be found; open_: where it is looked for."""
    return {name: _means(each, relevant, open_) for name, each in scores.items()}


def _means(scores: npt.NDArray[Any], relevant: Mask, open_: Mask) -> dict[str, float]:
    pairs = [
        (average_precision(row[where], right[where]), area_under_curve(row[where], right[where]))
        for row, right, where in zip(scores, relevant, open_, strict=True)
        if right[where].any()
    ]
    mean = np.mean(pairs, axis=0)
    error = np.std(pairs, axis=0) / np.sqrt(len(pairs))
    return {"map": mean[0], "map_error": error[0], "auc": mean[1], "auc_error": error[1]}


def hide(listeners: Listeners, hidden: Mask) -> tuple[Listeners, Mask]:
    """(those who still have plays, what was hidden of them)."""
    plays = np.where(hidden, 0, listeners.plays)
    some = plays.any(axis=1)
    left = Listeners(plays[some], listeners.truth[some], listeners.popularity)
    return left, (hidden & (listeners.plays > 0))[some]


def trial(
    listeners: Listeners,
    space: LibraryVectors,
    hidden: Mask,
    among: Mask | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """hidden: (listeners, n); among: (n,), where it is looked for; None: all that is not played."""
    left, relevant = hide(listeners, hidden)
    scores = all_scores(left.plays, space, left, rng)
    plays = left.plays[:JUDGED]
    open_ = plays == 0 if among is None else np.broadcast_to(among, plays.shape)
    found = judged(scores, relevant[:JUDGED], open_)
    for name, each in scores.items():
        first = np.argsort(-np.where(open_, each, -np.inf), axis=1)[:, :FIRST]
        found[name]["new"] = float((~left.plays.any(axis=0))[first].mean())
    return found


def runs(library: str, seed: int) -> Iterator[dict[str, Any]]:
    with open_library(library, create=False, read_only=True) as opened:
        space = opened.library_vectors()
    with Database.open(library, read_only=True) as database:
        known, sound = tracks_of(database, space), sound_of(database, space)
    folders = first_of_each(str(Path(track.path or "").parent) for track in known)
    for count in COUNTS:
        rng = np.random.default_rng([seed, count])
        listeners = listen(known, sound, count, seed)
        some = rng.random(listeners.plays.shape) < HIDDEN
        cold = rng.random(len(known)) < HIDDEN
        whole = rng.choice(folders.max() + 1, int(HIDDEN * folders.max()), replace=False)
        games = np.isin(folders, whole)
        trials = {
            "known tracks": (some, None),
            "cold tracks": (np.broadcast_to(cold, some.shape), cold),
            "cold folders": (np.broadcast_to(games, some.shape), games),
            "everything": (some | cold, None),
        }
        yield {"listeners": count} | {
            name: trial(listeners, space, hidden, among, rng)
            for name, (hidden, among) in trials.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="of real music, with facets")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    given = parser.parse_args()
    report = []
    for run in runs(given.library, given.seed):
        report.append(run)
        for name, found in run.items():
            print(run["listeners"], name, json.dumps(found), flush=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
