"""How well `versions` finds other performances of a piece, and how often it is wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fingerprinter.errors import UsageError
from fingerprinter.evaluation.metrics import Mean, Rate, precision_of_ranking
from fingerprinter.evaluation.music import PathLike, track_groups
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import rate_json
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.evaluation.similarity_report import mean_json
from fingerprinter.library import Library
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE
from fingerprinter.types import Version

# Results of a query that are ranked. Versions that are not among them count as not found.
_RANKED, _LEAST_CONFIDENCE = 10, 0.01


@dataclass(frozen=True, slots=True)
class VersionsPlan:
    """What to evaluate.

    Attributes
    ----------
    groups
        Files of the same piece. Tracks in no group have no version.
    others
        How many tracks without a version are asked for, at most.
    seed
        The same seed draws the same of these tracks.
    """

    groups: Sequence[Sequence[PathLike]]
    others: int = 100
    seed: int = 0


@dataclass(frozen=True, slots=True)
class VersionsReport:
    """The result of an evaluation.

    Attributes
    ----------
    average_precision
        Mean over the queries, among the first 10 results of a confidence of 1 % or more.
    first
        Queries whose first result is a version.
    found
        Versions that are listed, over all queries.
    wrong
        Listed tracks that are no version, over all queries that have one.
    answered
        Queries without a version that get an answer.
    elapsed_s
        Median time of a query.
    """

    run: Run
    average_precision: Mean
    first: Rate
    found: Rate
    wrong: Rate
    answered: Rate
    elapsed_s: float

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("first", "found", "wrong", "answered")
        return {
            **self.run.to_json(),
            "average_precision": mean_json(self.average_precision),
            **{name: rate_json(getattr(self, name)) for name in names},
            "elapsed_s": round(self.elapsed_s, 3),
        }


def evaluate_versions(
    library: Library, plan: VersionsPlan, on_progress: OnProgress = lambda _: None
) -> VersionsReport:
    """Ask for the versions of all tracks of the groups, and of some tracks without a version.

    Ctrl-C ends the run early; the report then holds the queries that were done.

    Raises
    ------
    UsageError
        If no group has two tracks of the library.
    """
    groups = [group for group in track_groups(library, plan.groups) if len(group) > 1]
    if not groups:
        raise UsageError("no two files of a piece are in the library; index and analyse them first")
    tracks = list(library.tracks())
    versions = {track_id: group - {track_id} for group in groups for track_id in group}
    others = sorted({track.id for track in tracks} - versions.keys())
    rng = np.random.default_rng(plan.seed)
    drawn = rng.permutation(others)[: plan.others].tolist()
    queries = rng.permutation([*sorted(versions), *drawn]).tolist()  # so that some of both are done
    precisions, times = list[float](), list[float]()
    first, found, wrong, answered = (list[bool]() for _ in range(4))
    interrupted = False
    try:
        for number, query in enumerate(queries, 1):
            started = time.perf_counter()
            ranked = library.versions(query, _RANKED, min_confidence=_LEAST_CONFIDENCE)
            times.append(time.perf_counter() - started)
            wanted = versions.get(query, frozenset())
            right = [each.track.id in wanted for each in ranked]
            listed = [is_right for is_right, each in zip(right, ranked, strict=True) if _sure(each)]
            if wanted:
                precisions.append(precision_of_ranking(np.array(right, np.bool_), len(wanted)))
                first.append(right[:1] == [True])
                found += [True] * sum(listed) + [False] * (len(wanted) - sum(listed))
                wrong += [not is_right for is_right in listed]
            else:
                answered.append(bool(listed))
            on_progress(Progress(number, len(queries)))
    except KeyboardInterrupt:
        interrupted = True
    return VersionsReport(
        run=Run(plan.seed, Provenance.of(library, tracks), interrupted),
        average_precision=Mean.of(np.array(precisions)),
        first=Rate.of(first),
        found=Rate.of(found),
        wrong=Rate.of(wrong),
        answered=Rate.of(answered),
        elapsed_s=float(np.median(times)) if times else 0.0,
    )


def _sure(version: Version) -> bool:
    return version.confidence >= MIN_VERSION_CONFIDENCE
