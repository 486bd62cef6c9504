"""How well recommendations suit simulated listeners, by likes and by play histories.

*Likes*: a listener names some of the best tracks as liked and some of the worst as disliked; the
other best tracks are to be found among all that were not named. *Histories*: a fifth of the tracks
that each listener played is hidden and to be found among all that are left; or a fifth of all
tracks is hidden from everybody (new tracks) and what each listener played of them is to be found
among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats, Mask
from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.listeners import (
    Listeners,
    area_under_curve,
    average_precision,
    simulate_listeners,
)
from fingerprinter.evaluation.metrics import Mean
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.evaluation.similarity_report import mean_json
from fingerprinter.library import Library
from fingerprinter.library.discover.collaborative import Plays, confidence, fit_factors
from fingerprinter.library.similar.vectors import LibraryVectors

_NAMED = ((1, 0), (3, 0), (3, 2), (10, 5))  # likes and dislikes
_BEST, _WORST = 0.85, 0.40  # quantiles of a listener's taste: above and below it
_HIDDEN = 0.2  # share of the plays, or of the tracks
_FEWEST = 40  # tracks, of which some are liked, some disliked, and some left to be found

Rows = npt.NDArray[np.intp]
Scores = Mapping[str, npt.NDArray[Any]]  # (n,) by method


@dataclass(frozen=True, slots=True)
class RecommendPlan:
    """What to evaluate.

    Attributes
    ----------
    listeners
        How many are simulated; all of them are learned from, and judged.
    histories
        Also evaluate play histories, which needs the extra ``recommend``.
    seed
        The same seed simulates the same listeners.
    """

    listeners: int = 200
    histories: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MethodResult:
    """How well one method does in one task, over the listeners.

    Attributes
    ----------
    task
        Name of the task, such as "3 likes, 2 dislikes" or "new tracks".
    method
        ``library`` is what the program does; the others are for comparison.
    precision
        Mean average precision.
    auc
        Area under the curve: 0.5 is chance.
    """

    task: str
    method: str
    precision: Mean
    auc: Mean

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "task": self.task,
            "method": self.method,
            "average_precision": mean_json(self.precision),
            "auc": mean_json(self.auc),
        }


@dataclass(frozen=True, slots=True)
class RecommendReport:
    """The result of an evaluation: a row for each task and method."""

    run: Run
    listeners: int
    rows: tuple[MethodResult, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [row.to_json() for row in self.rows]
        return {**self.run.to_json(), "listeners": self.listeners, "rows": rows}


def evaluate_recommend(
    library: Library, plan: RecommendPlan, on_progress: OnProgress = lambda _: None
) -> RecommendReport:
    """Simulate listeners of the library and recommend tracks to them.

    Ctrl-C ends the run early; the report then holds the tasks that were done.

    Raises
    ------
    UsageError
        If fewer than 40 tracks have an embedding, or histories are wanted without the library
        `implicit`.
    """
    tracks = list(library.tracks())
    space = library.library_vectors()
    if len(space) < _FEWEST:
        raise UsageError(
            f"{len(space)} tracks have an embedding; {_FEWEST} are needed,"
            " so index more music without --no-embeddings"
        )
    by_id = {track.id: track for track in tracks}
    known = [by_id[track_id] for track_id in space.ids.tolist()]
    listeners = simulate_listeners(known, plan.listeners, plan.seed)
    rng = np.random.default_rng([plan.seed, 1])
    tasks: list[tuple[str, Callable[[], Iterator[_Judged]]]] = [
        (f"{likes} likes, {dislikes} dislikes", _likes_task(space, listeners, likes, dislikes, rng))
        for likes, dislikes in _NAMED
    ]
    if plan.histories:
        tasks += [
            ("histories", _history_task(space, listeners, rng, new=False)),
            ("histories, new tracks", _history_task(space, listeners, rng, new=True)),
        ]
    rows: list[MethodResult] = []
    interrupted = False
    try:
        for number, (name, judge) in enumerate(tasks, 1):
            rows += _summarise(name, list(judge()))
            on_progress(Progress(number, len(tasks)))
    except KeyboardInterrupt:
        interrupted = True
    run = Run(plan.seed, Provenance.of(library, tracks), interrupted)
    return RecommendReport(run, plan.listeners, tuple(rows))


_Judged = Mapping[str, tuple[float, float]]  # (average precision, AUC) of one listener by method


def _summarise(task: str, judged: Sequence[_Judged]) -> list[MethodResult]:
    methods = judged[0] if judged else {}
    values = {method: np.array([each[method] for each in judged]) for method in methods}
    return [
        MethodResult(task, method, Mean.of(pairs[:, 0]), Mean.of(pairs[:, 1]))
        for method, pairs in values.items()
    ]


def _judge(scores: Scores, relevant: Mask, candidates: Mask) -> _Judged:
    """Each method's ranking of the candidates; relevant, candidates: (n,)."""
    return {
        method: (
            average_precision(values[candidates], relevant[candidates]),
            area_under_curve(values[candidates], relevant[candidates]),
        )
        for method, values in scores.items()
    }


def _likes_task(
    space: LibraryVectors, listeners: Listeners, likes: int, dislikes: int, rng: np.random.Generator
) -> Callable[[], Iterator[_Judged]]:
    """Each listener names some of the best and of the worst tracks."""

    def judge() -> Iterator[_Judged]:
        for taste in listeners.taste:
            best, worst = taste > np.quantile(taste, _BEST), taste < np.quantile(taste, _WORST)
            count = min(likes, int(best.sum()) - 1)
            liked = rng.choice(np.flatnonzero(best), count, replace=False)
            disliked = rng.choice(np.flatnonzero(worst), dislikes, replace=False)
            candidates = np.ones(len(space), bool)
            candidates[liked] = candidates[disliked] = False
            yield _judge(_scores_by_likes(space, liked, disliked, rng), best, candidates)

    return judge


def _scores_by_likes(
    space: LibraryVectors, liked: Rows, disliked: Rows, rng: np.random.Generator
) -> Scores:
    """What the library does; the mean of the likes less that of the dislikes; and chance."""
    weights = np.ones(len(liked), np.float32)
    direction = space.vectors[liked].mean(axis=0)
    if len(disliked):
        direction = direction - 0.25 * space.vectors[disliked].mean(axis=0)  # Rocchio's weight
    return {
        "library": score_by_likes(space.likeness(liked), weights, space.likeness(disliked)),
        "Rocchio": space.vectors @ direction,
        "random": rng.random(len(space)),
    }


def _history_task(
    space: LibraryVectors, listeners: Listeners, rng: np.random.Generator, *, new: bool
) -> Callable[[], Iterator[_Judged]]:
    """Some plays are hidden from the history; new: all plays of some tracks, which are judged."""

    def judge() -> Iterator[_Judged]:
        shape = listeners.plays.shape
        is_new: Mask = rng.random(len(space)) < _HIDDEN
        hidden = np.broadcast_to(is_new, shape) if new else rng.random(shape) < _HIDDEN
        plays = np.where(hidden, 0, listeners.plays)
        plays[~plays.any(axis=1), 0] = 1  # a history has a play at least
        users, tracks = np.nonzero(plays)
        factors = fit_factors(Plays(users, tracks, plays[users, tracks]), len(plays), space.vectors)
        popularity = plays.sum(axis=0)
        truth = listeners.taste + listeners.popularity
        for listener, row in enumerate(plays):
            relevant = hidden[listener] & (listeners.plays[listener] > 0)
            candidates = is_new if new else np.asarray(row == 0)
            if not relevant[candidates].any() or relevant[candidates].all():
                continue
            scores = {
                "library": factors.users[listener] @ factors.tracks.T,
                "own history only": _score_own_history(space, row),
                "popularity": popularity,
                "random": rng.random(len(space)),
                "upper bound": truth[listener],
            }
            yield _judge(scores, relevant, candidates)

    return judge


def _score_own_history(space: LibraryVectors, plays: npt.NDArray[np.int64]) -> Floats:
    """What is recommended where nobody else's history is known."""
    played = np.flatnonzero(plays)
    nothing = np.empty((len(space), 0), np.float32)
    return score_by_likes(space.likeness(played), confidence(plays[played]) - 1, nothing)
