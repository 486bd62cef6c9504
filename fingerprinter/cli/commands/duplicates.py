"""The command that finds recordings which are there several times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import Column, complain, print_json, print_table
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.library import open_library
from fingerprinter.library.base.defaults import MIN_DUPLICATE_CONFIDENCE
from fingerprinter.types import DuplicateGroup, Evidence, Track


def duplicates(
    ctx: typer.Context,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="P", help="The least confidence to report.")
    ] = MIN_DUPLICATE_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Finds the same recording in several tracks; deletes nothing.

    Other encodings, lengths, cuts and speeds of one recording are a group, "same". A
    track that is contained in another one is a "part" of it. Other versions of a piece
    are other recordings.

    Example: fingerprinter duplicates --json
    """
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("looking for duplicates", counted("tracks")) as on_progress,
    ):
        report = library.duplicates(min_confidence=min_confidence, on_progress=on_progress)
    for problem in report.problems:
        complain(problem.message)
    if as_json:
        for group in report.groups:
            print_json(group_record(group))
    else:
        _print_groups(report.groups)
    if report.problems:
        raise typer.Exit(1)


def group_record(group: DuplicateGroup) -> Record:
    """A group as the object that `--json` prints."""
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
    rows = (row for number, group in enumerate(groups, 1) for row in _rows(number, group))
    print_table(columns, rows)


def _rows(number: int, group: DuplicateGroup) -> Iterator[list[str]]:
    """A line a track, which says where it lies in others."""
    for track in group.tracks:
        yield [
            str(number),
            group.kind,
            str(track.id),
            text.title(track),
            track.artist or "",
            text.length(track.duration_s),
            _aligned(track, group.evidence),
            track.path or "",
        ]


def _aligned(track: Track, evidence: Sequence[Evidence]) -> str:
    """The stretches of other tracks that a track fills."""
    return ", ".join(_stretch(row) for row in evidence if row.b == track.id)


def _stretch(row: Evidence) -> str:
    start, end = text.position(row.start_s), text.position(row.start_s + row.overlap_s)
    percent = round(100 * (row.speed - 1), 1)
    return f"{start} - {end} of {row.a}" + (f" at {percent:+.1f} %" if percent else "")
