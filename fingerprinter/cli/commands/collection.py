"""Commands that fill a library, show what it holds and remove tracks."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import (
    AsJson,
    Duration,
    Genre,
    Keys,
    OneAlbum,
    OneArtist,
    Tempo,
    TextModel,
    TrackName,
    Years,
    known_tracks,
    track_filter,
)
from fingerprinter.cli.common.output import (
    Column,
    print_fields,
    print_json,
    print_line,
    print_message,
    print_table,
)
from fingerprinter.cli.common.progress import index_progress, shown_progress
from fingerprinter.cli.common.records import report_record, track_record
from fingerprinter.config import config_path, read_config
from fingerprinter.errors import LibraryError, UsageError
from fingerprinter.library import open_library
from fingerprinter.library.indexing.watch import STILL_S, FolderWatcher
from fingerprinter.library.maintain.statistics import DiskUse, LibraryStats
from fingerprinter.store.tables.lists import TrackFilter
from fingerprinter.types import CHANGING, Album, IndexReport, Problem, Track

T = TypeVar("T")
Order = Literal["id", "title", "artist", "album", "year", "duration", "added", "match"]

_PAGE = 1000  # entries of a list that are read at a time
_MAX_KINDS = 6  # of files that were left out, in the summary
_KEPT = ": indexed files are saved; run the same command again to continue"


def index(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, and folders with everything below them. Default: the folders of "
            "config.toml.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Worker processes. Default: one for each core."),
    ] = None,
    no_embeddings: Annotated[
        bool,
        typer.Option("--no-embeddings", help="Skip the embeddings that `similar` and others need."),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget files that are gone from these folders.")
    ] = False,
    prune_empty_root: Annotated[
        bool,
        typer.Option(
            "--prune-empty-root",
            help="With --prune: also if a folder has no audio file left. Its disk may not be "
            "mounted.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="With --prune: do not ask if more than half of a folder is gone."
        ),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave out what this names in the folders, as a line of .gitignore does; "
            "repeatable. A file .fingerprinterignore does the same for its folder.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler whose workers read the files. They must see the files under "
            "the same paths.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Profile of a new library: default, or compact (0.7 MB for an hour of audio).",
        ),
    ] = None,
    text_model: TextModel = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Continue until Ctrl-C: index what changes in the folders."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Name each file that is left out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add files and folders to the library.

    Creates the library if there is none. Unchanged files are skipped. A file that was moved or
    got other tags is recognised by its audio. Hidden files, and files without a suffix of an audio
    format, are left out of folders. Ctrl-C keeps what was indexed; the same command
    continues from there.

    With --watch it continues: a file is indexed once it has not changed for 10 seconds. All folders
    are searched again every 30 minutes, which finds changes that other computers make.

    Example: fingerprinter index ~/Music
    """
    wanted = paths or [str(folder) for folder in read_config().folders]
    if not wanted:
        hint = f"missing; name files or folders, or list folders in {config_path()}"
        raise typer.BadParameter(hint, ctx, param_hint="PATH...")
    on_left_out = _print_left_out if verbose else lambda *_: None
    try:
        with open_library(ctx.obj, profile=profile, text_model=text_model) as library:

            def run(paths: Sequence[str | Path], **options: Any) -> IndexReport:
                with shown_progress("looking for files", index_progress) as on_progress:
                    return library.index(
                        paths,
                        jobs=jobs,
                        embeddings=not no_embeddings,
                        prune_empty_root=prune_empty_root,
                        exclude=exclude or (),
                        scheduler=scheduler,
                        on_progress=on_progress,
                        **options,
                    )

            if watch:
                watcher = FolderWatcher(
                    wanted,
                    exclude=exclude or (),
                    sweep_after_removal=prune,
                    on_problem=print_message,
                )
                _watch(watcher, run, on_left_out, prune=prune, yes=yes, as_json=as_json)
                return
            confirm = (lambda _: True) if yes else _ask
            report = run(wanted, prune=prune, confirm=confirm, on_left_out=on_left_out)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    for problem in report.problems:
        print_message(problem.message)
    _print_report(report, as_json=as_json)
    if report.problems:
        raise typer.Exit(1)


def _watch(
    watcher: FolderWatcher,
    run: Callable[..., IndexReport],
    on_left_out: Callable[[str, str], None],
    *,
    prune: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Index what is due until Ctrl-C or SIGTERM; print each run that changed something."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    changing: list[Path] = []

    def leave_out(path: str, kind: str) -> None:
        if kind == CHANGING:
            changing.append(Path(path))
        else:
            on_left_out(path, kind)

    told: set[str] = set()  # a file that cannot be read is named once, not in each sweep
    has_run = False
    try:
        for due in watcher.run(threading.Event()):
            try:
                report = run(
                    due.paths,
                    prune=prune and due.is_sweep,
                    confirm=(lambda _: True) if yes else None,  # nobody sits there for weeks
                    changed_before=time.time() - STILL_S,
                    on_left_out=leave_out,
                )
            except LibraryError as error:  # a server that went away may come back
                if not has_run:
                    raise
                watcher.retry(due)
                report = IndexReport(problems=(Problem("", str(error)),))
            watcher.note(changing)
            changing.clear()
            messages = [problem.message for problem in report.problems]
            for message in messages:
                if message not in told:
                    print_message(message)
            told = {*messages} if due.is_sweep else told.union(messages)
            if not has_run or report.indexed or report.updated or report.removed:
                _print_report(report, as_json=as_json)
            has_run = True
    except KeyboardInterrupt:
        print_message("stopped watching; indexed files are saved")


def _print_report(report: IndexReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report_record(report))
        return
    print_line(index_summary(report))
    if report.left_out:
        print_line(left_out_summary(report))


def _print_left_out(path: str, kind: str) -> None:
    print_message(f"{path}: left out ({kind})")


def _ask(question: str) -> bool:
    """Ask at the terminal. Where nobody can answer, the answer is no."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def index_summary(report: IndexReport) -> str:
    """Describe a run of `index` in one line: files by outcome, audio and speed."""
    kinds = {"with another sound": report.replaced, "exact copies of others": report.copies}
    known = ", ".join(f"{count} of them {kind}" for kind, count in kinds.items() if count)
    updated = f"{report.updated} updated" + (f" ({known})" if known else "")
    counts = f"{report.indexed} indexed, {updated}, {report.skipped} skipped"
    losses = f"{report.failed} failed" + (f", {report.removed} removed" if report.removed else "")
    speed = report.audio_s / report.elapsed_s if report.elapsed_s else 0.0
    work = f"{text.length(report.audio_s)} of audio in {report.elapsed_s:.1f} s"
    return f"{counts}, {losses}: {work} ({speed:.0f} x real time)"


def left_out_summary(report: IndexReport) -> str:
    """Describe in one line how many files of which kind were left out of folders."""
    kinds = [f"{n} {kind}" for kind, n in islice(report.left_out.items(), _MAX_KINDS)]
    more = len(report.left_out) - _MAX_KINDS
    return f"left out: {', '.join(kinds)}" + (f" and {more} other kinds" if more > 0 else "")


def list_tracks(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD...", help="Words of names, or their beginnings."),
    ] = None,
    artist: OneArtist = None,
    album: OneAlbum = None,
    genre: Genre = None,
    year: Years = None,
    duration: Duration = None,
    tempo: Tempo = None,
    key: Keys = None,
    sort: Annotated[
        Order, typer.Option(help="Order of the tracks; `match` puts the best names first.")
    ] = "id",
    albums: Annotated[
        bool, typer.Option("--albums", help="List the albums, and not their tracks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List tracks: all, or those that words and filters choose; or albums.

    Example: fingerprinter list --artist bach --sort album
    """
    query = " ".join(words or ())
    wanted = track_filter(artist, album, genre, year, duration, tempo, key, query)
    if albums and wanted != TrackFilter(query=query):
        raise UsageError("--albums takes words only; leave out the filters")
    with open_library(ctx.obj, create=False, read_only=True) as library:
        if albums:
            _print_albums(_pages(partial(library.lists.albums, query)), as_json=as_json)
            return
        tracks = _pages(partial(library.lists.tracks, wanted, sort))
        if as_json:
            for track in tracks:
                print_json(track_record(track))
        else:
            _print_tracks(tracks)


def _pages(read: Callable[..., tuple[int, list[T]]]) -> Iterator[T]:
    """Yield all entries of a list that is read in pages."""
    total, offset = 1, 0
    while offset < total:
        total, part = read(offset=offset, limit=_PAGE)
        yield from part
        offset += _PAGE


def _told_if_none(entries: Iterator[T]) -> Iterator[T]:
    """Yield the entries of a list, and say so if there are none."""
    are_none = True
    for entry in entries:
        are_none = False
        yield entry
    if are_none:
        print_message("nothing here has such names and values; `search` corrects misspelt words")


def _print_albums(albums: Iterator[Album], *, as_json: bool) -> None:
    if as_json:
        for album in albums:
            print_json(asdict(album))
        return
    columns = [
        Column("album"),
        Column("artist"),
        Column("year", "right", folds=False),
        Column("tracks", "right", folds=False),
        Column("length", "right", folds=False),
    ]
    rows = (
        [
            album.album,
            album.artist or "",
            str(album.year or ""),
            str(album.tracks),
            text.length(album.duration_s),
        ]
        for album in _told_if_none(albums)
    )
    print_table(columns, rows)


def _print_tracks(tracks: Iterator[Track]) -> None:
    columns = [
        Column("id", "right", folds=False),
        Column("title"),
        Column("artist"),
        Column("album"),
        Column("length", "right", folds=False),
        Column("file"),
    ]
    rows = (
        [
            str(track.id),
            text.title(track),
            track.artist or "",
            track.album or "",
            text.length(track.duration_s),
            track.path or "",
        ]
        for track in _told_if_none(tracks)
    )
    print_table(columns, rows)


def show(ctx: typer.Context, track: TrackName, as_json: AsJson = False) -> None:
    """Show everything that is known of a track.

    Example: fingerprinter show 12
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found = library.track(track)
        files = library.files(found)
    if as_json:
        print_json(track_record(found) | {"files": files, "problem": found.problem})
    else:
        print_fields(_track_fields(found, files))


def _track_fields(track: Track, files: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each known field, in the order of `Track`, then each file."""
    known = asdict(track) | {"title": text.title(track)}
    known["duration_s"] = text.length(track.duration_s)
    known["added_at"] = track.added_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    del known["path"]
    if not track.is_part:
        del known["start_s"]
    names = {"duration_s": "length", "track_number": "track", "content_id": "content"}
    names |= {"album_artist": "album by", "bit_rate": "bit/s", "sample_rate_hz": "Hz"}
    for key, value in known.items():
        if value is not None:
            yield names.get(key, key.partition("_")[0]), str(value)
    for file in files:
        yield "file", file


def remove(
    ctx: typer.Context,
    tracks: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACK...",
            help="Track ids, or files in the library.",
            autocompletion=known_tracks,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Remove tracks from the library; their files stay.

    If one of the names is unknown, no track is removed.

    Example: fingerprinter remove 12 ~/Music/jingle.ogg
    """
    with open_library(ctx.obj, create=False) as library:
        removed = library.remove(tracks)
    for track in removed:
        if as_json:
            print_json(track_record(track))
        else:
            print_line(f"removed {track.id}: {text.label(track)}")


def stats(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the size of the library and of each of its parts.

    Example: fingerprinter stats
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        found, disk = library.stats(), library.disk_use()
    if as_json:
        print_json(asdict(found) | asdict(disk))
    else:
        print_fields([*_stats_fields(found), *_disk_fields(disk)])


def _stats_fields(stats: LibraryStats) -> Iterator[tuple[str, str]]:
    removed_share = f"{100 * stats.dead_share:.1f} % of the landmarks"
    yield "library", stats.address
    yield "schema", stats.schema
    yield "profile", f"{stats.profile} ({stats.params_id or 'nothing indexed yet'})"
    yield "tracks", f"{stats.tracks:,}"
    yield "  decoded only in part", f"{stats.tracks_in_part:,}"
    yield "files", f"{stats.files:,}"
    yield "audio", f"{stats.audio_s / 3600:,.1f} h"
    yield "landmarks", f"{stats.landmarks:,} ({text.megabytes(stats.landmark_bytes)} packed)"
    yield "  segments", f"{stats.segments:,}"
    yield "  removed tracks", f"{stats.removed_tracks:,} ({removed_share})"
    yield "peaks", f"{text.megabytes(stats.constellation_bytes)} packed"
    yield "embeddings", f"{stats.embeddings:,} ({text.megabytes(stats.embedding_bytes)})"
    yield "music analyses", f"{stats.analyzed:,}"
    if stats.mb_per_hour is not None:
        yield "landmarks, peaks, sketches", f"{stats.mb_per_hour:.2f} MB packed per hour of audio"


def _disk_fields(disk: DiskUse) -> Iterator[tuple[str, str]]:
    free = f", {text.megabytes(disk.free_bytes)} of it free" if disk.free_bytes else ""
    yield "disk use", text.megabytes(disk.disk_bytes) + free
    for name, part in (disk.parts or {}).items():
        rate = "" if part.mb_per_hour is None else f", {part.mb_per_hour:.2f} MB per hour of audio"
        yield f"  {name}", text.megabytes(part.bytes) + rate


def reindex(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Rebuild the landmarks and the vector index from stored data.

    The landmarks are rebuilt at once from the stored peaks, the vector index when `similar`
    needs it next. No audio file is read.

    Example: fingerprinter reindex
    """
    start = time.perf_counter()
    with open_library(ctx.obj, create=False) as library:
        tracks = library.reindex()
    elapsed_s = time.perf_counter() - start
    if as_json:
        print_json({"tracks": tracks, "elapsed_s": elapsed_s})
    else:
        print_line(f"landmarks of {tracks:,} tracks rebuilt in {elapsed_s:.1f} s")
