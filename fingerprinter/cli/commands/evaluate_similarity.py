"""How well likeness is told, measured on the user's own music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import percent, show_report
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, emit, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Mean, Rate, SimilarityReport, SystemResult


def similarity(
    ctx: typer.Context,
    tracks: Annotated[int, typer.Option(min=2, metavar="N", help="Tracks to draw.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same tracks.")] = 0,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours to look at.")] = 5,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="PATH", help="Draw from these files and folders only."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Files of the same recording: a group a line, tabs between."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measures whether tracks that belong together are found together.

    Hears the halves of tracks apart: is the other half found among those of all? And are the
    neighbours of a track of its artist, album, genre, does every track turn up? Beside the
    library's own way: chance, MFCC statistics, the network musicnn alone. Ctrl-C ends the
    hearing early; what was heard counts.

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
        shown_progress("hearing tracks", counted("tracks")) as on_progress,
    ):
        report = evaluate_similarity(library, plan, on_progress)
    done = f"the {report.drawn} tracks that were heard"
    show_report(report, _print_report, done, as_json=as_json)


def _print_report(report: SimilarityReport) -> None:
    _print_found(report.systems)
    _print_shares(report)
    _print_hubs(report.systems)
    _print_summary(report)


def _columns(titles: Sequence[str]) -> list[Column]:
    return [
        Column("system", folds=False),
        *(Column(title, "right", folds=False) for title in titles),
    ]


def _print_found(systems: Sequence[SystemResult]) -> None:
    rows = [
        [each.name, *_cells(each.other_half_first), *_cells(each.reciprocal_rank)]
        for each in systems
    ]
    titles = ("other half first", "95 % interval", "reciprocal rank", "95 % interval")
    print_table(_columns(titles), rows)


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
    print_table(_columns(titles), rows)
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
    print_table(_columns(("skew", "largest hub", "orphans", "coverage")), rows)


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
