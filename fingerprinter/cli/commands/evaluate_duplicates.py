"""`evaluate duplicates`: how many changed copies of the library's own tracks are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    OutputFile,
    Seed,
    Sources,
    interval,
    percent,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_message, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation.duplicates import DuplicatesReport


def duplicates(
    ctx: typer.Context,
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND...",
            help="Kinds of copies, as mp3-64k, cut-20s, mix. Default: all.",
            show_default=False,
        ),
    ] = None,
    tracks: Annotated[int, typer.Option(min=1, metavar="N", help="Tracks to copy.")] = 16,
    seed: Seed = 0,
    source: Sources = None,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how many changed copies of your tracks `duplicates` finds.

    Makes copies of some tracks (other encodings, trims, cuts, speeds, mixes of four) in a temporary
    folder, adds them to a temporary copy of the library, and searches it. The library itself is
    only read. A track that cannot be read is named, and another one is drawn. Ctrl-C ends it early;
    the kinds that are done count.

    Example: fingerprinter evaluate duplicates mp3-64k cut-20s --tracks 8
    """
    from fingerprinter.evaluation.copies import KINDS
    from fingerprinter.evaluation.duplicates import DuplicatesPlan, evaluate_duplicates

    names = [kind.name for kind in KINDS]
    for name in kinds or ():
        if name not in names:
            raise UsageError(f"{name}: no such kind of copies; there are {', '.join(names)}")
    plan = DuplicatesPlan(
        tracks=tracks,
        seed=seed,
        kinds=[kind for kind in KINDS if not kinds or kind.name in kinds],
        sources=source or (),
    )
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("copying tracks", counted("kinds")) as on_progress,
    ):
        report = evaluate_duplicates(library, plan, on_progress)
    for problem in report.problems:
        print_message(problem.message)
    done = f"the {len(report.kinds)} kinds that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: DuplicatesReport) -> None:
    rows = [
        [
            each.kind,
            f"{each.found.count} of {each.found.total}",
            percent(each.found.share),
            interval(each.found),
            str(each.same),
            str(each.part),
            percent(each.placed.share),
            str(each.wrong.count),
            f"{each.elapsed_s:.1f} s",
        ]
        for each in report.kinds
    ]
    titles = ("found", "share", "95 % interval", "same", "part", "in place", "wrong", "time")
    print_table(table_columns("copies", titles), rows)
    print_origin(report.run.seed, report.run.provenance)
