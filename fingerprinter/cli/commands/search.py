"""The command that searches by words."""

from __future__ import annotations

from typing import Annotated

import typer

from fingerprinter.cli.common.neighbours import answer
from fingerprinter.cli.common.options import AsJson, Count, PlaylistFile, TextModel
from fingerprinter.cli.common.output import complain
from fingerprinter.library import open_library


def search(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORDS", help="How it sounds, or what it is called."),
    ],
    n: Count = 10,
    text_model: TextModel = None,
    m3u: PlaylistFile = None,
    as_json: AsJson = False,
) -> None:
    """Finds tracks by words: by title, artist, album, genre, or by how they sound.

    Tracks that are called so come first. "no metal" excludes a sound, and so does "-metal" in
    quotes with other words. What sounds how is told from tags, or by a text-audio model that
    has heard the music at `index`.

    Example: fingerprinter search calm acoustic no vocals -n 20
    """
    question = " ".join(words)
    with open_library(ctx.obj, create=False, read_only=True, text_model=text_model) as library:
        found = library.search(question, n)
    for note in found.notes:
        complain(note)
    answer(question, found.results, m3u, as_json=as_json)
