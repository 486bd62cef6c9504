"""The `evaluate` commands: how well the program works on the user's own music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fingerprinter.cli.commands.evaluate_similarity import similarity
from fingerprinter.cli.common.evaluation import percent, show_report
from fingerprinter.cli.common.options import PLAIN, AsJson, MinConfidence
from fingerprinter.cli.common.output import Column, print_line, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import MIN_CONFIDENCE, open_library

if TYPE_CHECKING:
    from fingerprinter.evaluation import Condition, ConditionResult, Rate, Report, Sounds

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure how well it works on your own music.",
    **PLAIN,
)


@app.command()
def identify(
    ctx: typer.Context,
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONDITION",
            help="Conditions by name, or by how the name begins: clean, ambience+0dB, "
            "speed-0.80-10s. Default: all.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Use sixteen conditions instead of all.")
    ] = False,
    clips: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of clips for each condition.")
    ] = 50,
    seed: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Random seed; the same seed draws the same clips."),
    ] = 0,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="PATH", help="Draw clips only from these files and folders."
        ),
    ] = None,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Music that is not in the library, to count false answers."
        ),
    ] = None,
    ambience: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Recordings of noise to mix in. Default: synthetic noise."
        ),
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Recordings of voices to mix in. Default: synthetic voices."
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
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Measure how many clips of the library's own music are identified.

    Draws clips from the files, degrades them by noise, room acoustics, telephone lines and changes
    of tempo and pitch, and identifies them. Columns: "offset ok" counts hits at the right
    position, "repeats" hits at another position with the same audio, "pitch ok" hits with the
    right tempo and pitch, "false" wrong answers; "median" and "p95" are times for one clip.
    Ctrl-C ends it early, with a report on the clips that were done.

    Example: fingerprinter evaluate identify --quick --outside ~/Other/Music
    """
    from fingerprinter.evaluation import Plan, evaluate_identify, read_groups

    plan = Plan(
        conditions=_select_conditions(conditions, quick),
        clips=clips,
        seed=seed,
        sounds=_mixed_in_sounds(ambience, speech),
        sources=source or (),
        outside=outside or (),
        groups=read_groups(groups) if groups else (),
        min_confidence=min_confidence,
    )
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("drawing clips", counted("clips")) as on_progress,
    ):
        report = evaluate_identify(library, plan, on_progress)
    done = f"the {len(report.trials)} clips that were done"
    show_report(report, _print_report, done, as_json=as_json)


app.command()(similarity)


def _select_conditions(names: Sequence[str] | None, quick: bool) -> Sequence[Condition]:
    from fingerprinter.evaluation import CONDITIONS, QUICK, select

    available = QUICK if quick else CONDITIONS
    return select(names, available) if names else available


def _mixed_in_sounds(ambience: Sequence[Path] | None, speech: Sequence[Path] | None) -> Sounds:
    """Return the sounds that are mixed into clips: the user's own, else synthetic ones."""
    from fingerprinter.evaluation import Sounds, folder_sound

    folders = {"ambience": ambience, "voice": speech}
    return Sounds(**{name: folder_sound(paths) for name, paths in folders.items() if paths})


def _print_report(report: Report) -> None:
    _print_conditions(report.conditions)
    _print_reliability(report)
    _print_summary(report)


def _print_conditions(results: Sequence[ConditionResult]) -> None:
    """Print one line for each condition: hits, false answers and times."""
    titles = (
        "clips",
        "hits",
        "95 % interval",
        "offset ok",
        "repeats",
        "pitch ok",
        "false",
        "median",
        "p95",
    )
    columns = [
        Column("condition", folds=False),
        *(Column(title, "right", folds=False) for title in titles),
    ]
    print_table(columns, map(_condition_cells, results))


def _condition_cells(result: ConditionResult) -> list[str]:
    outside = result.condition.outside
    counts = (result.placed, result.repeats, result.in_tune)
    return [
        result.condition.name,
        str(result.clips),
        "" if outside else percent(result.hits.share),
        _interval(result.false_answers if outside else result.hits),
        *("" if outside else str(each.count) for each in counts),
        str(result.false_answers.count),
        f"{1000 * result.median_s:.0f} ms",
        f"{1000 * result.p95_s:.0f} ms",
    ]


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * low:.1f} - {100 * high:.1f}"


def _print_reliability(report: Report) -> None:
    """Print how many answers of each range of confidence are correct."""
    if not report.reliability:
        return
    print_line()
    titles = ("confidence", "answers", "mean", "correct", "95 % interval")
    rows = [
        [
            f"{each.low:g} - {each.high:g}",
            str(each.right.total),
            f"{each.mean_confidence:.4f}",
            percent(each.right.share),
            _interval(each.right),
        ]
        for each in report.reliability
    ]
    print_table([Column(title, "right", folds=False) for title in titles], rows)


def _print_summary(report: Report) -> None:
    """Print the mean over the conditions, and what the figures were measured on."""
    recall, outside, origin = report.mean_recall, report.outside_answered, report.provenance
    if recall is not None:
        print_line()
        print_line(f"mean of the conditions: {100 * recall:.1f} % hits")
    if outside.total:
        print_line(f"outside music answered: {outside.count} of {outside.total} clips")
    print_line(
        f"seed {report.seed}, parameters {origin.params_id}, music {origin.corpus}"
        f" ({origin.tracks} tracks), {origin.commit or origin.version},"
        f" {origin.machine.cpu} ({origin.machine.cores} cores)"
    )
