"""`evaluate track-list`: how well the tracks of long mixes are listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    Groups,
    OutputFile,
    Outside,
    Seed,
    Sources,
    percent,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson, MinConfidence
from fingerprinter.cli.common.output import print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import MIN_CONFIDENCE, open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation.metrics import Rate
    from fingerprinter.evaluation.track_list import MixResult, TrackListReport


def track_list(
    ctx: typer.Context,
    mixes: Annotated[int, typer.Option(min=1, metavar="N", help="Mixes to make.")] = 3,
    tracks: Annotated[int, typer.Option(min=1, metavar="N", help="Tracks in each mix.")] = 10,
    slot: Annotated[
        float, typer.Option(min=10.0, metavar="SECONDS", help="The longest time of each track.")
    ] = 90.0,
    change: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.2, metavar="SHARE", help="Largest change of tempo or speed, as a share."
        ),
    ] = 0.06,
    jingles: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Instead of mixes: N parts of 2 to 5 s, each alone in silence, and in speech.",
        ),
    ] = 0,
    speech: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Speech, also over every second transition of a mix."),
    ] = None,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Measure `monitor` instead of `identify --all`.")
    ] = False,
    seed: Seed = 0,
    source: Sources = None,
    outside: Outside = None,
    groups: Groups = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how well long mixes are split into their recordings.

    Mixes the library's own tracks with crossfades and changed tempos and speeds, identifies them,
    and compares the list with the truth: tracks found, wrong entries, and boundaries within 3 s of
    the ends of the crossfades and of their middles. Ctrl-C ends it early; the mixes that are done
    count.

    Example: fingerprinter evaluate track-list --mixes 2 --outside ~/Other/Music
    """
    from fingerprinter.evaluation import read_groups
    from fingerprinter.evaluation.degrade import folder_sound
    from fingerprinter.evaluation.mixes import MixPlan
    from fingerprinter.evaluation.track_list import TrackListPlan, evaluate_track_list

    plan = TrackListPlan(
        mixes=mixes,
        mix=MixPlan(tracks, slot, change, folder_sound(speech) if speech else None),
        jingles=jingles,
        monitor=monitor,
        seed=seed,
        sources=source or (),
        outside=outside or (),
        groups=read_groups(groups) if groups else (),
        min_confidence=min_confidence,
    )
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("mixing tracks", counted("mixes")) as on_progress,
    ):
        report = evaluate_track_list(library, plan, on_progress)
    done = f"the {len(report.mixes)} mixes that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: TrackListReport) -> None:
    rows = [_cells(each) for each in report.mixes]
    titles = ("length", "tracks found", "wrong", "boundaries in 3 s", "median", "of middles")
    print_table(
        table_columns("mix", (*titles, "tempo", "place", "time")),
        [*rows, _cells(report.total)],
    )
    print_origin(report.run.seed, report.run.provenance)


def _cells(result: MixResult) -> list[str]:
    median_s = result.median_boundary_error_s
    return [
        result.name,
        f"{result.duration_s / 60:.1f} min",
        _of(result.found),
        _of(result.wrong),
        percent(result.boundaries.share),
        "" if median_s is None else f"{median_s:.1f} s",
        percent(result.middle_boundaries.share),
        percent(result.tempo.share),
        percent(result.placed.share),
        f"{result.elapsed_s:.1f} s",
    ]


def _of(rate: Rate) -> str:
    return f"{rate.count} of {rate.total}"
