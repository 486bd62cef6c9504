"""How well the track list of a long mix is recognised (`identify --all`, `monitor`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.evaluation.jingles import draw_jingles
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.evaluation.mixes import Mix, MixPlan, PlayedTrack, draw_mix
from fingerprinter.evaluation.music import PathLike, inside_music, outside_music, track_groups
from fingerprinter.evaluation.provenance import Provenance
from fingerprinter.evaluation.report import rate_json
from fingerprinter.evaluation.run import OnProgress, Progress, Run
from fingerprinter.library import MIN_CONFIDENCE, Library
from fingerprinter.library.listening.listener import Listener, TimedBlock
from fingerprinter.library.listening.window_search import WindowSearcher
from fingerprinter.types import Match

BOUNDARY_TOLERANCE_S = 3.0
OFFSET_TOLERANCE_S = 0.05
TEMPO_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class TrackListPlan:
    """What to evaluate.

    Attributes
    ----------
    mixes
        How many mixes are made.
    mix
        How each of them is made.
    jingles
        Instead of mixes, play so many short parts alone: in silence and, if there is speech, in
        speech.
    monitor
        Whether the listener of `monitor` is asked instead of `identify --all`.
    seed
        The same seed draws the same mixes.
    sources
        Files and folders to draw from; all tracks if empty.
    outside
        Files and folders of music that the library does not hold, played in between.
    groups
        Files that hold the same recording.
    min_confidence
        The least confidence that counts.
    """

    mixes: int = 3
    mix: MixPlan = field(default_factory=MixPlan)
    jingles: int = 0
    monitor: bool = False
    seed: int = 0
    sources: Sequence[PathLike] = ()
    outside: Sequence[PathLike] = ()
    groups: Sequence[Sequence[PathLike]] = ()
    min_confidence: float = MIN_CONFIDENCE


@dataclass(frozen=True, slots=True)
class MixResult:
    """What was recognised in one mix.

    Attributes
    ----------
    name
        Of the mix.
    duration_s, elapsed_s
        Length of the mix, and time of the identification.
    found
        Tracks of the library that an entry names while they play.
    wrong
        Entries that name a track that does not play at that time.
    boundary_errors_s
        Start and end of each track found minus the true ones, in seconds. A track begins with its
        fade in and ends with its fade out.
    middle_errors_s
        The same, where a track begins and ends in the middle of its fades.
    tempo
        Entries whose tempo is within 0.5 %.
    placed
        Entries whose place in the track is within 50 ms.
    """

    name: str
    duration_s: float
    elapsed_s: float
    found: Rate
    wrong: Rate
    boundary_errors_s: tuple[float, ...]
    middle_errors_s: tuple[float, ...]
    tempo: Rate
    placed: Rate

    @property
    def boundaries(self) -> Rate:
        """Boundaries that lie within 3 s of the true ones."""
        return _within_tolerance(self.boundary_errors_s)

    @property
    def middle_boundaries(self) -> Rate:
        """Boundaries that lie within 3 s of the middles of the fades."""
        return _within_tolerance(self.middle_errors_s)

    @property
    def median_boundary_error_s(self) -> float | None:
        """The median distance of a boundary from the true one; ``None`` without any."""
        errors = self.boundary_errors_s
        return float(np.median(np.abs(errors))) if errors else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        median_s = self.median_boundary_error_s
        rates = ("found", "wrong", "boundaries", "middle_boundaries", "tempo", "placed")
        return {
            "name": self.name,
            "duration_s": round(self.duration_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            **{name: rate_json(getattr(self, name)) for name in rates},
            "median_boundary_error_s": None if median_s is None else round(median_s, 3),
        }


@dataclass(frozen=True, slots=True)
class TrackListReport:
    """The result of an evaluation: a row for each mix."""

    run: Run
    mixes: tuple[MixResult, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""
        return self.run.interrupted

    @property
    def total(self) -> MixResult:
        """All mixes together."""

        def added(name: str) -> Rate:
            rates = [getattr(each, name) for each in self.mixes]
            return Rate(sum(rate.count for rate in rates), sum(rate.total for rate in rates))

        return MixResult(
            name="all",
            duration_s=sum(each.duration_s for each in self.mixes),
            elapsed_s=sum(each.elapsed_s for each in self.mixes),
            found=added("found"),
            wrong=added("wrong"),
            boundary_errors_s=tuple(e for mix in self.mixes for e in mix.boundary_errors_s),
            middle_errors_s=tuple(e for mix in self.mixes for e in mix.middle_errors_s),
            tempo=added("tempo"),
            placed=added("placed"),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        mixes = [each.to_json() for each in self.mixes]
        return {**self.run.to_json(), "total": self.total.to_json(), "mixes": mixes}


def evaluate_track_list(
    library: Library, plan: TrackListPlan, on_progress: OnProgress = lambda _: None
) -> TrackListReport:
    """Make mixes of the library's tracks and identify every recording in them.

    Ctrl-C ends the run early; the report then holds the mixes that were done.

    Raises
    ------
    UsageError
        If there is no music to draw from.
    """
    tracks = list(library.tracks())
    inside, outside = inside_music(tracks, plan.sources), outside_music(plan.outside)
    groups = track_groups(library, plan.groups)
    results: list[MixResult] = []
    interrupted = False
    ask = _heard if plan.monitor else _listed
    total = (2 if plan.mix.speech else 1) if plan.jingles else plan.mixes
    try:
        for name, mix in _drawn(plan, inside, outside):
            started = time.perf_counter()
            matches = ask(library, mix, plan.min_confidence)
            elapsed_s = time.perf_counter() - started
            results.append(replace(judge_track_list(mix, matches, groups, elapsed_s), name=name))
            on_progress(Progress(len(results), total))
    except KeyboardInterrupt:
        interrupted = True
    return TrackListReport(
        Run(plan.seed, Provenance.of(library, tracks), interrupted), tuple(results)
    )


def _drawn(
    plan: TrackListPlan, inside: Sequence[Recording], outside: Sequence[Recording]
) -> Iterator[tuple[str, Mix]]:
    """The mixes of a plan with their names, each drawn when it is asked for."""
    for number in range(0 if plan.jingles else plan.mixes):
        rng = np.random.default_rng([plan.seed, number])
        yield f"{number + 1}", draw_mix(plan.mix, inside, outside, rng)
    if plan.jingles:
        rng = np.random.default_rng([plan.seed, 0])
        yield "jingles in silence", draw_jingles(plan.jingles, inside, None, rng)
    if plan.jingles and plan.mix.speech:
        rng = np.random.default_rng([plan.seed, 1])
        yield "jingles in speech", draw_jingles(plan.jingles, inside, plan.mix.speech, rng)


def _listed(library: Library, mix: Mix, min_confidence: float) -> Sequence[Match]:
    """What `identify --all` lists."""
    return library.identify((mix.samples, SR), min_confidence=min_confidence, all_matches=True)


def _heard(library: Library, mix: Mix, min_confidence: float) -> Sequence[Match]:
    """What `monitor` tells as ended, in seconds of the mix."""
    with library.snapshot() as (_, recognizer):
        params, policy = recognizer.params, recognizer.policy
    search = WindowSearcher(library.snapshot, threading.Event(), lambda _: None)
    listener = Listener(search, "mix", params, policy, min_confidence=min_confidence)
    blocks = (
        TimedBlock(mix.samples[start : start + SR], min(start + SR, len(mix.samples)) / SR)
        for start in range(0, len(mix.samples), SR)
    )
    ended = [each for each in listener.listen(blocks) if each.type == "ended"]
    return [_in_mix(each.match, each.started_at.timestamp()) for each in ended if each.match]


def _in_mix(match: Match, start_s: float) -> Match:
    """A match whose times count from its start, in seconds of the mix."""
    return replace(
        match,
        clip_start_s=start_s,
        clip_end_s=start_s + match.clip_end_s,
        offset_s=match.offset_s - start_s * match.tempo,
    )


def judge_track_list(
    mix: Mix,
    matches: Sequence[Match],
    groups: Sequence[frozenset[int]] = (),
    elapsed_s: float = 0.0,
) -> MixResult:
    """Compare a track list with the truth about a mix.

    Parameters
    ----------
    mix
        The mix and what is played in it.
    matches
        The entries of the list.
    groups
        Ids of tracks that hold the same recording.
    elapsed_s
        Time of the identification.
    """
    known = [each for each in mix.played if each.recording.track_id is not None]
    right = [[match for match in matches if _names(match, each, groups)] for each in known]
    found = [(each, named) for each, named in zip(known, right, strict=True) if named]
    pairs = [(each, match) for each, named in found for match in named]
    return MixResult(
        name="",
        duration_s=mix.duration_s,
        elapsed_s=elapsed_s,
        found=Rate(len(found), len(known)),
        wrong=Rate.of(not any(_names(match, each, groups) for each in known) for match in matches),
        boundary_errors_s=tuple(error for pair in found for error in _boundary_errors(*pair, 0.0)),
        middle_errors_s=tuple(error for pair in found for error in _boundary_errors(*pair, 0.5)),
        tempo=Rate.of(
            abs(match.tempo / each.warp.tempo - 1) <= TEMPO_TOLERANCE for each, match in pairs
        ),
        placed=Rate.of(abs(_place_error(*pair)) <= OFFSET_TOLERANCE_S for pair in pairs),
    )


def _names(match: Match, played: PlayedTrack, groups: Sequence[frozenset[int]]) -> bool:
    """Whether an entry names a recording, or a copy of it, while it plays."""
    a, b = match.track.id, played.recording.track_id
    is_same = a == b or any(a in group and b in group for group in groups)
    return is_same and min(match.clip_end_s, played.end_s) > max(match.clip_start_s, played.start_s)


def _within_tolerance(errors_s: Sequence[float]) -> Rate:
    return Rate.of(abs(error) <= BOUNDARY_TOLERANCE_S for error in errors_s)


def _boundary_errors(
    played: PlayedTrack, named: Sequence[Match], faded: float
) -> tuple[float, float]:
    """By how much the first entry begins, and the last one ends, too late.

    faded: the share of a fade that must be over where a track begins, and to come where it ends
    """
    first_s = min(match.clip_start_s for match in named)
    last_s = max(match.clip_end_s for match in named)
    start_s = played.start_s + faded * played.fade_in_s
    end_s = played.end_s - faded * played.fade_out_s
    return first_s - start_s, last_s - end_s


def _place_error(played: PlayedTrack, match: Match) -> float:
    """Seconds of the track by which an entry is off, in the middle of the entry."""
    middle_s = (match.clip_start_s + match.clip_end_s) / 2
    true_s = played.offset_s + (middle_s - played.start_s) * played.warp.tempo
    return match.offset_s + middle_s * match.tempo - true_s
