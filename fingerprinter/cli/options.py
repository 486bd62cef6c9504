"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Count = Annotated[int, typer.Option("-n", min=1, help="How many.")]
PlaylistFile = Annotated[
    Path | None,
    typer.Option("--m3u", metavar="FILE.m3u8", help="Also write them as a playlist."),
]
TrackName = Annotated[str, typer.Argument(metavar="TRACK", help="An id, or a file in the library.")]
