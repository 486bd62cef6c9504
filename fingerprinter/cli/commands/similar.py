"""The command that finds what sounds like something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fingerprinter.cli.commands.identify import track_or_file
from fingerprinter.cli.common.neighbours import Query, answer
from fingerprinter.cli.common.options import (
    AsJson,
    Count,
    Duration,
    Genre,
    OneArtist,
    OneKey,
    PartEnd,
    PartStart,
    PlaylistFile,
    Tempo,
    Years,
)
from fingerprinter.cli.common.records import track_record
from fingerprinter.library import open_library
from fingerprinter.library.similar.filters import TrackFilter
from fingerprinter.types import Track


def similar(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="TRACK...", help="Ids, files in the library, or any others."),
    ],
    n: Count = 10,
    start_s: PartStart = None,
    end_s: PartEnd = None,
    per_artist: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many of one artist.")
    ] = None,
    artist: OneArtist = None,
    genre: Genre = None,
    year: Years = None,
    duration: Duration = None,
    tempo: Tempo = None,
    key: OneKey = None,
    copies: Annotated[
        bool, typer.Option("--copies", help="List every track that holds a recording, not one.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say in what they are alike, and more than which share.")
    ] = False,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Finds the recordings that sound most like a track, a part of it, or several tracks.

    A recording that several tracks hold is listed once. With --why: "harmony 97 %" means that
    97 % of the library are less like it in harmony; then the tags that both have more than most.

    Example: fingerprinter similar 12 --from 1:00 --to 1:30 --year 1990-1999 --m3u like-it.m3u8
    """
    only = TrackFilter(artist, genre, year, duration, tempo, key)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        asked = [track_or_file(library, name) for name in names]
        found = library.similar(
            asked,
            n,
            start_s=start_s,
            end_s=end_s,
            only=only,
            per_artist=per_artist,
            copies=copies,
            why=why,
        )
    answer(_query(asked), found, m3u, as_json=as_json)


def _query(asked: Sequence[Track | str]) -> Query:
    """What was asked, for `--json`."""
    if len(asked) == 1:
        return asked[0]
    records = [track_record(each) if isinstance(each, Track) else each for each in asked]
    return {"tracks": records}
