"""How well a library names clips of its own recordings, and leaves other music unnamed.

Everything is drawn from a seed; a run can be stopped at any time and keeps what it has.
Identification is timed in this process, on clips that are decoded already.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fingerprinter.evaluation.clips import Clip, draw_clip
from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.degrade import Sounds
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.evaluation.judge import Judge
from fingerprinter.evaluation.music import (
    Music,
    PathLike,
    inside_music,
    outside_music,
    track_groups,
)
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import Report, Trial
from fingerprinter.evaluation.run import OnProgress, Progress
from fingerprinter.library import MIN_CONFIDENCE, Library
from fingerprinter.types import Match


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate.

    clips: of each condition; fewer where the music does not give as many
    sources: files and folders to draw from; none: all tracks of the library
    outside: files and folders of music that the library does not hold; without any, the
    conditions of outside music are left out
    groups: files that hold the same recording, beside those whose waveform is the same
    """

    conditions: Sequence[Condition]
    clips: int = 100
    seed: int = 0
    sounds: Sounds = field(default_factory=Sounds)
    sources: Sequence[PathLike] = ()
    outside: Sequence[PathLike] = ()
    groups: Sequence[Sequence[PathLike]] = ()
    min_confidence: float = MIN_CONFIDENCE


def evaluate_identify(
    library: Library, plan: Plan, on_progress: OnProgress = lambda _: None
) -> Report:
    """Draws clips of all conditions in turns, identifies and judges them.

    Ctrl-C ends the run early; the report then holds the clips that were done and says so.
    Raises `UsageError` where there is nothing to draw from.
    """
    tracks = list(library.tracks())
    music = Music(inside_music(tracks, plan.sources), outside_music(plan.outside))
    trials, interrupted = _trials(library, plan, music, on_progress)
    return Report(
        seed=plan.seed,
        clips_per_condition=plan.clips,
        min_confidence=plan.min_confidence,
        provenance=Provenance.of(library, tracks),
        interrupted=interrupted,
        trials=tuple(trials),
    )


def _trials(
    library: Library, plan: Plan, music: Music, on_progress: OnProgress
) -> tuple[list[Trial], bool]:
    """The trials, and whether Ctrl-C ended them early."""
    examiner = _Examiner(library, Judge(track_groups(library, plan.groups)), plan.min_confidence)
    conditions = [each for each in plan.conditions if music.pool(each)]
    trials: list[Trial] = []
    try:
        for clip in draw_clips(plan, conditions, music):
            trials.append(examiner.examine(clip))
            on_progress(Progress(len(trials), plan.clips * len(conditions)))
    except KeyboardInterrupt:
        return trials, True
    return trials, False


def draw_clips(plan: Plan, conditions: Sequence[Condition], music: Music) -> Iterator[Clip]:
    """The first clip of every condition, then the second: a run cut short has some of each."""
    exhausted: set[str] = set()
    for number in range(plan.clips):
        for condition in conditions:
            if condition.name in exhausted:
                continue
            clip = draw_clip(condition, number, music.pool(condition), plan.sounds, plan.seed)
            if clip is None:
                exhausted.add(condition.name)
            else:
                yield clip


class _Examiner:
    """Asks the library and has the answers judged."""

    def __init__(self, library: Library, judge: Judge, min_confidence: float) -> None:
        self._library, self._judge, self._min_confidence = library, judge, min_confidence
        self._is_warm = False

    def examine(self, clip: Clip) -> Trial:
        if not self._is_warm:  # the first question of a process also loads the index
            self._ask(clip)
            self._is_warm = True
        started = time.perf_counter()
        matches = self._ask(clip)
        elapsed_s = time.perf_counter() - started
        drawn = tuple((passage.recording.path, passage.start_s) for passage in clip.passages)
        answers = tuple(self._judge.judge(clip, match) for match in matches)
        return Trial(clip.condition, clip.number, drawn, answers, elapsed_s)

    def _ask(self, clip: Clip) -> list[Match]:
        return self._library.identify(
            (clip.samples, SR),
            min_confidence=self._min_confidence,
            all_matches=clip.condition.recordings > 1,
        )
