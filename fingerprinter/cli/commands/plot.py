"""The command that draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.audio.source import printable
from fingerprinter.cli.commands.identify import track_or_file
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, MinConfidence, seconds
from fingerprinter.cli.common.output import complain, emit, print_json
from fingerprinter.cli.common.records import Record, match_record, track_record
from fingerprinter.errors import LibraryError
from fingerprinter.library import MIN_CONFIDENCE, open_library
from fingerprinter.library.identify.explanation import Explanation, explain_alone
from fingerprinter.types import Track


def plot(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="TRACK_OR_CLIP", help="An id, or a file, in the library or not."),
    ],
    picture: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The picture: .png, .svg, .pdf.")
    ],
    start_s: Annotated[
        float | None,
        typer.Option("--from", parser=seconds, metavar="TIME", help="Where to begin, as 1:23."),
    ] = None,
    end_s: Annotated[
        float | None,
        typer.Option("--to", parser=seconds, metavar="TIME", help="Where to end."),
    ] = None,
    match: Annotated[
        bool | None,
        typer.Option(
            "--match/--no-match",
            help="Whether to identify it and draw why. Default: a file, but no track.",
        ),
    ] = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Draws a track or clip with its peaks, and why it is recognised.

    Of a clip that is in the library, what matched: the clip's spectrogram, the recording's
    stored peaks and the landmarks of both, and how many of them vote for each place. Without
    --from and --to, 30 seconds: the first, or those that matched. Needs matplotlib.

    Example: fingerprinter plot party.m4a -o party.png
    """
    from fingerprinter.plotting import check_target, draw, save

    check_target(picture)
    shown = _explained(ctx.obj, name, (start_s, end_s), match, min_confidence)
    save(draw(shown), picture)
    if as_json:
        print_json(_record(picture, name, shown))
    else:
        emit(printable(f"{picture}: {_summary(name, shown)}") + "\n")


def _explained(
    address: str | None,
    name: str,
    part: tuple[float | None, float | None],
    match: bool | None,
    min_confidence: float,
) -> Explanation:
    """What is to be drawn; a file needs no library, unless one is named or a match is wanted."""
    try:
        library = open_library(address, create=False, read_only=True)
    except LibraryError as error:
        if match or address or name.isdecimal():
            raise
        if match is None:
            complain(f"{name}: not identified: {error}")
        return explain_alone(name, *part)
    with library:
        found = track_or_file(library, name)
        wanted = not isinstance(found, Track) if match is None else match
        return library.explain(found, *part, match=wanted, min_confidence=min_confidence)


def _record(picture: Path, name: str, shown: Explanation) -> Record:
    return {
        "plot": str(picture),
        "query": track_record(shown.track) if shown.track else name,
        "match": match_record(shown.agreement.match) if shown.agreement else None,
    }


def _summary(name: str, shown: Explanation) -> str:
    what = text.label(shown.track) if shown.track else name
    if shown.agreement:
        match = shown.agreement.match
        place = f"{text.label(match.track)} at {text.position(match.offset_s)}"
        return f"{what} is {place}, confidence {match.confidence:.3f}"
    return f"{what}, no match" if shown.searched else what
