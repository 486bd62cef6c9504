"""`evaluate paths`: how small the steps of playlists from one track to another are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    OutputFile,
    Seed,
    interval,
    percent,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation.paths import PathsReport


def paths(
    ctx: typer.Context,
    pairs: Annotated[int, typer.Option(min=1, metavar="N", help="Random pairs of tracks.")] = 50,
    lengths: Annotated[
        list[int] | None,
        typer.Option(
            "-n",
            min=3,
            metavar="N",
            help="Tracks in a path. Default: 6, 10, 20.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how small the steps of `path` are.

    Asks for paths between random pairs of tracks and compares their largest step (1 - cosine of two
    neighbours) with that of the straight line between the two tracks, and of random tracks. Ctrl-C
    ends it early; the lengths that are done count.

    Example: fingerprinter evaluate paths --pairs 20 -n 10
    """
    from fingerprinter.evaluation.paths import PathsPlan, evaluate_paths

    plan = PathsPlan(pairs, lengths or PathsPlan().lengths, seed)
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("finding paths", counted("paths")) as on_progress,
    ):
        report = evaluate_paths(library, plan, on_progress)
    done = f"the {len(report.lengths)} lengths that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: PathsReport) -> None:
    rows = [
        [
            str(each.length),
            str(len(each.path)),
            *(f"{each.medians[name]:.3f}" for name in ("path", "line", "random")),
            percent(each.smoother.share),
            interval(each.smoother),
            f"{1000 * each.medians['elapsed_s']:.0f} ms",
        ]
        for each in report.lengths
    ]
    titles = ("pairs", "largest step", "line", "random", "smaller", "95 % interval", "median")
    print_table(table_columns("tracks", titles), rows)
    print_origin(report.run.seed, report.run.provenance)
