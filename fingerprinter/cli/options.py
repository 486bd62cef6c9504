"""Options and arguments that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")


def seconds(time: str) -> float:
    """A time as people write it.

    >>> seconds("83.5"), seconds("1:23.5"), seconds("1:02:03")
    (83.5, 83.5, 3723.0)

    Raises `typer.BadParameter` for anything else.
    """
    written = _TIME.fullmatch(time.strip())
    if written is None:
        raise typer.BadParameter(f"{time}: no time; write 83, 1:23 or 1:02:03")
    hours, minutes, rest = (float(part or 0) for part in written.groups())
    return 3600 * hours + 60 * minutes + rest


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Count = Annotated[int, typer.Option("-n", min=1, help="How many.")]
MinConfidence = Annotated[
    float, typer.Option(min=0.0, max=1.0, metavar="P", help="The least confidence that counts.")
]
PlaylistFile = Annotated[
    Path | None,
    typer.Option("--m3u", metavar="FILE.m3u8", help="Also write them as a playlist."),
]
TrackName = Annotated[str, typer.Argument(metavar="TRACK", help="An id, or a file in the library.")]
