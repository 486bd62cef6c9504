"""The command `recommend`: tracks for a listener."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fingerprinter.cli.common.neighbours import answer, why_nothing
from fingerprinter.cli.common.options import (
    AsJson,
    Count,
    Duration,
    Genre,
    Keys,
    NotSameAlbum,
    OneAlbum,
    OneArtist,
    PerAlbum,
    PerArtist,
    PlaylistFile,
    RelativeTo,
    Tempo,
    Years,
    known_tracks,
    track_filter,
)
from fingerprinter.cli.common.output import print_message
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.errors import UsageError
from fingerprinter.library import Library, open_library
from fingerprinter.library.discover.recommend import Recommendations
from fingerprinter.types import Neighbour

Found = tuple[Record, Sequence[Neighbour]]
"""The query as an object, and the recommended tracks."""

Options = dict[str, Any]
"""Arguments of `Library.recommend` that filter and limit the results."""

_UNMATCHED_SHOWN = 3  # songs of a history that are named if they are not in the library


def recommend(
    ctx: typer.Context,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACK",
            help="A track that the listener likes, by id or file; repeatable.",
            autocompletion=known_tracks,
        ),
    ] = None,
    dislike: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACK",
            help="A track that the listener dislikes; repeatable.",
            autocompletion=known_tracks,
        ),
    ] = None,
    plays: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A play history instead: a CSV with the columns user, track, plays, or an "
            "export of ListenBrainz or Last.fm.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="The listener in the history.")
    ] = None,
    n: Count = 10,
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
    m3u: PlaylistFile = None,
    relative_to: RelativeTo = None,
    as_json: AsJson = False,
) -> None:
    """Recommend tracks from likes or from a play history.

    The results can include tracks that nobody has played yet. A history with 100 or more
    listeners also contributes what similar listeners play, which needs the extra "recommend".

    Example: fingerprinter recommend --like 12 --like 80 --dislike 3
    """
    if bool(like or dislike) == (plays is not None) or (user and not plays):
        raise UsageError(
            "name tracks with --like and --dislike, or a history with --plays:"
            " exactly one of the two"
        )
    playlist = Playlist.of(m3u, relative_to)
    only = track_filter(artist, album, genre, year, duration, tempo, key)
    limits: Options = {
        "only": only,
        "per_artist": per_artist,
        "per_album": per_album,
        "not_same_album": not_same_album,
    }
    with open_library(ctx.obj, create=False, read_only=True) as library:
        if plays:
            query, results = _from_history(library, plays, user, n, limits)
        else:
            query, results = _from_likes(library, like or [], dislike or [], n, limits)
    if not results:
        print_message(why_nothing(only))
    answer(query, results, playlist, as_json=as_json)


def _from_likes(
    library: Library, like: Sequence[str], dislike: Sequence[str], n: int, limits: Options
) -> Found:
    likes, dislikes = ([library.track(name) for name in names] for names in (like, dislike))
    query = {
        "like": [track_record(track) for track in likes],
        "dislike": [track_record(track) for track in dislikes],
    }
    return query, library.recommend(likes, dislikes, n, **limits)


def _from_history(
    library: Library, plays: Path, user: str | None, n: int, limits: Options
) -> Found:
    found = library.recommend_from(plays, user, n, **limits)
    _report_unmatched(found)
    query = {
        "plays": str(plays),
        "user": found.user,
        "listeners": found.listeners,
        "songs": found.songs,
        "unmatched": [asdict(each) for each in found.unmatched],
    }
    return query, found.results


def _report_unmatched(found: Recommendations) -> None:
    """Say how many songs of the history are not in the library, and name the first of them."""
    if found.unmatched:
        names = ", ".join(each.name for each in found.unmatched[:_UNMATCHED_SHOWN])
        more = ", ..." if len(found.unmatched) > _UNMATCHED_SHOWN else ""
        counts = f"{len(found.unmatched)} of {found.songs} songs"
        print_message(f"{found.user}: {counts} are not in the library: {names}{more}")
