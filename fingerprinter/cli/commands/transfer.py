"""The commands that carry a library, or some of its tracks, to another one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import complain, emit, print_json
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

_KEPT = ": what was imported is kept; run the same command again to go on"


def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    tracks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACK]...", help="Only these: ids, or files in the library."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Writes all that is known of the tracks into one file.

    `import` takes it into another library, in SQLite or PostgreSQL, here or on another
    machine; the music is not needed there. A file of this kind that is there already is
    replaced once the new one is whole.

    Example: fingerprinter export music.fpx
    """
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("exporting", counted("tracks")) as on_progress,
    ):
        count = library.export_to(file, tracks or (), on_progress=on_progress)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "tracks": count, "bytes": size})
    else:
        emit(f"{count:,} tracks exported to {file} ({text.megabytes(size)})\n")


def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote.")],
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="Files below OLD lie below NEW here."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Takes the tracks of an exported file into the library.

    Makes the library where there is none. A track that is known already, by its content,
    learns the tags, files and analyses that it lacks; what is known here stays. Ctrl-C
    keeps what is done: the same command goes on from there.

    Example: fingerprinter --db postgresql://me@host/music import music.fpx
    """
    moves = [_move(each) for each in map_ or []]
    try:
        with (
            open_library(ctx.obj) as library,
            shown_progress("importing", counted("tracks")) as on_progress,
        ):
            report = library.import_from(file, moved=moves, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    for problem in report.problems:
        complain(problem.message)
    if as_json:
        record = asdict(report)
        del record["problems"]
        print_json(record)
    else:
        emit(
            f"{report.added} added, {report.merged} merged, {report.unchanged} unchanged,"
            f" {report.failed} failed, {report.files} files noted,"
            f" {report.files_kept} kept as other tracks' in {report.elapsed_s:.1f} s\n"
        )
    if report.problems:
        raise typer.Exit(1)


def _move(written: str) -> tuple[str, str]:
    old, equals, new = written.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter(f"{written}: write OLD=NEW, e.g. --map /home/me/Music=/srv/music")
    return old, new
