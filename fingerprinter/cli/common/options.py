"""Options and arguments that several commands share, and the parsers of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fingerprinter.core.mir.keys import parse_key, wheel_neighbours
from fingerprinter.core.printable import printable
from fingerprinter.errors import FingerprinterError

if TYPE_CHECKING:
    from fingerprinter.store.tables.lists import TrackFilter

PLAIN: dict[str, Any] = {  # settings of every command and command group
    "rich_markup_mode": None,  # plain help starts faster and survives a pipe
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

_MOST_COMPLETIONS = 100  # more would flood the terminal
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")


class Span(NamedTuple):
    """A range of numbers with both ends included; ``None`` leaves an end open."""

    lowest: float | None
    highest: float | None


class KeyNames(NamedTuple):
    """Standard names of musical keys."""

    names: tuple[str, ...]


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


def limits(span: str, number: Callable[[str], float] = seconds, example: str = "2:00-4:30") -> Span:
    """Parse a range of times or other numbers, such as 2:00-4:30, 2:00-, -4:30 or 1995.

    Parameters
    ----------
    span : str
        The lowest and the highest value with a dash between them; one of them may be missing.
    number : callable
        Parses one value.
    example : str
        A range, for messages.

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
    >>> limits("1:00-2:30"), limits("-2:30")
    (Span(lowest=60.0, highest=150.0), Span(lowest=None, highest=150.0))
    >>> years("1990-"), years("1995")
    (Span(lowest=1990.0, highest=None), Span(lowest=1995.0, highest=1995.0))
    """
    low, dash, high = span.strip().partition("-")
    lowest = number(low) if low.strip() else None
    highest = (number(high) if high.strip() else None) if dash else lowest
    if lowest is None and highest is None:
        raise typer.BadParameter(f"{span}: not a range; write {example}")
    if lowest is not None and highest is not None and highest < lowest:
        raise typer.BadParameter(f"{span}: ends before it begins; swap them?")
    return Span(lowest, highest)


def years(span: str) -> Span:
    """Parse a range of years, such as 1990-1999, 1990- or 1995."""

    def year(text: str) -> float:
        if not re.fullmatch(r"\d{1,4}", text.strip()):
            raise typer.BadParameter(f"{text}: not a year; write 1995, 1990-1999 or 1990-")
        return float(text)

    return limits(span, year, "1990-1999")


def tempos(span: str) -> Span:
    """Parse a range of tempos in beats a minute, such as 120-130 or 97.5."""

    def tempo(text: str) -> float:
        if not re.fullmatch(r"\d{1,4}(\.\d*)?", text.strip()):
            raise typer.BadParameter(f"{text}: not a tempo; write beats a minute: 120-130 or 120")
        return float(text)

    return limits(span, tempo, "120-130")


def keys(text: str) -> KeyNames:
    """Parse a musical key; with ~ before it, also its neighbours on the Camelot wheel.

    Raises
    ------
    typer.BadParameter
        If the text is no key.

    Examples
    --------
    >>> keys("f#m")
    KeyNames(names=('F# minor',))
    >>> keys("~8A")
    KeyNames(names=('A minor', 'E minor', 'D minor', 'C major'))
    """
    try:
        key = parse_key(text.strip().removeprefix("~"))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return KeyNames(wheel_neighbours(key) if text.strip().startswith("~") else (key,))


def device_number(device: str | None) -> int | str | None:
    """Return the number of an audio device if digits were given, and its name otherwise."""
    return int(device) if device and device.isdecimal() and len(device) < 10 else device


def real_number(value: float | None) -> float | None:
    """Refuse "nan", which is neither too small nor too large for the limits of an option.

    Raises
    ------
    typer.BadParameter
        If the value is not a number.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


def known_tracks(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a track in the shell.

    Parameters
    ----------
    ctx : typer.Context
        The command line so far; its option ``--db`` names the library.
    incomplete : str
        The beginning of an id or of the path of a file.

    Returns
    -------
    list of (str, str)
        Ids, or paths if one was begun, each with artist and title. Paths that could control a
        terminal are left out. Empty if the library cannot be read.
    """
    from fingerprinter.cli.common.text import label
    from fingerprinter.library import open_library

    url = ctx.find_root().params.get("db")
    try:
        with open_library(url, create=False, read_only=True) as library:
            named = (
                (name, printable(label(track)))
                for track in library.tracks()
                for name in (str(track.id), track.path if incomplete else None)
                if name and name.startswith(incomplete) and printable(name) == name
            )
            return list(islice(named, _MOST_COMPLETIONS))
    except FingerprinterError:
        return []


def least_confidence(of: str) -> Any:
    """Return the option --min-confidence of what a command reports."""
    return typer.Option(
        min=0.0,
        max=1.0,
        callback=real_number,
        metavar="P",
        help=f"Report only {of} with at least this confidence.",
    )


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text: one object on each line.")
]
Count = Annotated[int, typer.Option("-n", min=1, metavar="N", help="Number of tracks to list.")]
MinConfidence = Annotated[float, least_confidence("matches")]
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
RelativeTo = Annotated[
    Path | None,
    typer.Option(
        "--relative-to",
        metavar="FOLDER",
        help="Write the paths in the playlist relative to this folder.",
    ),
]
TrackName = Annotated[
    str,
    typer.Argument(
        metavar="TRACK",
        help="Track id, or a file that the library knows.",
        autocompletion=known_tracks,
    ),
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
OneAlbum = Annotated[
    str | None,
    typer.Option("--album", metavar="TEXT", help="Only tracks whose album contains this text."),
]
PerArtist = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="List at most this many tracks of each artist."),
]
PerAlbum = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="List at most this many tracks of each album."),
]
NotSameAlbum = Annotated[
    bool, typer.Option("--not-same-album", help="Leave out the albums of the given tracks.")
]
Genre = Annotated[
    str | None,
    typer.Option("--genre", metavar="TEXT", help="Only tracks whose genre contains this text."),
]
Years = Annotated[
    Span | None,
    typer.Option(
        "--year",
        parser=years,
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
        parser=tempos,
        metavar="RANGE",
        help="Only tracks of this tempo in beats a minute: 120-130. Run `analyze` first.",
    ),
]
Keys = Annotated[
    KeyNames | None,
    typer.Option(
        "--key",
        parser=keys,
        metavar="KEY",
        help="Only tracks in this key: A minor, Ebm or 8A. ~8A adds its neighbours on the "
        "Camelot wheel. Run `analyze` first.",
    ),
]


def track_filter(
    artist: str | None,
    album: str | None,
    genre: str | None,
    year: Span | None,
    duration: Span | None,
    tempo: Span | None,
    key: KeyNames | None,
    query: str = "",
) -> TrackFilter:
    """Return the filter that the options of a command describe."""
    from fingerprinter.store.tables.lists import TrackFilter

    return TrackFilter(
        query=query,
        artist=artist,
        album=album,
        genre=genre,
        year=year,
        duration_s=duration,
        tempo_bpm=tempo,
        keys=key.names if key else None,
    )
