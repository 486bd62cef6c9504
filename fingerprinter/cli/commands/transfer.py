"""The commands `export` and `import`: tracks carried from one library to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, known_tracks
from fingerprinter.cli.common.output import print_json, print_line, print_message
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.library import open_library

_KEPT = ": imported tracks are saved; run the same command again to continue"


def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    tracks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACK...",
            help="Export only these: ids, or files in the library.",
            autocompletion=known_tracks,
        ),
    ] = None,
    rekordbox: Annotated[
        bool,
        typer.Option(
            "--rekordbox",
            help="Write beats and sections for DJ programs instead, as rekordbox XML.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write everything that is known of the tracks to one file.

    `import` adds the file to another library, in SQLite or PostgreSQL, on this machine or
    another one; it does not need the music. An existing export is replaced only when the new
    one is complete.

    With --rekordbox the file is a collection that rekordbox and other DJ programs import: tags,
    tempo, key, the beat grid, and a memory cue at the start of each section. Run `analyze --all`
    first.

    Example: fingerprinter export music.fpx
    """
    if rekordbox:
        _export_rekordbox(ctx.obj, file, tracks or (), as_json)
        return
    with (
        open_library(ctx.obj, create=False, read_only=True) as library,
        shown_progress("exporting", counted("tracks")) as on_progress,
    ):
        count = library.export_to(file, tracks or (), on_progress=on_progress)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "tracks": count, "bytes": size})
    else:
        print_line(f"{count:,} tracks exported to {file} ({text.megabytes(size)})")


def _export_rekordbox(
    address: str | None, file: Path, tracks: Sequence[str], as_json: bool
) -> None:
    """Write the collection, and say which part of it has no beats."""
    with (
        open_library(address, create=False, read_only=True) as library,
        shown_progress("exporting", counted("tracks")) as on_progress,
    ):
        chosen = map(library.track, tracks) if tracks else library.tracks()
        parts = [track.is_part for track in chosen]
        count = len(parts) - sum(parts)
        lacking = library.export_rekordbox(file, tracks, on_progress=on_progress)
    if any(parts):
        print_message(
            f"left out {sum(parts)} tracks of cue sheets: rekordbox takes whole files only"
        )
    if lacking:
        print_message(f"{lacking} tracks have no beats and cues; run `fingerprinter analyze --all`")
    if as_json:
        print_json({"file": str(file), "tracks": count, "analyzed": count - lacking})
    else:
        print_line(f"{count:,} tracks written to {file} ({count - lacking:,} with beats and cues)")


def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `export` wrote.")],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OLD=NEW",
            help="The music that was below the folder OLD is below the folder NEW here.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the tracks of an exported file to the library.

    Creates the library if there is none. A track that the library already has keeps its data
    and gains only the tags, files and analyses that it lacks. Ctrl-C keeps what was imported;
    the same command continues from there.

    Example: fingerprinter --db postgresql://me@host/music import music.fpx
    """
    moves = [_parse_move(each) for each in map_ or []]
    try:
        with (
            open_library(ctx.obj) as library,
            shown_progress("importing", counted("tracks")) as on_progress,
        ):
            report = library.import_from(file, moved=moves, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    for folder in report.unused_maps:
        print_message(f"--map {folder}=...: no effect, no file of {file} was below this folder")
    for problem in report.problems:
        print_message(problem.message)
    if as_json:
        record = asdict(report)
        del record["problems"]
        print_json(record)
    else:
        print_line(
            f"{report.added} added, {report.merged} merged, {report.unchanged} unchanged,"
            f" {report.failed} failed; {report.files} files assigned,"
            f" {report.files_kept} left to other tracks; {report.elapsed_s:.1f} s"
        )
    if report.problems:
        raise typer.Exit(1)


def _parse_move(written: str) -> tuple[str, str]:
    old, equals, new = written.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter(f"{written}: write OLD=NEW, e.g. --map /home/me/Music=/srv/music")
    return old, new
