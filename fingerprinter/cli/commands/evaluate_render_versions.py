"""`evaluate render-versions`: music for `evaluate versions`, rendered from scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common.evaluation import Seed
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_json, print_line, print_message
from fingerprinter.cli.common.progress import counted, shown_progress


def render_versions(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")],
    pieces: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pieces to render, four versions each.")
    ] = 60,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Render versions of pieces as music for `evaluate versions`.

    The four versions of a piece differ in instruments, key, tempo and extent. The scores are those
    of music21; the program fluidsynth plays them with the SoundFonts FluidR3 and TimGM. All three
    are yours to install. Groups of files are listed in tune.tsv and report.tsv, every second piece
    in each.

    Example: fingerprinter evaluate render-versions rendered --pieces 20
    """
    from fingerprinter.evaluation import rendered_versions

    with shown_progress("rendering", counted("pieces")) as on_progress:
        lists = rendered_versions.render_versions(
            folder, pieces, seed, on_progress, on_problem=print_message
        )
    if as_json:
        print_json({"lists": [str(path) for path in lists]})
    else:
        for path in lists:
            print_line(str(path))
