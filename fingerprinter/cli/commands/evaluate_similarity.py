"""The command `evaluate similarity`: how well similar tracks are found in the user's own music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.common.evaluation import percent, show_report
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, print_line, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Mean, Rate, SimilarityReport, SystemResult


def similarity(
    ctx: typer.Context,
    tracks: Annotated[
        int, typer.Option(min=2, metavar="N", help="Number of tracks to draw.")
    ] = 200,
    seed: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Random seed; the same seed draws the same tracks."),
    ] = 0,
    k: Annotated[
        int, typer.Option("-k", min=1, metavar="K", help="Number of nearest tracks to look at.")
    ] = 5,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="PATH", help="Draw tracks only from these files and folders."
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A list of files that hold the same recording: one group a line, separated by "
            "tabs.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well tracks that belong together are found.

    Embeds both halves of each track, and ranks all other halves by similarity to one of them:
    the other half of the same track should come first. Also counts how many of the nearest
    tracks share artist, album or genre, and whether every track is found by some other one. The
    library's method is compared with chance, MFCC statistics and the network musicnn. Ctrl-C
    ends it early, with a report on the tracks that were done.

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
    done = f"the {report.drawn} tracks that were done"
    show_report(report, _print_report, done, as_json=as_json)


def _print_report(report: SimilarityReport) -> None:
    _print_other_half(report.systems)
    _print_neighbours(report)
    _print_hubs(report.systems)
    _print_summary(report)


def _columns(titles: Sequence[str]) -> list[Column]:
    return [
        Column("system", folds=False),
        *(Column(title, "right", folds=False) for title in titles),
    ]


def _print_other_half(systems: Sequence[SystemResult]) -> None:
    """Print how well each system finds the other half of a track."""
    rows = []
    for each in systems:
        first, rank = each.other_half_first, each.reciprocal_rank
        cells = (percent(first.share), _interval(first), percent(rank.share), _interval(rank))
        rows.append([each.name, *cells])
    titles = ("other half first", "95 % interval", "reciprocal rank", "95 % interval")
    print_table(_columns(titles), rows)


def _print_neighbours(report: SimilarityReport) -> None:
    """Print how many of the nearest tracks share artist, album or genre with the query."""
    print_line()
    print_line(f"shares of the {report.k} nearest tracks in %, with 95 % intervals:")
    titles = ("same artist", "on other albums", "same album", "same genre", "by other artists")
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
    counted_by = (
        first.artist,
        first.artist_elsewhere,
        first.album,
        first.genre,
        first.genre_of_others,
    )
    totals = ", ".join(str(each.total) for each in counted_by)
    print_line(f"queries that have such a track in the library: {totals}")


def _print_hubs(systems: Sequence[SystemResult]) -> None:
    """Print how evenly tracks appear among the nearest ones of others."""
    print_line()
    print_line(f"how often tracks are among the {systems[0].hubness.k} nearest ones of others:")
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
    """Print what the figures were measured on."""
    origin = report.provenance
    models = ", ".join(f"{name} {digest}" for name, digest in report.models.items())
    print_line()
    print_line(
        f"seed {report.seed}, {report.drawn} of {origin.tracks} tracks, music {origin.corpus},"
        f" {models}, {origin.commit or origin.version},"
        f" {origin.machine.cpu} ({origin.machine.cores} cores)"
    )


def _with_interval(mean: Mean) -> str:
    return "" if mean.share is None else f"{100 * mean.share:.0f} ({_interval(mean)})"


def _interval(measure: Rate | Mean) -> str:
    low, high = measure.interval
    return f"{100 * low:.0f} - {100 * high:.0f}"
