"""`evaluate recommend`: how well recommendations suit simulated listeners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    OutputFile,
    Seed,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import emit, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Mean
    from fingerprinter.evaluation.recommend import RecommendReport


def recommend(
    ctx: typer.Context,
    listeners: Annotated[
        int, typer.Option(min=2, metavar="N", help="Listeners to simulate.")
    ] = 200,
    histories: Annotated[
        bool,
        typer.Option("--histories", help="Also from play histories (needs the extra `recommend`)."),
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how well recommendations suit simulated listeners.

    The taste of a listener depends on folder, artist and genre of the tracks, and on chance. A
    listener names some likes and dislikes, or has a play history of which a part is hidden. The
    other tracks that suit the listener are to be found. Ctrl-C ends it early; the tasks that are
    done count.

    Example: fingerprinter evaluate recommend --listeners 100 --histories
    """
    from fingerprinter.evaluation.recommend import RecommendPlan, evaluate_recommend

    plan = RecommendPlan(listeners, histories, seed)
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("simulating listeners", counted("tasks")) as on_progress,
    ):
        report = evaluate_recommend(library, plan, on_progress)
    done = f"the {len({row.task for row in report.rows})} tasks that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: RecommendReport) -> None:
    rows = [[row.task, row.method, *_cells(row.precision), *_cells(row.auc)] for row in report.rows]
    titles = ("method", "average precision", "95 % interval", "AUC", "95 % interval")
    print_table(table_columns("task", titles), rows)
    emit(f"\n{report.listeners} simulated listeners, ")
    print_origin(report.run.seed, report.run.provenance)


def _cells(mean: Mean) -> list[str]:
    low, high = mean.interval
    return ["" if mean.share is None else f"{mean.share:.3f}", f"{low:.3f} - {high:.3f}"]
