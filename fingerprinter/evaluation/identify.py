"""How many degraded clips of a library's own recordings are identified, and how often others are.

Everything is drawn from a seed. A run can be stopped at any time and keeps what it has. The
identification is timed in this process, on clips that are decoded already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from fingerprinter.evaluation.clips import Clip, draw_clip
from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.degrade import Sounds
from fingerprinter.evaluation.excerpt import SR, Samples
from fingerprinter.evaluation.judge import Judge
from fingerprinter.evaluation.music import (
    Music,
    PathLike,
    inside_music,
    outside_music,
    track_groups,
)
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import IdentifyReport, Trial
from fingerprinter.evaluation.run import OnProgress, Progress
from fingerprinter.library import MIN_CONFIDENCE, Library
from fingerprinter.types import Match


@dataclass(frozen=True, slots=True)
class IdentifyPlan:
    """What to evaluate.

    Attributes
    ----------
    conditions
        What is done to the clips. Conditions of outside music are left out if there is none.
    clips
        Number for each condition; fewer if the music does not give as many.
    seed
        The same seed draws the same clips.
    sounds
        Where noise comes from.
    sources
        Files and folders to draw from; all tracks of the library if empty.
    outside
        Files and folders of music that the library does not hold.
    groups
        Files that hold the same recording, in addition to those with the same waveform.
    min_confidence
        The least confidence that counts as an answer.
    channel
        What a clip, (n,) float32 at 16 kHz, goes through before it is identified, such as
        `fingerprinter.evaluation.playback.Playback`; it returns as many samples. The report says
        that there was one.
    """

    conditions: Sequence[Condition]
    clips: int = 100
    seed: int = 0
    sounds: Sounds = field(default_factory=Sounds)
    sources: Sequence[PathLike] = ()
    outside: Sequence[PathLike] = ()
    groups: Sequence[Sequence[PathLike]] = ()
    min_confidence: float = MIN_CONFIDENCE
    channel: Callable[[Samples], Samples] | None = None


def evaluate_identify(
    library: Library, plan: IdentifyPlan, on_progress: OnProgress = lambda _: None
) -> IdentifyReport:
    """Draw clips of all conditions, identify them and judge the matches.

    Ctrl-C ends the run early; the report then holds the clips that were done and says so.

    Raises
    ------
    UsageError
        If there is no music to draw from.
    """
    tracks = list(library.tracks())
    music = Music(inside_music(tracks, plan.sources), outside_music(plan.outside))
    conditions = [each for each in plan.conditions if each.render or music.pool(each)]
    judge = Judge(track_groups(library, plan.groups))
    trials: list[Trial] = []
    interrupted = False
    try:
        for clip in draw_clips(plan, conditions, music):
            if not trials:  # the first identification of a process also loads the index
                _identify(library, clip, plan.min_confidence)
            if plan.channel:
                clip = replace(clip, samples=plan.channel(clip.samples))
            trials.append(_run_trial(library, clip, judge, plan.min_confidence))
            on_progress(Progress(len(trials), plan.clips * len(conditions)))
    except KeyboardInterrupt:
        interrupted = True
    return IdentifyReport(
        seed=plan.seed,
        clips_per_condition=plan.clips,
        min_confidence=plan.min_confidence,
        provenance=Provenance.of(library, tracks),
        interrupted=interrupted,
        trials=tuple(trials),
        played=plan.channel is not None,
    )


def draw_clips(plan: IdentifyPlan, conditions: Sequence[Condition], music: Music) -> Iterator[Clip]:
    """Draw one clip of every condition in turn: a run that is cut short has some of each."""
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


def _run_trial(library: Library, clip: Clip, judge: Judge, min_confidence: float) -> Trial:
    """Identify a clip, take the time, and judge the matches."""
    started = time.perf_counter()
    matches = _identify(library, clip, min_confidence)
    elapsed_s = time.perf_counter() - started
    drawn = tuple((passage.recording.path, passage.start_s) for passage in clip.passages)
    answers = tuple(judge.judge(clip, match) for match in matches)
    return Trial(clip.condition, clip.number, drawn, answers, elapsed_s)


def _identify(library: Library, clip: Clip, min_confidence: float) -> list[Match]:
    return library.identify(
        (clip.samples, SR),
        min_confidence=min_confidence,
        all_matches=clip.condition.recordings > 1,
    )
