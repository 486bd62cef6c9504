"""The command `plot`: a picture of a track or a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.lookup import track_or_file
from fingerprinter.cli.common.options import AsJson, MinConfidence, PartEnd, PartStart, known_tracks
from fingerprinter.cli.common.output import print_json, print_line, print_message
from fingerprinter.cli.common.records import match_record, track_record
from fingerprinter.errors import LibraryError
from fingerprinter.library import MIN_CONFIDENCE, open_library
from fingerprinter.library.identify.explanation import Explanation, explain_alone
from fingerprinter.types import Track


def plot(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TRACK_OR_CLIP",
            help="Track id, or any audio file.",
            autocompletion=known_tracks,
        ),
    ],
    picture: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The picture: a .png, .svg or .pdf file."
        ),
    ],
    start_s: PartStart = None,
    end_s: PartEnd = None,
    match: Annotated[
        bool | None,
        typer.Option(
            "--match/--no-match",
            help="Whether to identify the audio and draw the match. "
            "Default: yes for a file, no for a track.",
        ),
    ] = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Draw a spectrogram with its peaks, and what matched.

    For a clip with a match, the picture shows the spectrogram of the clip, the stored peaks of
    the recording, the landmarks that both share, and the votes for each offset. Without --from
    and --to it covers 30 seconds: the part that matched, or the first ones. Needs matplotlib.

    Example: fingerprinter plot party.m4a -o party.png
    """
    from fingerprinter.plotting import check_target, draw, save

    check_target(picture)
    shown = _explanation(ctx.obj, name, (start_s, end_s), match, min_confidence)
    save(draw(shown), picture)
    if as_json:
        print_json(
            {
                "plot": str(picture),
                "query": track_record(shown.track) if shown.track else name,
                "match": match_record(shown.agreement.match) if shown.agreement else None,
            }
        )
    else:
        print_line(f"{picture}: {_summary(name, shown)}")


def _explanation(
    address: str | None,
    name: str,
    part: tuple[float | None, float | None],
    match: bool | None,
    min_confidence: float,
) -> Explanation:
    """Return what to draw; a file needs a library only if one is named or a match is required."""
    try:
        library = open_library(address, create=False, read_only=True)
    except LibraryError as error:
        if match or address or name.isdecimal():
            raise
        if match is None:
            print_message(f"{name}: not identified: {error}")
        return explain_alone(name, *part)
    with library:
        found = track_or_file(library, name)
        wanted = not isinstance(found, Track) if match is None else match
        return library.explain(found, *part, match=wanted, min_confidence=min_confidence)


def _summary(name: str, shown: Explanation) -> str:
    query = text.label(shown.track) if shown.track else name
    if shown.agreement:
        match = shown.agreement.match
        place = f"{text.label(match.track)} at {text.position(match.offset_s)}"
        return f"{query} matches {place}, confidence {match.confidence:.3f}"
    return f"{query}, no match" if shown.searched else query
