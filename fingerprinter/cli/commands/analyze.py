"""The command `analyze`: tempo, beats, key, sections, loudness and tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, known_tracks
from fingerprinter.cli.common.output import (
    print_fields,
    print_json,
    print_line,
    print_message,
    print_part_read,
)
from fingerprinter.cli.common.progress import counted, index_progress, shown_progress
from fingerprinter.cli.common.records import Record, track_record
from fingerprinter.core.mir.keys import camelot
from fingerprinter.embedding import load_model
from fingerprinter.errors import AudioError, LibraryError, UnknownTrackError, UsageError
from fingerprinter.library import open_library
from fingerprinter.library.music.stored_analyses import AnalyzeReport, TrackAnalysis, analyze_file
from fingerprinter.types import Key

Analyze = Callable[[str], TrackAnalysis]

_KEPT = ": finished analyses are saved; run the same command again to continue"
_BEATS_SHOWN, _TAGS_SHOWN = 8, 5


def analyze(
    ctx: typer.Context,
    tracks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACK...",
            help="Track ids, or any audio files.",
            autocompletion=known_tracks,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Analyse every track that has no analysis yet.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Analyse the tracks again, even if results are stored.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Worker processes for --all. Default: one for each core."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Also draw the analysis of one track: a .png, .svg or .pdf file.",
        ),
    ] = None,
    write: Annotated[
        str | None,
        typer.Option(
            metavar="TAGS",
            help="Write results into the tags of the files, for example bpm,key,gain.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --write: only print what would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find tempo, beats, key, sections, loudness and tags.

    The results are stored, so that `similar` and `path` can use tempo and key. Beats, key and
    sections cover the first hour of a track.

    With --write nothing is analysed: the stored results go into the tags of the files. bpm is the
    tempo, key is for example "Am", and gain is the gain and peak of ReplayGain 2.0. The sound of a
    file never changes, and `index` does not read it again.

    Example: fingerprinter analyze 12 ~/Music/song.flac
    """
    if dry_run and not write:
        raise UsageError("--dry-run needs --write; an analysis changes no file")
    if everything == bool(tracks):
        raise UsageError("name tracks to analyse, or use --all: exactly one of the two")
    if everything and again:
        raise UsageError("--again needs track names; --all takes tracks that have no analysis yet")
    if picture and (everything or len(tracks or []) != 1):
        raise UsageError(f"{picture}: a picture shows one track; name exactly one")
    if picture:
        from fingerprinter.plotting import check_target

        check_target(picture)
    if write:
        fields = [field.strip() for field in write.split(",")]
        _write_tags(ctx.obj, tracks or [], fields, dry_run, as_json)
    elif everything:
        _analyze_all(ctx.obj, jobs, as_json)
    else:
        _analyze_named(ctx.obj, tracks or [], again or picture is not None, picture, as_json)


def _analyze_all(address: str | None, jobs: int | None, as_json: bool) -> None:
    """Analyse every track without an analysis, and print the report."""
    try:
        with (
            open_library(address, create=False) as library,
            shown_progress("looking for tracks", index_progress) as on_progress,
        ):
            report = library.analyze_all(jobs=jobs, on_progress=on_progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    for problem in report.problems:
        print_message(problem.message)
    if as_json:
        record = asdict(report)
        del record["problems"]
        print_json(record)
    else:
        print_line(_summary(report))
    if report.problems:
        raise typer.Exit(1)


def _summary(report: AnalyzeReport) -> str:
    counts = f"{report.analyzed} analysed, {report.skipped} skipped, {report.failed} failed"
    speed = report.audio_s / report.elapsed_s if report.elapsed_s else 0.0
    work = f"{text.length(report.audio_s)} of audio in {report.elapsed_s:.1f} s"
    return f"{counts}: {work} ({speed:.0f} x real time)"


def _write_tags(
    address: str | None, names: Sequence[str], fields: Sequence[str], dry_run: bool, as_json: bool
) -> None:
    """Write stored results into the files, and print each change."""
    with (
        open_library(address, create=False) as library,
        shown_progress("looking for tracks", counted("tracks")) as on_progress,
    ):
        report = library.write_tags(names, fields, dry_run=dry_run, on_progress=on_progress)
    for problem in report.problems:
        print_message(problem.message)
    for change in report.changes:
        if as_json:
            print_json(asdict(change))
        else:
            before = "none" if change.before is None else change.before
            print_line(f"{change.path}: {change.tag} {before} -> {change.after}")
    if not as_json:
        verb = "would change" if dry_run else "changed"
        files = len({change.path for change in report.changes})
        print_line(f"{files} files {verb}, {report.unchanged} have these tags already")
    if report.problems:
        raise typer.Exit(1)


def _analyze_named(
    address: str | None, names: Sequence[str], again: bool, picture: Path | None, as_json: bool
) -> None:
    """Analyse tracks one by one; a track that cannot be read does not stop the others."""
    status = 0
    with _analyzer(address, names, again) as analyze_one:
        for name in names:
            try:
                analysis = analyze_one(name)
            except (AudioError, UnknownTrackError) as error:
                print_message(f"error: {error}" if len(names) == 1 else error)
                status = max(status, error.exit_code)
            else:
                _show(name, analysis, picture, as_json)
    if status:
        raise typer.Exit(status)


@contextmanager
def _analyzer(address: str | None, names: Sequence[str], again: bool) -> Iterator[Analyze]:
    """Yield a function that analyses a name; files work without a library if none was named."""
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


def _show(name: str, analysis: TrackAnalysis, picture: Path | None, as_json: bool) -> None:
    """Draw an analysis if the user wants a picture, then print it."""
    if picture and analysis.features:
        from fingerprinter.plotting import draw_analysis, save

        save(draw_analysis(analysis, analysis.features), picture)
    if analysis.problem:
        print_part_read(name, analysis.problem)
    if as_json:
        print_json(_record(name, analysis))
    else:
        print_fields(_fields(analysis))
        print_line()


def _record(name: str, analysis: TrackAnalysis) -> Record:
    """Return an analysis as the object that `--json` prints."""
    music = asdict(analysis.music)
    return {
        "query": track_record(analysis.track) if analysis.track else name,
        "duration_s": analysis.duration_s,
        "tempo_bpm": music["tempo_bpm"],
        "tempo_confidence": music["tempo_confidence"],
        "beats": music["beats_s"],
        "key": music["key"],
        "camelot": camelot(analysis.music.key.name) if analysis.music.key else None,
        "sections": music["sections"],
        "loudness": music["loudness"],
        "tags": [asdict(tag) for tag in analysis.tags],
    }


def _fields(analysis: TrackAnalysis) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each result that is known."""
    music = analysis.music
    yield "track", text.label(analysis.track) if analysis.track else analysis.name
    yield "length", text.length(analysis.duration_s)
    yield "tempo", _tempo(analysis)
    if music.beats_s:
        first = " ".join(f"{beat:.2f}" for beat in music.beats_s[:_BEATS_SHOWN])
        more = " ..." if len(music.beats_s) > _BEATS_SHOWN else ""
        yield "beats", f"{len(music.beats_s)}: {first}{more}"
    yield "key", _key(music.key) if music.key else "none"
    parts = (f"{part.label} {text.position(part.start_s)}" for part in music.sections)
    yield "sections", "  ".join(parts)
    yield "loudness", _loudness(analysis)
    tags = analysis.tags[:_TAGS_SHOWN]
    yield "tags", ", ".join(f"{tag.name} {tag.probability:.2f}" for tag in tags)


def _key(key: Key) -> str:
    return f"{key.name} ({camelot(key.name)}), confidence {key.confidence:.2f}"


def _tempo(analysis: TrackAnalysis) -> str:
    tempo, steady = analysis.music.tempo_bpm, analysis.music.tempo_confidence
    if steady is None:
        return "none: no clear beat"
    if tempo is None:
        return f"none: the beat is steady in only {steady:.0%} of the track"
    return f"{tempo:.1f} bpm, steady in {steady:.0%} of the track"


def _loudness(analysis: TrackAnalysis) -> str:
    loudness = analysis.music.loudness
    if loudness.integrated_lufs is None:
        return "silence"
    known = [f"{loudness.integrated_lufs:.1f} LUFS"]
    if loudness.range_lu is not None:
        known.append(f"range {loudness.range_lu:.1f} LU")
    if loudness.true_peak_dbtp is not None:
        known.append(f"true peak {loudness.true_peak_dbtp:+.1f} dBTP")
    return ", ".join(known)
