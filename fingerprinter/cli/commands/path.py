"""The command that goes from one track to another."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common.neighbours import answer
from fingerprinter.cli.common.options import AsJson, PlaylistFile
from fingerprinter.cli.common.records import track_record
from fingerprinter.library import open_library


def path(
    ctx: typer.Context,
    start: Annotated[
        str, typer.Argument(metavar="FROM", help="Where to begin: an id, or a file in the library.")
    ],
    end: Annotated[str, typer.Argument(metavar="TO", help="Where to end.")],
    n: Annotated[int, typer.Option("-n", min=2, help="How many tracks, both ends included.")] = 10,
    per_artist: Annotated[
        bool, typer.Option("--per-artist", help="At most one track of an artist.")
    ] = False,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Makes a playlist from one track to another, by steps as small as can be.

    The likeness of each track is that to the one before it.

    Example: fingerprinter path 12 80 -n 15 --m3u from-12-to-80.m3u8
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        ends = library.track(start), library.track(end)
        found = library.path(*ends, n, per_artist=per_artist)
    query = {"from": track_record(ends[0]), "to": track_record(ends[1]), "n": n}
    answer(query, found, m3u, as_json=as_json)
