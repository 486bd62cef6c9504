"""Commands about what the library holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, TextModel, TrackName
from fingerprinter.cli.common.output import (
    Column,
    complain,
    emit,
    print_fields,
    print_json,
    print_table,
)
from fingerprinter.cli.common.progress import index_progress, shown_progress
from fingerprinter.cli.common.records import report_record, track_record
from fingerprinter.library import DiskUse, LibraryStats, open_library
from fingerprinter.types import IndexReport, Track

_KEPT = ": what was indexed is kept; run the same command again to go on"


def index(
    ctx: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Files, and folders with all below.")
    ],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Worker processes. Default: one for each core."),
    ] = None,
    no_embeddings: Annotated[
        bool, typer.Option("--no-embeddings", help="Leave out what `similar` needs.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget the files that are gone from there.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of Dask, whose workers analyse; they see the files under the same paths.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a new library: default, or compact for 0.7 MB an hour.",
        ),
    ] = None,
    text_model: TextModel = None,
    as_json: AsJson = False,
) -> None:
    """Adds files and folders to the library.

    Makes the library where there is none. What is there and unchanged is skipped; a
    file that was moved or tagged anew is recognised by its sound. Ctrl-C keeps what is
    done: the same command goes on from there.

    Example: fingerprinter index ~/Music
    """
    try:
        with (
            open_library(ctx.obj, profile=profile, text_model=text_model) as library,
            shown_progress("looking for files", index_progress) as on_progress,
        ):
            report = library.index(
                paths,
                jobs=jobs,
                embeddings=not no_embeddings,
                prune=prune,
                scheduler=scheduler,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    _show_report(report, as_json)


def _show_report(report: IndexReport, as_json: bool) -> None:
    for problem in report.problems:
        complain(problem.message)
    if as_json:
        print_json(report_record(report))
    else:
        emit(f"{_summary(report)}\n")
    if report.problems:
        raise typer.Exit(1)


def _summary(report: IndexReport) -> str:
    counts = f"{report.indexed} indexed, {report.updated} updated, {report.skipped} skipped"
    losses = f"{report.failed} failed" + (f", {report.removed} removed" if report.removed else "")
    speed = report.audio_s / report.elapsed_s if report.elapsed_s else 0.0
    work = f"{text.length(report.audio_s)} of audio in {report.elapsed_s:.1f} s"
    return f"{counts}, {losses}: {work} ({speed:.0f} x real time)"


def list_tracks(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows every track of the library.

    Example: fingerprinter list
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        if as_json:
            for track in library.tracks():
                print_json(track_record(track))
        else:
            _print_tracks(library.tracks())


def _print_tracks(tracks: Iterator[Track]) -> None:
    columns = [
        Column("id", "right", folds=False),
        Column("title"),
        Column("artist"),
        Column("album"),
        Column("length", "right", folds=False),
        Column("file"),
    ]
    print_table(columns, map(_row, tracks))


def _row(track: Track) -> list[str]:
    return [
        str(track.id),
        track.title or "",
        track.artist or "",
        track.album or "",
        text.length(track.duration_s),
        track.path or "",
    ]


def show(ctx: typer.Context, track: TrackName, as_json: AsJson = False) -> None:
    """Shows all that is known of a track.

    Example: fingerprinter show 12
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found = library.track(track)
        files = library.files(found)
    if as_json:
        print_json(track_record(found) | {"files": files, "problem": found.problem})
    else:
        print_fields(_fields(found, files))


def _fields(track: Track, files: list[str]) -> Iterator[tuple[str, str]]:
    """What is known, in the order of `Track`; every file on a line of its own."""
    known = asdict(track) | {"duration_s": text.length(track.duration_s)}
    known["added_at"] = track.added_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    del known["path"]
    names = {"duration_s": "length", "track_number": "track", "content_id": "content"}
    for key, value in known.items():
        if value is not None:
            yield names.get(key, key.partition("_")[0]), str(value)
    for file in files:
        yield "file", file


def remove(
    ctx: typer.Context,
    tracks: Annotated[
        list[str], typer.Argument(metavar="TRACK", help="Ids, or files in the library.")
    ],
    as_json: AsJson = False,
) -> None:
    """Forgets tracks; their files stay where they are.

    Where one of those named is unknown, none is forgotten.

    Example: fingerprinter remove 12 ~/Music/jingle.ogg
    """
    with open_library(ctx.obj, create=False) as library:
        gone = library.remove(tracks)
    for track in gone:
        if as_json:
            print_json(track_record(track))
        else:
            emit(f"removed {track.id}: {text.label(track)}\n")


def stats(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows how much the library holds.

    Example: fingerprinter stats
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found, disk = library.stats(), library.disk_use()
    if as_json:
        print_json(asdict(found) | asdict(disk))
    else:
        print_fields([*_stats_fields(found), *_disk_fields(disk)])


def _stats_fields(stats: LibraryStats) -> Iterator[tuple[str, str]]:
    yield "library", stats.address
    yield "schema", stats.schema
    yield "profile", f"{stats.profile} ({stats.params_id or 'nothing indexed yet'})"
    yield "tracks", f"{stats.tracks:,}"
    yield "of them only in part", f"{stats.tracks_in_part:,}"
    yield "files", f"{stats.files:,}"
    yield "audio", f"{stats.audio_s / 3600:,.1f} h"
    yield "landmarks", f"{stats.landmarks:,} ({text.megabytes(stats.landmark_bytes)})"
    yield "in segments", f"{stats.segments:,}"
    yield "of removed tracks", f"{stats.removed_tracks:,} ({100 * stats.dead_share:.1f} %)"
    yield "peaks", text.megabytes(stats.constellation_bytes)
    yield "embeddings", f"{stats.embeddings:,} ({text.megabytes(stats.embedding_bytes)})"
    if stats.mb_per_hour is not None:
        yield "landmarks and peaks", f"{stats.mb_per_hour:.2f} MB per hour of audio"


def _disk_fields(disk: DiskUse) -> Iterator[tuple[str, str]]:
    free = f", {text.megabytes(disk.free_bytes)} of them free" if disk.free_bytes else ""
    yield "on the disk", text.megabytes(disk.disk_bytes) + free
    for name, part in (disk.parts or {}).items():
        rate = "" if part.mb_per_hour is None else f", {part.mb_per_hour:.2f} MB per hour of audio"
        yield f"  {name}", text.megabytes(part.bytes) + rate


def reindex(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Makes anew what is derived from the music.

    The landmarks from the stored peaks at once; the index of vectors when `similar`
    needs it next. No file is read.

    Example: fingerprinter reindex
    """
    start = time.perf_counter()
    with open_library(ctx.obj, create=False) as library:
        tracks = library.reindex()
    elapsed_s = time.perf_counter() - start
    if as_json:
        print_json({"tracks": tracks, "elapsed_s": elapsed_s})
    else:
        emit(f"landmarks of {tracks:,} tracks made anew in {elapsed_s:.1f} s\n")
