"""The command `duplicates`: tracks that hold the same recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, print_json, print_message, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.library import open_library
from fingerprinter.library.base.defaults import MIN_DUPLICATE_CONFIDENCE
from fingerprinter.types import DuplicateGroup, Evidence


def duplicates(
    ctx: typer.Context,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Report only duplicates with at least this confidence.",
        ),
    ] = MIN_DUPLICATE_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Find tracks that hold the same recording.

    Nothing is deleted. A group of kind "same" holds one recording in several encodings, lengths,
    edits or speeds. In a group of kind "part", one track contains the other. Other performances
    of a piece are different recordings. "Aligned" says which part of another track a track covers.

    Example: fingerprinter duplicates --json
    """
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("looking for duplicates", counted("tracks")) as on_progress,
    ):
        report = library.duplicates(min_confidence=min_confidence, on_progress=on_progress)
    for problem in report.problems:
        print_message(problem.message)
    if as_json:
        for group in report.groups:
            print_json(group_record(group))
    else:
        _print_groups(report.groups)
    if report.problems:
        raise typer.Exit(1)


def group_record(group: DuplicateGroup) -> Record:
    """Return a group as the object that `--json` prints."""
    return {
        "kind": group.kind,
        "tracks": [track_record(track) for track in group.tracks],
        "evidence": [asdict(row) for row in group.evidence],
    }


def _print_groups(groups: Sequence[DuplicateGroup]) -> None:
    columns = [
        Column("group", "right", folds=False),
        Column("kind", folds=False),
        Column("id", "right", folds=False),
        Column("title"),
        Column("artist"),
        Column("length", "right", folds=False),
        Column("aligned"),
        Column("file"),
    ]
    print_table(columns, (row for n, group in enumerate(groups, 1) for row in _rows(n, group)))


def _rows(number: int, group: DuplicateGroup) -> Iterator[list[str]]:
    """Yield one table row for each track of a group."""
    for track in group.tracks:
        aligned = (_aligned_part(row) for row in group.evidence if row.b == track.id)
        yield [
            str(number),
            group.kind,
            str(track.id),
            text.title(track),
            track.artist or "",
            text.length(track.duration_s),
            ", ".join(aligned),
            track.path or "",
        ]


def _aligned_part(row: Evidence) -> str:
    """Describe the part of track ``row.a`` that a track covers, such as "0:00.0 - 0:30.0 of 3"."""
    start, end = text.position(row.start_s), text.position(row.start_s + row.overlap_s)
    percent = round(100 * (row.speed - 1), 1)
    return f"{start} - {end} of {row.a}" + (f" at {percent:+.1f} %" if percent else "")
