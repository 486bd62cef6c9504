"""`evaluate versions`: how well other performances of a piece are found."""

from __future__ import annotations

from pathlib import Path
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
    from fingerprinter.evaluation.versions import VersionsReport


def versions(
    ctx: typer.Context,
    groups: Annotated[
        Path,
        typer.Argument(
            metavar="GROUPS", help="Files of the same piece: a group a line, tabs between."
        ),
    ],
    others: Annotated[
        int, typer.Option(min=0, metavar="N", help="Tracks without a version to ask for.")
    ] = 100,
    seed: Seed = 0,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how well `versions` finds other performances of a piece.

    Asks for the versions of each track of the groups, and of some tracks in no group, which must
    get no answer. Tracks in no group count as having no version. Ctrl-C ends it early; the queries
    that are done count.

    Example: fingerprinter evaluate versions covers.tsv --others 50
    """
    from fingerprinter.evaluation import read_groups
    from fingerprinter.evaluation.versions import VersionsPlan, evaluate_versions

    plan = VersionsPlan(read_groups(groups), others, seed)
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("asking", counted("queries")) as on_progress,
    ):
        report = evaluate_versions(library, plan, on_progress)
    done = f"the {report.first.total + report.answered.total} queries that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: VersionsReport) -> None:
    precision = report.average_precision
    shown = "" if precision.share is None else f"{precision.share:.3f}"
    rates = {
        "first result is a version": report.first,
        "versions listed": report.found,
        "listed tracks that are none": report.wrong,
        "tracks without a version answered": report.answered,
    }
    rows = [["mean average precision", str(precision.total), shown, interval(precision)]]
    rows += [
        [name, f"{rate.count} of {rate.total}", percent(rate.share), interval(rate)]
        for name, rate in rates.items()
    ]
    rows.append(["median time of a query", "", f"{report.elapsed_s:.2f} s", ""])
    print_table(table_columns("measure", ("count", "value", "95 % interval")), rows)
    print_origin(report.run.seed, report.run.provenance)
