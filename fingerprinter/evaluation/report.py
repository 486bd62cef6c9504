"""What an evaluation found, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.judge import JudgedAnswer
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.provenance import Provenance

_BINS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)  # of confidence


@dataclass(frozen=True, slots=True)
class Trial:
    """One clip and what was answered.

    drawn: (path, start in seconds) of each passage in the clip
    elapsed_s: of the identification alone, decoding not included
    """

    condition: Condition
    number: int
    drawn: tuple[tuple[str, float], ...]
    answers: tuple[JudgedAnswer, ...]
    elapsed_s: float

    def _named(self, which: Iterable[JudgedAnswer]) -> bool:
        """Whether the answers name every passage."""
        named = {answer.passage for answer in which}
        return not self.condition.outside and named >= set(range(len(self.drawn)))

    @property
    def is_hit(self) -> bool:
        """Every recording in the clip is named."""
        return self._named(self.answers)

    @property
    def is_placed(self) -> bool:
        """... with the place in it, within 50 ms."""
        return self._named(answer for answer in self.answers if answer.placed)

    @property
    def is_repeat(self) -> bool:
        """... or with another place of the same waveform, for one of them at least."""
        sounding = [answer for answer in self.answers if answer.placed or answer.repeated]
        return self._named(sounding) and not self.is_placed

    @property
    def is_in_tune(self) -> bool:
        """... with tempo and pitch within 0.5 %."""
        return self._named(answer for answer in self.answers if answer.in_tune)

    @property
    def is_false(self) -> bool:
        """Some recording is named that is not in the clip."""
        return any(answer.passage is None for answer in self.answers)


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One row of the table; of outside music only ``clips``, ``false_answers`` and times count.

    placed: hits with the offset within 50 ms; repeats: hits at an equally good place
    in_tune: hits with tempo and pitch within 0.5 %
    """

    condition: Condition
    clips: int
    hits: Rate
    placed: Rate
    repeats: Rate
    in_tune: Rate
    false_answers: Rate
    median_s: float
    p95_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rates = ("hits", "placed", "repeats", "in_tune") if not self.condition.outside else ()
        return {
            "condition": self.condition.name,
            "outside": self.condition.outside,
            "clips": self.clips,
            **{name: rate_json(getattr(self, name)) for name in rates},
            "false_answers": rate_json(self.false_answers),
            "median_s": round(self.median_s, 4),
            "p95_s": round(self.p95_s, 4),
        }


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers with a confidence of ``low`` up to ``high``: their mean, and how many were right."""

    low: float
    high: float
    mean_confidence: float
    right: Rate

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        mean = round(self.mean_confidence, 5)
        return {"low": self.low, "high": self.high, "mean": mean, "right": rate_json(self.right)}


@dataclass(frozen=True, slots=True)
class Report:
    """All of an evaluation.

    clips_per_condition: as asked for; interrupted: the run was stopped before it had them all
    """

    seed: int
    clips_per_condition: int
    min_confidence: float
    provenance: Provenance
    interrupted: bool
    trials: tuple[Trial, ...]

    @property
    def conditions(self) -> list[ConditionResult]:
        """A row for each condition with a clip, in the order of the first clips."""
        conditions = dict.fromkeys(trial.condition for trial in self.trials)
        return [
            _row(condition, [trial for trial in self.trials if trial.condition == condition])
            for condition in conditions
        ]

    @property
    def mean_recall(self) -> float | None:
        """The mean share of hits over the conditions with music of the library."""
        shares = [row.hits.share for row in self.conditions if not row.condition.outside]
        return float(np.mean([share for share in shares if share is not None])) if shares else None

    @property
    def outside_answered(self) -> Rate:
        """How many clips of outside music got an answer."""
        return Rate.of(trial.is_false for trial in self.trials if trial.condition.outside)

    @property
    def reliability(self) -> list[ReliabilityBin]:
        """How many answers were right, by the confidence they claimed; bins with answers only."""
        answers = [answer for trial in self.trials for answer in trial.answers]
        spans = [(low, high, _between(answers, low, high)) for low, high in pairwise(_BINS)]
        return [
            ReliabilityBin(low, high, _mean_confidence(inside), _right(inside))
            for low, high, inside in spans
            if inside
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the single trials."""
        return {
            "seed": self.seed,
            "clips_per_condition": self.clips_per_condition,
            "min_confidence": self.min_confidence,
            **asdict(self.provenance),
            "interrupted": self.interrupted,
            "mean_recall": self.mean_recall,
            "outside_answered": rate_json(self.outside_answered),
            "conditions": [row.to_json() for row in self.conditions],
            "reliability": [each.to_json() for each in self.reliability],
        }


def rate_json(rate: Rate) -> dict[str, Any]:
    """Count, total, share and interval."""
    low, high = rate.interval
    share = None if rate.share is None else round(rate.share, 4)
    return {
        "count": rate.count,
        "total": rate.total,
        "share": share,
        "interval": [round(low, 4), round(high, 4)],
    }


def _row(condition: Condition, trials: Sequence[Trial]) -> ConditionResult:
    times = [trial.elapsed_s for trial in trials]
    return ConditionResult(
        condition=condition,
        clips=len(trials),
        hits=Rate.of(trial.is_hit for trial in trials),
        placed=Rate.of(trial.is_placed for trial in trials),
        repeats=Rate.of(trial.is_repeat for trial in trials),
        in_tune=Rate.of(trial.is_in_tune for trial in trials),
        false_answers=Rate.of(trial.is_false for trial in trials),
        median_s=float(np.median(times)),
        p95_s=float(np.percentile(times, 95)),
    )


def _between(answers: Sequence[JudgedAnswer], low: float, high: float) -> list[JudgedAnswer]:
    """Those of a bin; the last bin holds its upper end."""
    return [a for a in answers if low <= a.confidence < high or a.confidence == high == _BINS[-1]]


def _mean_confidence(answers: Sequence[JudgedAnswer]) -> float:
    return float(np.mean([answer.confidence for answer in answers]))


def _right(answers: Sequence[JudgedAnswer]) -> Rate:
    return Rate.of(answer.passage is not None for answer in answers)
