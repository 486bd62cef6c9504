"""The command `duplicates`: tracks that hold the same recording."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, least_confidence
from fingerprinter.cli.common.output import (
    Column,
    csv_lines,
    emit,
    print_json,
    print_line,
    print_message,
    print_table,
)
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library
from fingerprinter.library.base.defaults import MIN_DUPLICATE_CONFIDENCE
from fingerprinter.types import DuplicateGroup, Evidence


class DuplicateFormat(StrEnum):
    """Formats other than the table."""

    CSV = "csv"


def duplicates(
    ctx: typer.Context,
    min_confidence: Annotated[float, least_confidence("duplicates")] = MIN_DUPLICATE_CONFIDENCE,
    wanted: Annotated[
        DuplicateFormat | None,
        typer.Option(
            "--format", help="Print CSV, with the copy to keep in each group and the reason."
        ),
    ] = None,
    move_to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Move the files of all copies but the best one of each group to this folder.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --move-to: only say what would be moved.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find tracks that hold the same recording.

    Nothing is deleted, and nothing is moved without --move-to. A group of kind "exact" lists the
    files that hold one track, with the same sound. A group of kind "same" holds one recording in
    several encodings, lengths, edits or speeds. In a group of kind "part", one track contains the
    other. Other performances of a piece are different recordings. "Aligned" says
    which part of another track a track covers. The best copy of a group of kind "same" is the one
    that is whole, then lossless, then of the highest bit rate, then with the most tags.

    Example: fingerprinter duplicates --json
    """
    if dry_run and move_to is None:
        raise UsageError("--dry-run: nothing to move; add --move-to FOLDER")
    if as_json and (wanted or move_to):
        raise UsageError("--json goes with neither --format nor --move-to; leave one out")
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("looking for duplicates", counted("tracks")) as on_progress,
    ):
        report = library.duplicates(min_confidence=min_confidence, on_progress=on_progress)
    for problem in report.problems:
        print_message(problem.message)
    if not (report.groups or as_json or wanted):
        print_message("no two tracks hold the same recording")
    failed = 0
    if as_json:
        for group in report.groups:
            print_json(group_record(group))
    elif move_to is not None:
        failed = _move_copies(report.groups, move_to, dry_run=dry_run)
    elif wanted:
        emit("".join(f"{line}\n" for line in _csv(report.groups)))
    else:
        _print_groups(report.groups)
    if report.problems or failed:
        raise typer.Exit(1)


def _csv(groups: Sequence[DuplicateGroup]) -> Iterator[str]:
    """Yield one CSV line for each track, the best of each group first."""
    from fingerprinter.library.duplicates.better_copy import rank_copies

    names = "group kind best best_because id artist title codec bit_rate duration_s tags file"
    rows: list[list[str | float]] = [
        [
            number,
            group.kind,
            "" if group.kind == "part" else "yes" if copy.is_best else "no",
            "" if group.kind == "part" else copy.reason,
            copy.track.id,
            copy.track.artist or "",
            text.title(copy.track),
            copy.track.codec or "",
            copy.track.bit_rate or "",
            round(copy.track.duration_s, 3),
            copy.tags,
            copy.track.path or "",
        ]
        for number, group in enumerate(groups, 1)
        for copy in rank_copies(group.tracks)
    ]
    return csv_lines(names.split(), rows)


def _move_copies(groups: Sequence[DuplicateGroup], folder: Path, *, dry_run: bool) -> int:
    """Move the files of all copies but the best; return how many could not be moved.

    No file is overwritten. The library keeps the tracks until `index` sees that they moved.
    """
    from fingerprinter.library.duplicates.better_copy import rank_copies

    failed, taken = 0, set[Path]()
    for group in groups:
        best, *others = rank_copies(group.tracks)
        for copy in others if group.kind != "part" else ():
            if copy.track.path is None or not os.path.lexists(copy.track.path):
                continue
            if copy.track.is_part:
                print_message(f"{copy.track.path}: holds other tracks too; not moved")
                continue
            if _are_one_file(copy.track.path, best.track.path):
                print_message(f"{copy.track.path}: a link to {best.track.path}; not moved")
                continue
            source = Path(copy.track.path)
            names = (f"{source.stem} ({n}){source.suffix}" for n in count(2))
            target = next(
                path
                for path in (folder / name for name in chain([source.name], names))
                if path not in taken and not os.path.lexists(path)
            )
            taken.add(target)
            why = (
                f"exact copy of {best.track.path}"
                if group.kind == "exact"
                else f"track {best.track.id} is better: {copy.reason}"
            )
            if dry_run:
                print_line(f"would move {source} to {target} ({why})")
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.move(source, target)
                print_line(f"moved {source} to {target} ({why})")
            except OSError as error:
                failed += 1
                print_message(f"{source}: {error.strerror}; not moved to {target}")
    return failed


def _are_one_file(path: str, other: str | None) -> bool:
    """Return whether two paths lead to one file: to move it would free no space."""
    return other is not None and os.path.exists(other) and Path(path).samefile(other)


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
        others = (row for row in group.evidence if row.b == track.id and row.a != track.id)
        aligned = map(_aligned_part, others)
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
