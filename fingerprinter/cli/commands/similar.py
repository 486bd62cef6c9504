"""The command `similar`: tracks that sound like others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fingerprinter.cli.common.lookup import track_or_file
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
        typer.Argument(metavar="TRACK...", help="Track ids, or any audio files."),
    ],
    n: Count = 10,
    start_s: PartStart = None,
    end_s: PartEnd = None,
    per_artist: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="List at most this many tracks of each artist."),
    ] = None,
    artist: OneArtist = None,
    genre: Genre = None,
    year: Years = None,
    duration: Duration = None,
    tempo: Tempo = None,
    key: OneKey = None,
    copies: Annotated[
        bool,
        typer.Option("--copies", help="List every track with the same recording, not only one."),
    ] = False,
    why: Annotated[
        bool,
        typer.Option("--why", help="Explain each result: percentile per facet, and shared tags."),
    ] = False,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Find the recordings that sound most like one or more tracks.

    With --from and --to, the query is a part of the track. A recording that several tracks hold
    is listed once. With --why, "harmony 97 %" means that 97 % of the library are less similar in
    harmony; the tags after it are typical of both tracks.

    Example: fingerprinter similar 12 --from 1:00 --to 1:30 --year 1990-1999 --m3u like-it.m3u8
    """
    only = TrackFilter(artist, genre, year, duration, tempo, key)
    with open_library(ctx.obj, create=False, read_only=True) as library:
        queries = [track_or_file(library, name) for name in names]
        found = library.similar(
            queries,
            n,
            start_s=start_s,
            end_s=end_s,
            only=only,
            per_artist=per_artist,
            copies=copies,
            why=why,
        )
    answer(_query(queries), found, m3u, as_json=as_json)


def _query(queries: Sequence[Track | str]) -> Query:
    """Return the query for `--json`: the track itself, or the list of several."""
    if len(queries) == 1:
        return queries[0]
    records = [track_record(each) if isinstance(each, Track) else each for each in queries]
    return {"tracks": records}
