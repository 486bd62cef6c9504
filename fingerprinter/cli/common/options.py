"""Options and arguments that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from fingerprinter.core.mir.keys import parse_key

PLAIN: dict[str, Any] = {  # how every command and group of them is made
    "rich_markup_mode": None,  # plain help starts faster and survives a pipe
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class Span(NamedTuple):
    """The lowest and the highest of some numbers, both included; None: no end on that side."""

    lowest: float | None
    highest: float | None


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


def limits(span: str) -> Span:
    """A span as people write it.

    >>> limits("1990-1999")
    Span(lowest=1990.0, highest=1999.0)
    >>> limits("-2:30"), limits("1995")
    (Span(lowest=None, highest=150.0), Span(lowest=1995.0, highest=1995.0))

    Raises `typer.BadParameter` for anything else.
    """
    low, dash, high = span.strip().partition("-")
    lowest = seconds(low) if low.strip() else None
    highest = (seconds(high) if high.strip() else None) if dash else lowest
    if lowest is None and highest is None:
        raise typer.BadParameter(f"{span}: no span; write 1990-1999, 1990- or 2:00-4:30")
    if lowest is not None and highest is not None and highest < lowest:
        raise typer.BadParameter(f"{span}: ends before it begins; swap them?")
    return Span(lowest, highest)


def key(text: str) -> str:
    """A key's one name.

    >>> key("f#m")
    'F# minor'

    Raises `typer.BadParameter` for what is none.
    """
    try:
        return parse_key(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Count = Annotated[int, typer.Option("-n", min=1, help="How many.")]
MinConfidence = Annotated[
    float, typer.Option(min=0.0, max=1.0, metavar="P", help="The least confidence that counts.")
]
PlaylistFile = Annotated[
    Path | None,
    typer.Option("--m3u", metavar="FILE.m3u8", help="Also write them as a playlist."),
]
TextModel = Annotated[
    Path | None,
    typer.Option(
        "--text-model",
        metavar="FOLDER",
        help="Of a text-audio model (docs/discovery.md). Default: $FINGERPRINTER_TEXT_MODEL.",
        show_default=False,
    ),
]
TrackName = Annotated[str, typer.Argument(metavar="TRACK", help="An id, or a file in the library.")]

PartStart = Annotated[
    float | None,
    typer.Option("--from", parser=seconds, metavar="TIME", help="Where a part begins, as 1:23."),
]
PartEnd = Annotated[
    float | None, typer.Option("--to", parser=seconds, metavar="TIME", help="Where it ends.")
]
OneArtist = Annotated[
    str | None, typer.Option("--artist", metavar="WORDS", help="Only tracks of such an artist.")
]
Genre = Annotated[
    str | None, typer.Option("--genre", metavar="WORDS", help="Only tracks of such a genre.")
]
Years = Annotated[
    Span | None,
    typer.Option("--year", parser=limits, metavar="SPAN", help="Only of 1990-1999, 1990- or 1995."),
]
Duration = Annotated[
    Span | None,
    typer.Option("--duration", parser=limits, metavar="SPAN", help="Only as long as 2:00-4:30."),
]
Tempo = Annotated[
    Span | None,
    typer.Option(
        "--tempo", parser=limits, metavar="SPAN", help="Only of 120-130 beats a minute (`analyze`)."
    ),
]
OneKey = Annotated[
    str | None,
    typer.Option("--key", parser=key, metavar="KEY", help="Only in A minor or Ebm (`analyze`)."),
]
