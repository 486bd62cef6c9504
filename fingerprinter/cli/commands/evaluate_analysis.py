"""`evaluate analysis`: how well tempo, beats, key and sections are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    OutputFile,
    Seed,
    Sources,
    print_origin,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import emit, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation.analysis import AnalysisReport, AnalysisResult

_TITLES = {
    "tempo": "tempo",
    "tempo_or_octave": "or octave",
    "beats": "beats F",
    "key": "key",
    "key_weighted": "weighted",
    "boundaries_half_s": "boundaries 0.5 s",
    "boundaries_3s": "3 s",
    "section_pairs": "section pairs",
}


def analysis(
    ctx: typer.Context,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Reference annotations of the library's tracks: a CSV file with the columns file,"
            " tempo, key, beats, sections, or a folder of NAME.tempo, .key, .beats, .sections."
            " Default: music that is made from the seed.",
            show_default=False,
        ),
    ] = None,
    pieces: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pieces of each kind, or annotated tracks.")
    ] = 10,
    seed: Seed = 0,
    source: Sources = None,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure how well tempo, beats, key and sections are found.

    Compares the analysis with annotations of the library's tracks. Without annotations, renders
    pieces with a known tempo and key in five styles, and joins parts of the library's tracks in
    forms such as ABAB. Measures and tolerances are those of mir_eval. Ctrl-C ends it early; the
    pieces that are done count.

    Example: fingerprinter evaluate analysis --annotations ~/Annotations --json
    """
    from fingerprinter.evaluation.analysis import AnalysisPlan, evaluate_analysis

    plan = AnalysisPlan(pieces, seed, annotations, source or ())
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("analysing music", counted("pieces")) as on_progress,
    ):
        report = evaluate_analysis(library, plan, on_progress)
    done = f"the {sum(len(row.pieces) for row in report.rows)} pieces that were done"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: AnalysisReport) -> None:
    columns = table_columns("music, % with 95 % intervals", ("pieces", *_TITLES.values()))
    print_table(columns, map(_cells, report.rows))
    emit("\n")
    print_origin(report.run.seed, report.run.provenance)


def _cells(row: AnalysisResult) -> list[str]:
    cells = [row.name, str(len(row.pieces))]
    for measure in _TITLES:
        mean = row.mean(measure)
        low, high = mean.interval
        known = mean.share is not None
        cells.append(f"{100 * (mean.share or 0):.0f} ({100 * low:.0f} - {100 * high:.0f})" * known)
    return cells
