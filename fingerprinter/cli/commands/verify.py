"""The command `verify`: whether a library is intact."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import print_json, print_line, print_message
from fingerprinter.cli.common.progress import counted, shown_progress
from fingerprinter.errors import LibraryError
from fingerprinter.library import open_library
from fingerprinter.library.maintain.verify import VerifyReport


def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild damaged data that can be derived again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the library is intact.

    Checks every checksum, the counts, the references between tables and the vector index.
    --repair rebuilds landmarks from peaks, tombstones and the vector index, and deletes damaged
    analyses and embeddings, which `analyze` and `index` make again. Damage that only the music
    can repair is named, with the files to index again. The exit status is 0 if everything is intact
    or repaired, else 4.

    Example: fingerprinter verify --repair
    """
    with (
        open_library(ctx.obj, create=False, read_only=not repair) as library,
        shown_progress("verifying", counted("segments and tracks")) as on_progress,
    ):
        report = library.verify(repair=repair, on_progress=on_progress)
    if as_json:
        for finding in report.findings:
            print_json(asdict(finding))
        print_json(_summary_record(report))
    else:
        for finding in report.findings:
            print_message(finding)
        print_line(_summary(report))
    if not report.is_whole:
        raise typer.Exit(LibraryError.exit_code)


def _summary(report: VerifyReport) -> str:
    state = "whole" if report.is_whole else "damaged"
    return (
        f"{state}: {report.tracks:,} tracks, {report.segments:,} segments, {report.blocks:,} blocks"
        f" checked in {report.elapsed_s:.1f} s; {len(report.findings)} findings"
    )


def _summary_record(report: VerifyReport) -> dict[str, object]:
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
