"""The command `search`: tracks by words."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common.neighbours import answer
from fingerprinter.cli.common.options import AsJson, Count, PlaylistFile, RelativeTo, TextModel
from fingerprinter.cli.common.output import print_message
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.library import open_library


def search(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD...", help="A name, or a description of the sound."),
    ],
    n: Count = 10,
    text_model: TextModel = None,
    m3u: PlaylistFile = None,
    relative_to: RelativeTo = None,
    as_json: AsJson = False,
) -> None:
    """Search by title, artist, album or genre, or by a description.

    Tracks whose names match come first, then tracks that sound like the description. "no metal"
    excludes a sound; "-metal" works too, inside quotes with other words. Sound is matched by
    tags, or by a text-audio model if the library was indexed with one.

    Example: fingerprinter search calm acoustic no vocals -n 20
    """
    playlist = Playlist.of(m3u, relative_to)
    query = " ".join(words)
    with open_library(ctx.obj, create=False, read_only=True, text_model=text_model) as library:
        found = library.search(query, n)
    for note in found.notes:
        print_message(note)
    answer(query, found.results, playlist, as_json=as_json)
