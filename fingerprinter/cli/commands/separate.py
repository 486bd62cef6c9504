"""The command that takes recordings apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.audio.source import printable
from fingerprinter.cli.commands.identify import track_or_file
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import complain, emit, print_json
from fingerprinter.errors import AudioError, LibraryError
from fingerprinter.library import open_library
from fingerprinter.library.music.separation import separate as separate_file
from fingerprinter.types import Track


def separate(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="TRACK", help="An id, or a file, in the library or not.")
    ],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the parts go.")
    ],
    components: Annotated[
        int | None,
        typer.Option(
            min=2, max=32, metavar="K", help="Into so many components that recur, instead."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Takes a track apart: into what rings and what is struck, or into components.

    Writes harmonic.wav and percussive.wav, or component-1.wav and so on, the one that is
    heard most first. The parts add up to the track; they are mono.

    Example: fingerprinter separate 12 -o parts --components 4
    """
    found = separate_file(_file(ctx.obj, name), folder, components)
    if found.problem:
        complain(f"{name}: heard only in part: {found.problem}")
    files = [str(file) for file in found.files]
    if as_json:
        print_json({"query": name, "duration_s": found.duration_s, "files": files})
    else:
        emit("".join(f"{printable(file)}\n" for file in files))


def _file(address: str | None, name: str) -> str:
    """The file that is meant; one needs no library, unless one is named."""
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
    if found.path is None:
        raise AudioError(f"track {found.id}: the library knows no file of it; index one again")
    return found.path
