"""How small the steps of `path` are, compared with a straight line and with random playlists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fingerprinter.core.arrays import Doubles
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import rate_json
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.library import Library
from fingerprinter.library.similar.vectors import LibraryVectors

Pair = tuple[int, int]  # rows of the library's vectors


@dataclass(frozen=True, slots=True)
class PathsPlan:
    """What to evaluate.

    Attributes
    ----------
    pairs
        Random pairs of tracks for each length.
    lengths
        Tracks in a path, both ends included.
    seed
        The same seed draws the same pairs.
    """

    pairs: int = 50
    lengths: Sequence[int] = (6, 10, 20)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LengthResult:
    """Paths of one length. A step is 1 - cosine of two neighbours; each path counts by its largest.

    Attributes
    ----------
    path, line, random
        (pairs,) the largest steps of the library's paths, of the straight line between the same
        two tracks, and of random tracks between them.
    elapsed_s
        (pairs,) the times of the library's paths.
    """

    length: int
    path: Doubles
    line: Doubles
    random: Doubles
    elapsed_s: Doubles

    @property
    def smoother(self) -> Rate:
        """How often the largest step of the path is smaller than that of the line."""
        return Rate.of((self.path < self.line).tolist())

    @property
    def medians(self) -> dict[str, float]:
        """The median of each series."""
        names = ("path", "line", "random", "elapsed_s")
        return {name: float(np.median(getattr(self, name))) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Medians and 90th percentiles as plain values."""
        names = ("path", "line", "random", "elapsed_s")
        series = {name: getattr(self, name) for name in names}
        return {
            "length": self.length,
            "pairs": len(self.path),
            "smoother": rate_json(self.smoother),
            **{
                name: {
                    "median": round(float(np.median(values)), 4),
                    "p90": round(float(np.percentile(values, 90)), 4),
                }
                for name, values in series.items()
            },
        }


@dataclass(frozen=True, slots=True)
class PathsReport:
    """The result of an evaluation: a row for each length."""

    run: Run
    lengths: tuple[LengthResult, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.run.to_json(), "lengths": [each.to_json() for each in self.lengths]}


def evaluate_paths(
    library: Library, plan: PathsPlan, on_progress: OnProgress = lambda _: None
) -> PathsReport:
    """Ask for paths between random pairs of tracks and measure their largest steps.

    Ctrl-C ends the run early; the report then holds the lengths that were done.

    Raises
    ------
    UsageError
        If fewer than three tracks have an embedding.
    """
    space = library.library_vectors()
    if len(space) < 3:
        raise UsageError(
            f"{len(space)} tracks have an embedding; a path needs three,"
            " so index more music without --no-embeddings"
        )
    rng = np.random.default_rng(plan.seed)
    pairs = [_draw_pair(space, rng) for _ in range(plan.pairs)]
    results: list[LengthResult] = []
    interrupted = False
    try:
        for number, length in enumerate(plan.lengths):
            rows = []
            for done, pair in enumerate(pairs, 1):
                rows.append(_measure(library, space, pair, length, rng))
                on_progress(Progress(number * len(pairs) + done, len(plan.lengths) * len(pairs)))
            results.append(LengthResult(length, *np.array(rows, np.float64).T))
    except KeyboardInterrupt:
        interrupted = True
    provenance = Provenance.of(library, list(library.tracks()))
    return PathsReport(Run(plan.seed, provenance, interrupted), tuple(results))


def _draw_pair(space: LibraryVectors, rng: np.random.Generator) -> Pair:
    first, last = rng.choice(len(space), 2, replace=False).tolist()
    return first, last


def _measure(
    library: Library, space: LibraryVectors, pair: Pair, length: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Largest step of the path, of the line, of random tracks; and the time of the path."""
    start, end = space.ids[list(pair)].tolist()
    started = time.perf_counter()
    path = library.path(start, end, length)
    elapsed_s = time.perf_counter() - started
    rows = np.searchsorted(space.ids, [each.track.id for each in path])
    others = np.setdiff1d(np.arange(len(space)), pair)
    between = rng.permutation(others)[: length - 2].tolist()
    return (
        largest_step(space, rows.tolist()),
        largest_step(space, straight_line(space, pair, length)),
        largest_step(space, [pair[0], *between, pair[1]]),
        elapsed_s,
    )


def largest_step(space: LibraryVectors, rows: Sequence[int]) -> float:
    """The greatest cosine distance between neighbours, 0..2."""
    vectors = space.vectors[list(rows)]
    return float(1 - np.vecdot(vectors[:-1], vectors[1:]).min())


def straight_line(space: LibraryVectors, pair: Pair, length: int) -> list[int]:
    """The tracks nearest to evenly spaced points of the line between two, each one once."""
    first, last = space.vectors[list(pair)]
    taken = list(pair)
    for weight in np.linspace(0, 1, min(length, len(space)))[1:-1]:
        nearness = space.vectors @ ((1 - weight) * first + weight * last)
        nearness[taken] = -np.inf
        taken.append(int(nearness.argmax()))
    return [pair[0], *taken[2:], pair[1]]
