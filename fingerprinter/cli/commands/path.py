"""The command `path`: a playlist from one track to another."""

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
        str, typer.Argument(metavar="FROM", help="First track: an id, or a file in the library.")
    ],
    end: Annotated[
        str, typer.Argument(metavar="TO", help="Last track: an id, or a file in the library.")
    ],
    n: Annotated[
        int,
        typer.Option(
            "-n", min=2, metavar="N", help="Number of tracks, including the first and the last."
        ),
    ] = 10,
    per_artist: Annotated[
        bool, typer.Option("--per-artist", help="Use at most one track of each artist.")
    ] = False,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a playlist that leads from one track to another.

    Each track sounds similar to the one before it, and "similarity" compares these two.

    Example: fingerprinter path 12 80 -n 15 --m3u from-12-to-80.m3u8
    """
    with open_library(ctx.obj, create=False, read_only=True) as library:
        ends = library.track(start), library.track(end)
        found = library.path(*ends, n, per_artist=per_artist)
    query = {"from": track_record(ends[0]), "to": track_record(ends[1]), "n": n}
    answer(query, found, m3u, as_json=as_json)
