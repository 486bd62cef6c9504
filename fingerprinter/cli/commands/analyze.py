"""The command that listens as a musician does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson
from fingerprinter.cli.common.output import complain, emit, print_fields, print_json
from fingerprinter.cli.common.progress import index_progress, shown_progress
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.embedding import load_model
from fingerprinter.errors import AudioError, LibraryError, UnknownTrackError, UsageError
from fingerprinter.library import open_library
from fingerprinter.library.music.stored_analyses import AnalyzeReport, TrackAnalysis, analyze_file

Analyze = Callable[[str], TrackAnalysis]

_KEPT = ": what was analysed is kept; run the same command again to go on"
_BEATS_SHOWN, _TAGS_SHOWN = 8, 5


def analyze(
    ctx: typer.Context,
    tracks: Annotated[
        list[str] | None,
        typer.Argument(metavar="TRACK...", help="Ids, or files, in the library or not."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All tracks that are not analysed yet.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Listen anew, whatever is kept of them.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Worker processes of --all. Default: one for each core."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Also draw one track: .png, .svg, .pdf."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tells tempo, beats, key, sections, loudness and tags of tracks.

    What is found is kept, so that `similar` and `path` can look at tempo and key, and a
    second question is answered at once. Beats, key and sections are those of the first hour.

    Example: fingerprinter analyze 12 ~/Music/song.flac
    """
    if everything == bool(tracks):
        raise UsageError("name tracks to analyse, or say --all: one of both")
    if everything and again:
        raise UsageError("--again goes with tracks; --all takes those that are not analysed yet")
    if picture and (everything or len(tracks or []) != 1):
        raise UsageError(f"{picture}: a picture shows one track; name one")
    if picture:
        from fingerprinter.plotting import check_target

        check_target(picture)
    if everything:
        _analyze_all(ctx.obj, jobs, as_json)
    else:
        _analyze_some(ctx.obj, tracks or [], again or picture is not None, picture, as_json)


def _analyze_all(address: str | None, jobs: int | None, as_json: bool) -> None:
    try:
        with (
            open_library(address, create=False) as library,
            shown_progress("looking for tracks", index_progress) as on_progress,
        ):
            report = library.analyze_all(jobs=jobs, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    for problem in report.problems:
        complain(problem.message)
    if as_json:
        print_json(_report_record(report))
    else:
        emit(f"{_summary(report)}\n")
    if report.problems:
        raise typer.Exit(1)


def _report_record(report: AnalyzeReport) -> Record:
    record = asdict(report)
    del record["problems"]
    return record


def _summary(report: AnalyzeReport) -> str:
    counts = f"{report.analyzed} analysed, {report.skipped} skipped, {report.failed} failed"
    speed = report.audio_s / report.elapsed_s if report.elapsed_s else 0.0
    work = f"{text.length(report.audio_s)} of audio in {report.elapsed_s:.1f} s"
    return f"{counts}: {work} ({speed:.0f} x real time)"


def _analyze_some(
    address: str | None, names: Sequence[str], again: bool, picture: Path | None, as_json: bool
) -> None:
    """Each by itself: one that cannot be read does not stop the others."""
    status = 0
    with _analyzer(address, names, again) as of:
        for name in names:
            try:
                found = of(name)
            except (AudioError, UnknownTrackError) as error:
                complain(f"error: {error}" if len(names) == 1 else error)
                status = max(status, error.exit_code)
            else:
                _draw(found, picture)
                _show(name, found, as_json)
    if status:
        raise typer.Exit(status)


@contextmanager
def _analyzer(address: str | None, names: Sequence[str], again: bool) -> Iterator[Analyze]:
    """By the library; files need none, unless one is named."""
    try:
        library = open_library(address, create=False)
    except LibraryError:
        if address or any(name.isdecimal() for name in names):
            raise
        model = load_model()
        yield lambda name: analyze_file(name, model)
    else:
        with library:
            yield partial(library.analyze, again=again)


def _draw(found: TrackAnalysis, picture: Path | None) -> None:
    if picture and found.heard:
        from fingerprinter.plotting import draw_analysis, save

        save(draw_analysis(found, found.heard), picture)


def _show(name: str, found: TrackAnalysis, as_json: bool) -> None:
    if found.problem:
        complain(f"{name}: heard only in part: {found.problem}")
    if as_json:
        print_json(_record(name, found))
    else:
        print_fields(_fields(found))
        emit("\n")


def _record(name: str, found: TrackAnalysis) -> Record:
    """An analysis as the object that `--json` prints."""
    music = asdict(found.music)
    return {
        "query": track_record(found.track) if found.track else name,
        "duration_s": found.duration_s,
        "tempo_bpm": music["tempo_bpm"],
        "tempo_confidence": music["tempo_confidence"],
        "beats": music["beats_s"],
        "key": music["key"],
        "sections": music["sections"],
        "loudness": music["loudness"],
        "tags": [asdict(tag) for tag in found.tags],
    }


def _fields(found: TrackAnalysis) -> Iterator[tuple[str, str]]:
    """A line for each thing that is known."""
    music = found.music
    yield "track", text.label(found.track) if found.track else found.name
    yield "length", text.length(found.duration_s)
    yield "tempo", _tempo(found)
    if music.beats_s:
        yield "beats", _beats(music.beats_s)
    yield "key", f"{music.key.name}, confidence {music.key.confidence:.2f}" if music.key else "none"
    parts = (f"{part.label} {text.position(part.start_s)}" for part in music.sections)
    yield "sections", "  ".join(parts)
    yield "loudness", _loudness(found)
    yield "tags", ", ".join(f"{tag.name} {tag.probability:.2f}" for tag in found.tags[:_TAGS_SHOWN])


def _tempo(found: TrackAnalysis) -> str:
    tempo, steady = found.music.tempo_bpm, found.music.tempo_confidence
    if steady is None:
        return "none: no beats to speak of"
    if tempo is None:
        return f"none: the beats keep one in {steady:.0%} of it only"
    return f"{tempo:.1f} bpm, steady in {steady:.0%} of it"


def _beats(beats_s: Sequence[float]) -> str:
    first = " ".join(f"{beat:.2f}" for beat in beats_s[:_BEATS_SHOWN])
    return f"{len(beats_s)}: {first}" + (" ..." if len(beats_s) > _BEATS_SHOWN else "")


def _loudness(found: TrackAnalysis) -> str:
    loudness = found.music.loudness
    if loudness.integrated_lufs is None:
        return "silence"
    known = [f"{loudness.integrated_lufs:.1f} LUFS"]
    if loudness.range_lu is not None:
        known.append(f"range {loudness.range_lu:.1f} LU")
    if loudness.true_peak_dbtp is not None:
        known.append(f"true peak {loudness.true_peak_dbtp:+.1f} dBTP")
    return ", ".join(known)
