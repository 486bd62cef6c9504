"""The command `versions`: other performances of the same piece."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.lookup import track_or_file
from fingerprinter.cli.common.neighbours import why_nothing
from fingerprinter.cli.common.options import (
    AsJson,
    Count,
    Duration,
    Genre,
    Keys,
    OneAlbum,
    OneArtist,
    PlaylistFile,
    RelativeTo,
    Tempo,
    Years,
    known_tracks,
    least_confidence,
    track_filter,
)
from fingerprinter.cli.common.output import (
    Column,
    print_json,
    print_message,
    print_part_read,
    print_table,
)
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.cli.common.records import track_record, version_record
from fingerprinter.library import Library, open_library
from fingerprinter.library.base.defaults import MIN_VERSION_CONFIDENCE
from fingerprinter.store.tables.lists import NO_FILTER
from fingerprinter.types import Problem, Track, Version

_COLUMNS = (
    Column("confidence", "right", folds=False),
    Column("id", "right", folds=False),
    Column("title"),
    Column("artist"),
    Column("key", "right", folds=False),
    Column("tempo", "right", folds=False),
    Column("passage", folds=False),
    Column("in the query", folds=False),
    Column("file"),
)


def versions(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TRACK",
            help="A track id, or any audio file of 15 seconds or more.",
            autocompletion=known_tracks,
        ),
    ],
    n: Count = 10,
    min_confidence: Annotated[float, least_confidence("versions")] = MIN_VERSION_CONFIDENCE,
    artist: OneArtist = None,
    album: OneAlbum = None,
    genre: Genre = None,
    year: Years = None,
    duration: Duration = None,
    tempo: Tempo = None,
    key: Keys = None,
    copies: Annotated[
        bool,
        typer.Option("--copies", help="List tracks with the same recording, too."),
    ] = False,
    m3u: PlaylistFile = None,
    relative_to: RelativeTo = None,
    as_json: AsJson = False,
) -> None:
    """Find other performances of a piece: covers, live recordings, remixes.

    A version may have other instruments, another key and another tempo. "Key" and "tempo" are those
    of the version, relative to the query; "passage" is what both play. Only tracks that `analyze`
    has analysed are found. For the same recording, ask `identify` or `duplicates`.

    Example: fingerprinter versions 12 --m3u versions.m3u8
    """
    playlist = Playlist.of(m3u, relative_to)
    problems: list[Problem] = []

    def on_problem(problem: Problem) -> None:
        print_part_read(problem.path, problem.message)
        problems.append(problem)

    only = track_filter(artist, album, genre, year, duration, tempo, key)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        query = track_or_file(library, name)
        found = library.versions(
            query,
            n,
            only=only,
            min_confidence=min_confidence,
            copies=copies,
            on_problem=on_problem,
        )
        if not found:
            print_message(_why_nothing(library) if only == NO_FILTER else why_nothing(only))
    playlist.write([each.track for each in found])
    if as_json:
        shown = track_record(query) if isinstance(query, Track) else query
        print_json({"query": shown, "results": [version_record(each) for each in found]})
    else:
        print_table(_COLUMNS, [_cells(each) for each in found])
    if problems:
        raise typer.Exit(1)


def _why_nothing(library: Library) -> str:
    held = library.stats()
    reason = f"no version found: none of the {held.analyzed:,} analysed tracks follows the same"
    missing = held.tracks - held.analyzed
    hint = f"; {missing:,} are not analysed, run `fingerprinter analyze --all`" if missing else ""
    return f"{reason} harmony{hint}"


def _cells(version: Version) -> list[str]:
    track = version.track
    passage = f"{text.position(version.start_s)} - {text.position(version.end_s)}"
    in_query = f"{text.position(version.query_start_s)} - {text.position(version.query_end_s)}"
    return [
        f"{version.confidence:.3f}",
        str(track.id),
        text.title(track) + (" (same recording)" if version.same_recording else ""),
        track.artist or "",
        f"{version.semitones:+d}" if version.semitones else "same",
        f"{100 * (version.tempo - 1):+.0f} %",
        passage,
        in_query,
        track.path or "",
    ]
