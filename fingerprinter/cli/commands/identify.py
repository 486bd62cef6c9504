"""The command `identify`: which recordings play in a clip."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fingerprinter.audio import AudioSource
from fingerprinter.audio.decoding_process import start_process
from fingerprinter.audio.folders import find_audio
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, MinConfidence, device_number, real_number
from fingerprinter.cli.common.output import (
    Column,
    emit,
    print_json,
    print_message,
    print_part_read,
    print_table,
)
from fingerprinter.cli.common.progress import shown_progress
from fingerprinter.cli.common.records import Record, match_record, version_record
from fingerprinter.cli.common.track_lists import (
    ClipResult,
    TrackListFormat,
    position_in_track,
    track_list,
)
from fingerprinter.config import Settings, read_config
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.library.base.defaults import MIN_CONFIDENCE, MIN_VERSION_QUERY_S
from fingerprinter.types import Match, Problem, Version

if TYPE_CHECKING:
    from fingerprinter.audio.microphone import Recording
    from fingerprinter.cli.common.remote import Server
    from fingerprinter.library import Library

_STDIN, _MIC = "-", "mic"
_SURE = 0.99  # confidence that ends a recording: of such answers at most 1 % are wrong

_MANY = 16  # clips from which on several processes are worth their start

Clip = tuple[AudioSource, str | None]
"""The audio of a clip, and a message if some of it is missing."""
Answers = Iterator[tuple[str, ClipResult | AudioError]]
"""Of each clip its name, and the answer or why there is none."""


@dataclass(frozen=True, slots=True)
class _ClipCount:
    done: int
    total: int


def identify(
    ctx: typer.Context,
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP...",
            help="Audio files and folders; - reads standard input.",
            show_default=False,
        ),
    ] = None,
    mic: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=600,
            callback=real_number,
            metavar="SECONDS",
            help="Record a clip from the microphone instead, until it is named for sure.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Microphone for --mic, by name or number. Default: the system's."
        ),
    ] = None,
    all_matches: Annotated[
        bool,
        typer.Option("--all", help="List every recording in a long clip, not only the best match."),
    ] = False,
    alternatives: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also list up to N other recordings that the clip may be, such as tracks that "
            "share the passage.",
        ),
    ] = 0,
    versions: Annotated[
        bool,
        typer.Option(
            "--versions",
            help="Of a clip without a match, list other performances of the piece.",
        ),
    ] = False,
    wanted: Annotated[
        TrackListFormat | None,
        typer.Option(
            "--format",
            help="Print a cue sheet, CSV, an Audacity label track, or a plain track list.",
        ),
    ] = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Ask a running `fingerprinter serve`; $FINGERPRINTER_TOKEN is its token.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Worker processes. Default: one for each core from {_MANY} clips on, else one.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Identify the recording that plays in each clip.

    "Position" is where in the recording the clip begins, "in the track" where in the recording its
    part of the clip begins, and "changed" how tempo and pitch of the clip differ from the
    recording. A clip without a match above the minimum confidence is listed as "no match". A
    microphone is asked after 3, 6, 10 and 15 s and then every 5 s, and a match of confidence 0.99
    ends the recording; under --all it goes on. Ctrl-C ends a microphone recording, and a clip under
    --all, early; what was found by then is listed. Under --all, each recording of standard input is
    also named on stderr when it ends. Of a folder, all audio files are clips.

    Under --versions, a clip of 15 s or more that has no match is compared with the analysed tracks
    as `versions` does. What it finds is the same piece in another recording, and "position" is
    where in it the passage begins that both play.

    Example: fingerprinter identify party.m4a
    """
    if bool(clips) == (mic is not None):
        raise UsageError("name clips to identify, or record one with --mic: exactly one of the two")
    if mic is None and device is not None:
        raise UsageError(f"--device {device}: no recording; add --mic SECONDS to record from it")
    if wanted and as_json:
        raise UsageError("--format and --json both say what is printed: leave out one")
    if wanted is TrackListFormat.LABELS and len(clips or []) > 1:
        raise UsageError("--format labels: labels belong to one clip; name one")
    problems: list[Problem] = []
    names = _clip_names(clips, problems.append) if clips else [_MIC]
    asked: dict[str, Any] = {
        "min_confidence": min_confidence,
        "all_matches": all_matches,
        "alternatives": alternatives,
        "versions": versions,
    }
    if jobs is None:
        jobs = Settings.of(read_config()).jobs if len(names) >= _MANY else 1
    if jobs > 1 and server is None and mic is None and _STDIN not in names:
        answers = _in_processes(ctx.obj, names, jobs, asked)
    else:
        answers = _one_by_one(ctx.obj, server, names, (mic, device), asked)
    results: list[ClipResult] = []
    for problem in problems:
        print_message(problem.message)
    failed = bool(problems)
    try:
        for name, answer in answers:
            if isinstance(answer, AudioError):
                print_message(answer)
                failed = True
                continue
            results.append(answer)
            found = answer.recognition
            if found.problem:
                print_part_read(name, found.problem)
            if as_json:
                record = result_record(answer, alternatives=alternatives > 0, versions=versions)
                print_json(record)
            if versions and not found.matches and found.versions is None and not found.stopped:
                needed = f"{MIN_VERSION_QUERY_S:g} s"
                print_message(f"{name}: too short for versions, which need {needed}")
            if found.stopped:
                print_message(f"{name}: stopped after {text.position(found.duration_s)}")
            failed = failed or found.problem is not None or found.stopped
            if found.stopped:
                break
    except KeyboardInterrupt:  # what was found by then is listed
        _list(results, wanted, as_json=as_json, all_matches=all_matches)
        raise
    _list(results, wanted, as_json=as_json, all_matches=all_matches)
    if failed:
        raise typer.Exit(1)


def _list(
    results: Sequence[ClipResult],
    wanted: TrackListFormat | None,
    *,
    as_json: bool,
    all_matches: bool,
) -> None:
    """Print all results together; as JSON each was printed when it was known."""
    if wanted:
        emit(track_list(results, wanted))
    elif not as_json:
        print_results(results, all_matches=all_matches)


def _clip_names(clips: Sequence[str], on_problem: Callable[[Problem], None]) -> list[str]:
    """Return the clips that the user named, with the audio files of folders instead of these."""
    names = list[str]()
    for clip in clips:
        found = [clip]
        if os.path.isdir(clip):
            found = [str(path) for path in find_audio([clip], on_problem)]
        if not found:
            on_problem(Problem(clip, f"{printable(clip)}: no audio file in it"))
        names += found
    return names


def _in_processes(
    address: str | None, names: Sequence[str], jobs: int, asked: Mapping[str, Any]
) -> Answers:
    """Identify files in several processes."""
    from fingerprinter.library.clip_files import recognize_files

    with (
        shown_progress("identifying", lambda count: f"identified {count.done}") as on_progress,
        closing(recognize_files(address, names, jobs=jobs, **asked)) as answers,
    ):
        for number, (name, answer) in enumerate(answers, 1):
            on_progress(_ClipCount(number, len(names)))
            if isinstance(answer, AudioError):
                yield name, answer
            else:
                yield name, ClipResult(name, answer.recognition, answer.elapsed_s)


def _one_by_one(
    address: str | None,
    server: str | None,
    names: Sequence[str],
    microphone: tuple[float | None, str | None],
    asked: Mapping[str, Any],
) -> Answers:
    """Identify files, standard input or a recording from the microphone in this process."""
    seconds, device = microphone
    if server is None and names and names[0] not in (_STDIN, _MIC):
        start_process()  # before the library is loaded, which takes as long
    with _library_or_server(address, server) as source:
        for name in names:
            try:
                if seconds is None:
                    audio, cut = sys.stdin.buffer if name == _STDIN else name, None
                else:
                    sure = partial(_is_sure, source, asked["min_confidence"])
                    is_enough = _never if asked["all_matches"] else sure
                    audio, cut = _record_clip(seconds, device, is_enough)
                on_match = _print_ended if name == _STDIN else lambda _: None
                start = time.perf_counter()
                found = source.recognize(audio, **asked, on_match=on_match)
                elapsed_s = time.perf_counter() - start
            except AudioError as error:
                yield name, error
            else:
                found = replace(found, problem=cut or found.problem)
                yield name, ClipResult(name, found, elapsed_s)


def _print_ended(match: Match) -> None:
    """Print a recording of a stream as soon as it has ended: from, to, title and artist."""
    span = f"{text.position(match.clip_start_s)} - {text.position(match.clip_end_s)}"
    print_message(f"{span}  {text.title(match.track)}  {match.track.artist or ''}".rstrip())


def _library_or_server(address: str | None, server: str | None) -> Library | Server:
    """Open what identifies: the library, or a running service."""
    if server is None:
        from fingerprinter.library import open_library

        return open_library(address, create=False, read_only=True)
    if address is not None:
        raise UsageError("--db names a library, and --server asks that of the server: use one")
    from fingerprinter.cli.common.remote import Server

    return Server(server)


def _never(_: Recording) -> bool:
    return False


def _is_sure(source: Library | Server, min_confidence: float, heard: Recording) -> bool:
    """Tell whether a recording that goes on can be named already.

    Each attempt gives chance another one, so these ask for more than the last one.
    """
    samples = heard.samples, heard.sr
    least = max(_SURE, min_confidence)
    return bool(source.recognize(samples, min_confidence=least, all_matches=False).matches)


def _record_clip(
    seconds: float, device: str | None, is_enough: Callable[[Recording], bool]
) -> Clip:
    """Record from the microphone while a progress bar is shown."""
    from fingerprinter.audio.microphone import record

    with shown_progress(
        "opening the microphone", lambda _: "recording, Ctrl-C ends it early"
    ) as on_progress:
        recording = record(seconds, device_number(device), on_progress, is_enough=is_enough)
    return (recording.samples, recording.sr), recording.problem


def result_record(
    result: ClipResult, *, alternatives: bool = False, versions: bool = False
) -> Record:
    """Return a result as the object that `--json` prints."""
    found = result.recognition
    record: Record = {
        "clip": result.clip,
        "duration_s": found.duration_s,
        "elapsed_s": result.elapsed_s,
        "matches": [match_record(match) for match in found.matches],
    }
    if alternatives:
        record["alternatives"] = [match_record(match) for match in found.alternatives]
    if versions:
        record["versions"] = found.versions and [version_record(each) for each in found.versions]
    return record


def print_results(results: Sequence[ClipResult], *, all_matches: bool) -> None:
    """Print one line for each match, one for each other candidate, and one for each version.

    Parameters
    ----------
    results : sequence of ClipResult
        The answers.
    all_matches : bool
        Add columns with the span of each match within the clip, and name the position in the
        track at which this span begins.
    """
    rows = []
    for result in results:
        found = result.recognition
        if not (found.matches or found.stopped):  # of a clip that was ended, nothing is known
            rows.append([result.clip, "", "", "no match", "", "", "", ""])
        for match in (*found.matches, *found.alternatives):
            start_s = position_in_track(match) if all_matches else match.offset_s
            rows.append(
                [
                    result.clip if match in found.matches else "  or",
                    text.position(match.clip_start_s),
                    text.position(match.clip_end_s),
                    text.title(match.track),
                    match.track.artist or "",
                    text.position(start_s),
                    f"{match.confidence:.3f}",
                    text.change(match),
                ]
            )
        rows += [_version_cells(version) for version in found.versions or ()]
    columns = [
        Column("clip"),
        Column("from", "right", folds=False),
        Column("to", "right", folds=False),
        Column("title"),
        Column("artist"),
        Column("in the track" if all_matches else "position", "right", folds=False),
        Column("confidence", "right", folds=False),
        Column("changed"),
    ]
    if not all_matches:
        del columns[1:3]
        for row in rows:
            del row[1:3]
    print_table(columns, rows)


def _version_cells(version: Version) -> list[str]:
    """Return the line of another recording of the piece; a version has no place in the clip."""
    return [
        "  version",
        text.position(version.query_start_s),
        text.position(version.query_end_s),
        text.title(version.track),
        version.track.artist or "",
        text.position(version.start_s),
        f"{version.confidence:.3f}",
        "another recording",
    ]
