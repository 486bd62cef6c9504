"""Options and arguments that several commands share, and the parsers of their values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from fingerprinter.core.mir.keys import parse_key

PLAIN: dict[str, Any] = {  # settings of every command and command group
    "rich_markup_mode": None,  # plain help starts faster and survives a pipe
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")


class Span(NamedTuple):
    """A range of numbers with both ends included; ``None`` leaves an end open."""

    lowest: float | None
    highest: float | None


def seconds(time: str) -> float:
    """Parse a time such as 83, 1:23 or 1:02:03.

    Parameters
    ----------
    time : str
        Seconds, minutes and seconds, or hours, minutes and seconds.

    Returns
    -------
    float
        The time in seconds.

    Raises
    ------
    typer.BadParameter
        If the text is no time.

    Examples
    --------
    >>> seconds("83.5"), seconds("1:23.5"), seconds("1:02:03")
    (83.5, 83.5, 3723.0)
    """
    parsed = _TIME.fullmatch(time.strip())
    if parsed is None:
        raise typer.BadParameter(f"{time}: not a time; write 83, 1:23 or 1:02:03")
    hours, minutes, rest = (float(part or 0) for part in parsed.groups())
    return 3600 * hours + 60 * minutes + rest


def limits(span: str) -> Span:
    """Parse a range of numbers or times, such as 1990-1999, 1990-, -2:30 or 1995.

    Parameters
    ----------
    span : str
        The lowest and the highest value with a dash between them; one of them may be missing.

    Returns
    -------
    Span
        Both ends, times in seconds.

    Raises
    ------
    typer.BadParameter
        If the text is no range, or if its end lies before its beginning.

    Examples
    --------
    >>> limits("1990-1999")
    Span(lowest=1990.0, highest=1999.0)
    >>> limits("-2:30"), limits("1995")
    (Span(lowest=None, highest=150.0), Span(lowest=1995.0, highest=1995.0))
    """
    low, dash, high = span.strip().partition("-")
    lowest = seconds(low) if low.strip() else None
    highest = (seconds(high) if high.strip() else None) if dash else lowest
    if lowest is None and highest is None:
        raise typer.BadParameter(f"{span}: not a range; write 1990-1999, 1990- or 2:00-4:30")
    if lowest is not None and highest is not None and highest < lowest:
        raise typer.BadParameter(f"{span}: ends before it begins; swap them?")
    return Span(lowest, highest)


def key(text: str) -> str:
    """Parse a musical key and return its standard name.

    Raises
    ------
    typer.BadParameter
        If the text is no key.

    Examples
    --------
    >>> key("f#m")
    'F# minor'
    """
    try:
        return parse_key(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text: one object on each line.")
]
Count = Annotated[int, typer.Option("-n", min=1, metavar="N", help="Number of tracks to list.")]
MinConfidence = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, metavar="P", help="Report only matches with at least this confidence."
    ),
]
PlaylistFile = Annotated[
    Path | None,
    typer.Option("--m3u", metavar="FILE.m3u8", help="Also write the tracks to a playlist."),
]
TextModel = Annotated[
    Path | None,
    typer.Option(
        "--text-model",
        metavar="FOLDER",
        help="Folder of a text-audio model, see docs/discovery.md. "
        "Default: $FINGERPRINTER_TEXT_MODEL.",
        show_default=False,
    ),
]
TrackName = Annotated[
    str, typer.Argument(metavar="TRACK", help="Track id, or a file that the library knows.")
]

PartStart = Annotated[
    float | None,
    typer.Option(
        "--from",
        parser=seconds,
        metavar="TIME",
        help="Start of the part to use, such as 1:23. Default: the beginning.",
    ),
]
PartEnd = Annotated[
    float | None,
    typer.Option(
        "--to", parser=seconds, metavar="TIME", help="End of the part to use. Default: the end."
    ),
]
OneArtist = Annotated[
    str | None,
    typer.Option("--artist", metavar="TEXT", help="Only tracks whose artist contains this text."),
]
Genre = Annotated[
    str | None,
    typer.Option("--genre", metavar="TEXT", help="Only tracks whose genre contains this text."),
]
Years = Annotated[
    Span | None,
    typer.Option(
        "--year",
        parser=limits,
        metavar="RANGE",
        help="Only tracks of these years: 1990-1999, 1990- or 1995.",
    ),
]
Duration = Annotated[
    Span | None,
    typer.Option(
        "--duration",
        parser=limits,
        metavar="RANGE",
        help="Only tracks of this length: 2:00-4:30, 2:00- or -4:30.",
    ),
]
Tempo = Annotated[
    Span | None,
    typer.Option(
        "--tempo",
        parser=limits,
        metavar="RANGE",
        help="Only tracks of this tempo in beats a minute: 120-130. Run `analyze` first.",
    ),
]
OneKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        parser=key,
        metavar="KEY",
        help="Only tracks in this key: A minor or Ebm. Run `analyze` first.",
    ),
]
