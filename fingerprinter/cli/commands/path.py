"""The command `path`: a playlist that leads through tracks."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common.lookup import find_named
from fingerprinter.cli.common.neighbours import answer
from fingerprinter.cli.common.options import AsJson, PlaylistFile, RelativeTo, known_tracks
from fingerprinter.cli.common.output import print_message
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.cli.common.records import track_record
from fingerprinter.errors import UsageError
from fingerprinter.library import open_library

_ADDED = 8  # tracks that a path adds to those named, if the user gives no number


def path(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACK...",
            help="Tracks in the order of the path, at least two: ids, files in the library, or "
            "@LIST.m3u8 for the tracks of a playlist.",
            autocompletion=known_tracks,
        ),
    ],
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=2,
            metavar="N",
            help="Number of tracks, including those named. Default: 8 more than are named.",
            show_default=False,
        ),
    ] = None,
    per_artist: Annotated[
        bool, typer.Option("--per-artist", help="Use at most one track of each artist.")
    ] = False,
    m3u: PlaylistFile = None,
    relative_to: RelativeTo = None,
    as_json: AsJson = False,
) -> None:
    """Make a playlist that leads from one track to another.

    Each track sounds similar to the one before it, and "step" says how far it is from it: 0 is
    the same sound. With more than two tracks, the playlist leads through all of them in this
    order. So a playlist is extended, or two are joined.

    Example: fingerprinter path 12 80 @old.m3u8 -n 40 --m3u new.m3u8
    """
    playlist = Playlist.of(m3u, relative_to)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        named = find_named(names, library.track)
        stops = list({track.id: track for track in named}.values())
        if len(stops) < 2:
            twice = f"track {stops[0].id} is named twice" if len(named) > 1 else "one track"
            raise UsageError(f"{twice}; a path needs two different tracks")
        if len(stops) < len(named):
            print_message(f"{len(named) - len(stops)} tracks are named again; each is used once")
        count = n or len(stops) + _ADDED
        start, *via, end = stops
        found = library.path(start, end, count, via=via, per_artist=per_artist)
    first, *between, last = map(track_record, stops)
    query = {"from": first, "to": last, "via": between, "n": count}
    answer(query, found, playlist, as_json=as_json, steps=True)
