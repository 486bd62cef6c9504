"""The result of an evaluation of identification, and its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.judge import JudgedMatch
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.provenance import Provenance

_BINS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)  # of confidence


@dataclass(frozen=True, slots=True)
class Trial:
    """One clip and the matches that were reported for it.

    Attributes
    ----------
    condition, number
        The condition, and the number of the clip.
    drawn
        (path, start in seconds) of each passage in the clip.
    answers
        The matches, judged.
    elapsed_s
        Time of the identification, without decoding.
    """

    condition: Condition
    number: int
    drawn: tuple[tuple[str, float], ...]
    answers: tuple[JudgedMatch, ...]
    elapsed_s: float

    def _named(self, which: Iterable[JudgedMatch]) -> bool:
        """Whether the answers name every passage of the clip."""
        named = {answer.passage for answer in which}
        return not self.condition.outside and named >= set(range(len(self.drawn)))

    @property
    def is_hit(self) -> bool:
        """Every recording in the clip is named."""
        return self._named(self.answers)

    @property
    def is_placed(self) -> bool:
        """Every recording is named with its place, within 50 ms."""
        return self._named(answer for answer in self.answers if answer.placed)

    @property
    def is_repeat(self) -> bool:
        """Every recording is named, at least one of them at another place of the same waveform."""
        sounding = [answer for answer in self.answers if answer.placed or answer.repeated]
        return self._named(sounding) and not self.is_placed

    @property
    def is_in_tune(self) -> bool:
        """Every recording is named with tempo and pitch within 0.5 %."""
        return self._named(answer for answer in self.answers if answer.in_tune)

    @property
    def is_false(self) -> bool:
        """A recording is named that is not in the clip: a false positive."""
        return any(answer.passage is None for answer in self.answers)


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One row of the table. Of outside music only clips, false answers and times count.

    Attributes
    ----------
    hits
        Clips of which every recording is named.
    placed
        Hits with the offset within 50 ms.
    repeats
        Hits at another place of the same waveform.
    in_tune
        Hits with tempo and pitch within 0.5 %.
    false_answers
        Clips with a match that is wrong.
    median_s, p95_s
        Times of the identification.
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
class IdentifyReport:
    """The result of an evaluation.

    Attributes
    ----------
    seed
        The same seed draws the same clips.
    clips_per_condition
        Clips that were wanted; there may be fewer.
    min_confidence
        Matches below it were not reported.
    provenance
        What the figures hold for.
    interrupted
        Whether the run was stopped before it had all clips.
    trials
        One for each clip.
    played
        Whether the clips went through a channel, such as a loudspeaker and a microphone.
    """

    seed: int
    clips_per_condition: int
    min_confidence: float
    provenance: Provenance
    interrupted: bool
    trials: tuple[Trial, ...]
    played: bool = False

    @property
    def conditions(self) -> list[ConditionResult]:
        """A row for each condition that has a clip, in the order of the first clips."""
        conditions = dict.fromkeys(trial.condition for trial in self.trials)
        return [
            _row(condition, [trial for trial in self.trials if trial.condition == condition])
            for condition in conditions
        ]

    @property
    def mean_recall(self) -> float | None:
        """The mean share of hits over the conditions with music of the library (recall)."""
        shares = [row.hits.share for row in self.conditions if not row.condition.outside]
        return float(np.mean([share for share in shares if share is not None])) if shares else None

    @property
    def outside_answered(self) -> Rate:
        """Clips of outside music that got an answer: false positives."""
        return Rate.of(trial.is_false for trial in self.trials if trial.condition.outside)

    @property
    def reliability(self) -> list[ReliabilityBin]:
        """How many answers were right, by their confidence; bins without answers are left out."""
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
            "played": self.played,
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


def _between(answers: Sequence[JudgedMatch], low: float, high: float) -> list[JudgedMatch]:
    """The answers of a bin. The last bin includes its upper end."""
    return [a for a in answers if low <= a.confidence < high or a.confidence == high == _BINS[-1]]


def _mean_confidence(answers: Sequence[JudgedMatch]) -> float:
    return float(np.mean([answer.confidence for answer in answers]))


def _right(answers: Sequence[JudgedMatch]) -> Rate:
    return Rate.of(answer.passage is not None for answer in answers)
