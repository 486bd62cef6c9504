"""The command `separate`: a recording split into parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.audio import FilePart
from fingerprinter.cli.common.lookup import track_or_file
from fingerprinter.cli.common.options import AsJson, known_tracks
from fingerprinter.cli.common.output import print_json, print_line, print_part_read
from fingerprinter.errors import LibraryError
from fingerprinter.library import open_library
from fingerprinter.library.base.sources import track_source
from fingerprinter.library.music.separation import separate as separate_file
from fingerprinter.types import Track


def separate(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TRACK",
            help="Track id, or any audio file.",
            autocompletion=known_tracks,
        ),
    ],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the parts.")
    ],
    components: Annotated[
        int | None,
        typer.Option(
            min=2, max=32, metavar="K", help="Split into this many recurring components instead."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Split a track into harmonic and percussive parts.

    Writes harmonic.wav and percussive.wav, or with --components component-1.wav and so on, the
    loudest first. The parts are mono, and their sum is the track.

    Example: fingerprinter separate 12 -o parts --components 4
    """
    result = separate_file(_audio_file(ctx.obj, name), folder, components)
    if result.problem:
        print_part_read(name, result.problem)
    files = [str(file) for file in result.files]
    if as_json:
        print_json({"query": name, "duration_s": result.duration_s, "files": files})
    else:
        for file in files:
            print_line(file)


def _audio_file(address: str | None, name: str) -> str | FilePart:
    """Return the file of a track, or the file itself; a file needs no library unless one is named.

    Raises ``AudioError`` if the library knows no file of the track.
    """
    try:
        library = open_library(address, create=False, read_only=True)
    except LibraryError:
        if address or name.isdecimal():
            raise
        return name
    with library:
        found = track_or_file(library, name)
    if not isinstance(found, Track):
        return found
    return track_source(found)
