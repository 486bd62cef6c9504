"""The command that recommends tracks to a listener."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common.neighbours import answer
from fingerprinter.cli.common.options import AsJson, Count, PlaylistFile
from fingerprinter.cli.common.output import complain
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.errors import UsageError
from fingerprinter.library import Library, open_library
from fingerprinter.library.discover.recommend import Recommendations
from fingerprinter.types import Neighbour

_SHOWN = 3  # songs that are named where some could not be matched


def recommend(
    ctx: typer.Context,
    like: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK", help="An id or a file that is liked; may come often."),
    ] = None,
    dislike: Annotated[
        list[str] | None, typer.Option(metavar="TRACK", help="One that is not; may come often.")
    ] = None,
    plays: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A listening history instead: a CSV of user, track, plays, or an export of "
            "ListenBrainz or Last.fm.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which listener of the history.")
    ] = None,
    n: Count = 10,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Recommends tracks to a listener, by likes and dislikes or by a listening history.

    Tracks that nobody has played yet are among them. A history of 100 listeners or more is
    learned from as a whole; that needs the extra "recommend".

    Example: fingerprinter recommend --like 12 --like 80 --dislike 3
    """
    if bool(like or dislike) == (plays is not None) or (user and not plays):
        raise UsageError(
            "give tracks with --like and --dislike, or a history with --plays: one of both"
        )
    with open_library(ctx.obj, create=False, read_only=True) as library:
        if plays:
            query, results = _by_history(library, plays, user, n)
        else:
            query, results = _by_likes(library, like or [], dislike or [], n)
    answer(query, results, m3u, as_json=as_json)


Found = tuple[Record, Sequence[Neighbour]]


def _by_likes(library: Library, like: Sequence[str], dislike: Sequence[str], n: int) -> Found:
    likes, dislikes = ([library.track(name) for name in names] for names in (like, dislike))
    query = {
        "like": [track_record(track) for track in likes],
        "dislike": [track_record(track) for track in dislikes],
    }
    return query, library.recommend(likes, dislikes, n)


def _by_history(library: Library, plays: Path, user: str | None, n: int) -> Found:
    found = library.recommend_from(plays, user, n)
    _complain_of_unmatched(found)
    query = {
        "plays": str(plays),
        "user": found.user,
        "listeners": found.listeners,
        "songs": found.songs,
        "unmatched": [asdict(each) for each in found.unmatched],
    }
    return query, found.results


def _complain_of_unmatched(found: Recommendations) -> None:
    """Says how many songs could not be used, and some of them."""
    if found.unmatched:
        names = ", ".join(each.name for each in found.unmatched[:_SHOWN])
        more = ", ..." if len(found.unmatched) > _SHOWN else ""
        counts = f"{len(found.unmatched)} of {found.songs} songs"
        complain(f"{found.user}: {counts} are not in the library: {names}{more}")
