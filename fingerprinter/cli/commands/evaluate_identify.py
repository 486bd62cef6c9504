"""`evaluate identify`: how many degraded clips of the library's own music are identified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    Groups,
    OutputFile,
    Outside,
    Seed,
    Sources,
    interval,
    percent,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson, MinConfidence, device_number
from fingerprinter.cli.common.output import Column, emit, print_message, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.errors import UsageError
from fingerprinter.library import MIN_CONFIDENCE, open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Condition, ConditionResult, IdentifyReport, Sounds
    from fingerprinter.evaluation.playback import Playback


def identify(
    ctx: typer.Context,
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONDITION...",
            help="Names, or how they begin: clean, ambience+0dB, speed-0.80-10s, sound-pips. "
            "Default: all but sound and the hardest.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Sixteen conditions instead of all.")
    ] = False,
    clips: Annotated[int, typer.Option(min=1, metavar="N", help="Clips of each condition.")] = 50,
    seed: Seed = 0,
    source: Sources = None,
    outside: Outside = None,
    ambience: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Recordings of noise. Default: synthetic noise."),
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Recordings of voices. Default: synthetic voices."),
    ] = None,
    play: Annotated[
        bool,
        typer.Option(
            "--play",
            help="Play the clips through the loudspeaker and record them by the microphone, in "
            "real time. Default conditions: clean and outside-clean.",
        ),
    ] = False,
    speaker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Loudspeaker for --play, by name or number. Default: the system's.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Microphone for --play, by name or number. Default: the system's."
        ),
    ] = None,
    groups: Groups = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how many clips of the library's own music are identified.

    Draws clips from the files, adds noise, rooms, telephone lines, other tempos and pitches, and
    identifies them. Ctrl-C ends it early; the clips that are done count.

    Example: fingerprinter evaluate identify --quick --outside ~/Other/Music
    """
    from fingerprinter.evaluation import IdentifyPlan, evaluate_identify, read_groups

    if not play and (speaker or device):
        raise UsageError("--speaker and --device: nothing is played; add --play")
    if play and not (conditions or quick):
        conditions = ["clean", "outside-clean"]
    selected = _selected(conditions, quick)
    plan = IdentifyPlan(
        conditions=selected,
        clips=clips,
        seed=seed,
        sounds=_sounds(ambience, speech),
        sources=source or (),
        outside=outside or (),
        groups=read_groups(groups) if groups else (),
        min_confidence=min_confidence,
        channel=_playback(speaker, device, selected, clips) if play else None,
    )
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("drawing clips", counted("clips")) as on_progress,
    ):
        report = evaluate_identify(library, plan, on_progress)
    done = f"the {len(report.trials)} clips that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _selected(names: Sequence[str] | None, quick: bool) -> Sequence[Condition]:
    from fingerprinter.evaluation import (
        CONDITIONS,
        HARD_CONDITIONS,
        QUICK,
        SOUND_CONDITIONS,
        select,
    )

    if not names:
        return QUICK if quick else CONDITIONS
    return select(names, QUICK if quick else (*CONDITIONS, *HARD_CONDITIONS, *SOUND_CONDITIONS))


def _sounds(ambience: Sequence[Path] | None, speech: Sequence[Path] | None) -> Sounds:
    from fingerprinter.evaluation import Sounds, folder_sound

    named = {"ambience": ambience, "voice": speech}
    return Sounds(**{name: folder_sound(paths) for name, paths in named.items() if paths})


def _playback(
    speaker: str | None, device: str | None, conditions: Sequence[Condition], clips: int
) -> Playback:
    """Check that the microphone hears the loudspeaker, and say how, and how long it will take."""
    from fingerprinter.audio.loudspeaker import LATENCY_S
    from fingerprinter.evaluation.playback import Playback

    playback = Playback(device_number(speaker), device_number(device))
    heard = playback.check()
    most_s = clips * sum(condition.clip_s + LATENCY_S for condition in conditions)
    print_message(
        f"the microphone hears the loudspeaker after {heard.delay_s:.2f} s at"
        f" {heard.level_db:.0f} dB of full scale; all clips take up to {most_s / 60:.0f} minutes"
    )
    return playback


def _print_report(report: IdentifyReport) -> None:
    print_conditions(report.conditions)
    _print_reliability(report)
    _print_summary(report)


def print_conditions(rows: Sequence[ConditionResult]) -> None:
    """Print a row for each condition."""
    titles = ("clips", "named", "95 % interval", "at place", "at repeat", "in tune", "false")
    columns = table_columns("condition", (*titles, "median", "p95"))
    print_table(columns, map(_condition_cells, rows))


def _condition_cells(row: ConditionResult) -> list[str]:
    rate = row.false_answers if row.condition.outside else row.hits
    counts = (row.placed, row.repeats, row.in_tune)
    return [
        row.condition.name,
        str(row.clips),
        "" if row.condition.outside else percent(row.hits.share),
        interval(rate),
        *("" if row.condition.outside else str(each.count) for each in counts),
        str(row.false_answers.count),
        f"{1000 * row.median_s:.0f} ms",
        f"{1000 * row.p95_s:.0f} ms",
    ]


def _print_reliability(report: IdentifyReport) -> None:
    if not report.reliability:
        return
    emit("\n")
    titles = ("confidence", "answers", "mean", "right", "95 % interval")
    rows = [
        [
            f"{each.low:g} - {each.high:g}",
            str(each.right.total),
            f"{each.mean_confidence:.4f}",
            percent(each.right.share),
            interval(each.right),
        ]
        for each in report.reliability
    ]
    print_table([Column(title, "right", folds=False) for title in titles], rows)


def _print_summary(report: IdentifyReport) -> None:
    recall, outside = report.mean_recall, report.outside_answered
    if recall is not None:
        emit(f"\nmean of the conditions: {100 * recall:.1f} % named\n")
    if outside.total:
        emit(f"outside music answered: {outside.count} of {outside.total} clips\n")
    print_origin(report.seed, report.provenance)
