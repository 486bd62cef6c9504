"""The command that looks whether a library is whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import complain, emit, print_json
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.errors import LibraryError
from fingerprinter.library import open_library
from fingerprinter.library.maintain.verify import VerifyReport


def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived from other data.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Looks whether everything in the library is whole and fits together.

    Checksums of all landmarks and peaks, counts, rows without a track, tracks without
    landmarks, the vector index. With --repair, what is derived is made anew: landmarks
    from the peaks, tombstones, the vector index. What only the music itself can mend is
    named. Ends with 0 where all is whole or repaired, else with 4.

    Example: fingerprinter verify --repair
    """
    with (
        open_library(ctx.obj, create=False, read_only=not repair) as library,
        shown_progress("verifying", counted("segments and tracks")) as on_progress,
    ):
        report = library.verify(repair=repair, on_progress=on_progress)
    _show(report, as_json)
    if not report.is_whole:
        raise typer.Exit(LibraryError.exit_code)


def _show(report: VerifyReport, as_json: bool) -> None:
    if as_json:
        for finding in report.findings:
            print_json(asdict(finding))
        print_json(_summary(report))
        return
    for finding in report.findings:
        complain(finding)
    state = "whole" if report.is_whole else "damaged"
    emit(
        f"{state}: {report.tracks:,} tracks, {report.segments:,} segments, {report.blocks:,} blocks"
        f" in {report.elapsed_s:.1f} s; {len(report.findings)} findings\n"
    )


def _summary(report: VerifyReport) -> dict[str, object]:
    repaired = sum(finding.repaired for finding in report.findings)
    return {
        "tracks": report.tracks,
        "segments": report.segments,
        "blocks": report.blocks,
        "findings": len(report.findings),
        "repaired": repaired,
        "whole": report.is_whole,
        "elapsed_s": report.elapsed_s,
    }
