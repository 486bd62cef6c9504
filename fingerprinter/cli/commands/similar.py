"""The command `similar`: tracks that sound like others."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common.lookup import find_named, track_or_file
from fingerprinter.cli.common.neighbours import Query, answer, why_nothing
from fingerprinter.cli.common.options import (
    AsJson,
    Count,
    Duration,
    Genre,
    Keys,
    NotSameAlbum,
    OneAlbum,
    OneArtist,
    PartEnd,
    PartStart,
    PerAlbum,
    PerArtist,
    PlaylistFile,
    RelativeTo,
    Tempo,
    Years,
    known_tracks,
    track_filter,
)
from fingerprinter.cli.common.output import print_message, print_part_read
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.cli.common.records import track_record
from fingerprinter.library import open_library
from fingerprinter.types import Problem, Track


def similar(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACK...",
            help="Track ids, any audio files, or @LIST.m3u8 for the tracks of a playlist.",
            autocompletion=known_tracks,
        ),
    ],
    n: Count = 10,
    start_s: PartStart = None,
    end_s: PartEnd = None,
    per_artist: PerArtist = None,
    per_album: PerAlbum = None,
    not_same_album: NotSameAlbum = False,
    artist: OneArtist = None,
    album: OneAlbum = None,
    genre: Genre = None,
    year: Years = None,
    duration: Duration = None,
    tempo: Tempo = None,
    key: Keys = None,
    copies: Annotated[
        bool,
        typer.Option("--copies", help="List every track with the same recording, not only one."),
    ] = False,
    why: Annotated[
        bool,
        typer.Option("--why", help="Explain each result: percentile per facet, and shared tags."),
    ] = False,
    m3u: PlaylistFile = None,
    relative_to: RelativeTo = None,
    as_json: AsJson = False,
) -> None:
    """Find the recordings that sound most like one or more tracks.

    With --from and --to, the query is a part of the track. A recording that several tracks hold
    is listed once. With --why, "harmony 97 %" means that 97 % of the library are less similar in
    harmony; the tags after it are typical of both tracks.

    Example: fingerprinter similar 12 --from 1:00 --to 1:30 --year 1990-1999 --m3u like-it.m3u8
    """
    playlist = Playlist.of(m3u, relative_to)
    problems: list[Problem] = []
    parts: list[Problem] = []
    only = track_filter(artist, album, genre, year, duration, tempo, key)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        queries = find_named(names, lambda name: track_or_file(library, name))
        found = library.similar(
            queries,
            n,
            start_s=start_s,
            end_s=end_s,
            only=only,
            per_artist=per_artist,
            per_album=per_album,
            not_same_album=not_same_album,
            copies=copies,
            why=why,
            on_problem=problems.append,
            on_part_read=parts.append,
        )
    for problem in problems:
        print_message(f"left out {problem.message}")
    for problem in parts:
        print_part_read(problem.path, problem.message)
    unread = {problem.path for problem in problems}
    queries = [each for each in queries if isinstance(each, Track) or each not in unread]
    if not found:
        print_message(why_nothing(only))
    query: Query = queries[0]
    if len(queries) > 1:
        records = [track_record(each) if isinstance(each, Track) else each for each in queries]
        query = {"tracks": records}
    answer(query, found, playlist, as_json=as_json)
    if problems or parts:
        raise typer.Exit(1)
