"""`evaluate similarity`: whether tracks that belong together are found together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import (
    Groups,
    OutputFile,
    Seed,
    Sources,
    percent,
    show_report,
    table_columns,
)
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import emit, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Mean, Rate, SimilarityReport, SystemResult


def similarity(
    ctx: typer.Context,
    tracks: Annotated[int, typer.Option(min=2, metavar="N", help="Tracks to draw.")] = 200,
    seed: Seed = 0,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours to look at.")] = 5,
    source: Sources = None,
    groups: Groups = None,
    as_json: AsJson = False,
    output: OutputFile = None,
) -> None:
    """Measure whether tracks that belong together are found together.

    Embeds the two halves of each track separately. Is the other half found among the halves of all
    tracks? Do the nearest neighbours of a track share its artist, album and genre, and does every
    track appear in some list? Compares the library with chance, MFCC statistics and the network
    musicnn alone. Ctrl-C ends it early; the tracks that are done count.

    Example: fingerprinter evaluate similarity --tracks 100
    """
    from fingerprinter.evaluation import SimilarityPlan, evaluate_similarity, read_groups

    plan = SimilarityPlan(
        tracks=tracks,
        seed=seed,
        k=k,
        sources=source or (),
        groups=read_groups(groups) if groups else (),
    )
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("embedding tracks", counted("tracks")) as on_progress,
    ):
        report = evaluate_similarity(library, plan, on_progress)
    done = f"the {report.drawn} tracks that were embedded"
    show_report(report, _print_report, done, as_json=as_json, output=output)


def _print_report(report: SimilarityReport) -> None:
    _print_found(report.systems)
    _print_shares(report)
    _print_hubs(report.systems)
    _print_summary(report)


def _print_found(systems: Sequence[SystemResult]) -> None:
    rows = [
        [each.name, *_cells(each.other_half_first), *_cells(each.reciprocal_rank)]
        for each in systems
    ]
    titles = ("other half first", "95 % interval", "reciprocal rank", "95 % interval")
    print_table(table_columns("system", titles), rows)


def _print_shares(report: SimilarityReport) -> None:
    emit(f"\nof the first {report.k} neighbours, %, with 95 % intervals:\n")
    titles = ("artist", "of other albums", "album", "genre", "by other artists")
    rows = [
        [
            each.name,
            _with_interval(each.artist),
            _with_interval(each.artist_elsewhere),
            _with_interval(each.album),
            _with_interval(each.genre),
            _with_interval(each.genre_of_others),
        ]
        for each in report.systems
    ]
    print_table(table_columns("system", titles), rows)
    first = report.systems[0]
    asked = (first.artist, first.artist_elsewhere, first.album, first.genre, first.genre_of_others)
    emit(f"queries that have such a neighbour: {', '.join(str(each.total) for each in asked)}\n")


def _print_hubs(systems: Sequence[SystemResult]) -> None:
    emit(f"\nhow often tracks turn up in the first {systems[0].hubness.k} of others:\n")
    rows = [
        [
            each.name,
            f"{each.hubness.skew:.2f}",
            str(each.hubness.largest),
            str(each.hubness.orphans.count),
            percent(each.hubness.coverage.share),
        ]
        for each in systems
    ]
    print_table(table_columns("system", ("skew", "largest hub", "orphans", "coverage")), rows)


def _print_summary(report: SimilarityReport) -> None:
    origin = report.provenance
    models = ", ".join(f"{name} {digest}" for name, digest in report.models.items())
    emit(
        f"\nseed {report.seed}, {report.drawn} of {origin.tracks} tracks, music {origin.corpus},"
        f" {models}, {origin.commit or origin.version},"
        f" {origin.machine.cpu} ({origin.machine.cores} cores)\n"
    )


def _cells(measure: Rate | Mean) -> tuple[str, str]:
    return percent(measure.share), _span(measure)


def _with_interval(mean: Mean) -> str:
    return "" if mean.share is None else f"{100 * mean.share:.0f} ({_span(mean)})"


def _span(measure: Rate | Mean) -> str:
    low, high = measure.interval
    return f"{100 * low:.0f} - {100 * high:.0f}"
