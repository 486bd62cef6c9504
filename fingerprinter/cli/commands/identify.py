"""The command `identify`: which recordings play in a clip."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from fingerprinter.audio import AudioSource
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, MinConfidence
from fingerprinter.cli.common.output import Column, emit, print_json, print_message, print_table
from fingerprinter.cli.common.progress import shown_progress
from fingerprinter.cli.common.records import Record, match_record
from fingerprinter.cli.common.track_lists import (
    ClipResult,
    TrackListFormat,
    position_in_track,
    track_list,
)
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.library import MIN_CONFIDENCE, Recognition, open_library

_STDIN, _MIC = "-", "mic"

# A clip as it is named, and what loads it: the audio, and a message if some of it is missing.
ClipInput = tuple[str, Callable[[], tuple[AudioSource, str | None]]]


def identify(
    ctx: typer.Context,
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP...", help="Audio files; - reads standard input.", show_default=False
        ),
    ] = None,
    mic: Annotated[
        float | None,
        typer.Option(
            min=1, max=600, metavar="SECONDS", help="Record a clip from the microphone instead."
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
    wanted: Annotated[
        TrackListFormat | None,
        typer.Option(
            "--format",
            help="Print a cue sheet, CSV, an Audacity label track, or a plain track list.",
        ),
    ] = None,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Identify the recording that plays in each clip.

    "Position" is where in the recording the clip begins, or with --all where the recording begins
    to play. "Changed" says how tempo and pitch of the clip differ from the recording. A clip without a match above the minimum confidence is
    listed as "no match". Ctrl-C ends a microphone recording early; the recorded part is identified.

    Example: fingerprinter identify party.m4a
    """
    if bool(clips) == (mic is not None):
        raise UsageError("name clips to identify, or record one with --mic: exactly one of the two")
    if mic is None and device is not None:
        raise UsageError(f"--device {device}: no recording; add --mic SECONDS to record from it")
    if wanted and (as_json or (wanted is TrackListFormat.LABELS and len(clips or []) > 1)):
        raise UsageError("--format needs no --json, and labels belong to one clip: leave out one")
    inputs: list[ClipInput] = [(clip, partial(_clip_file, clip)) for clip in clips or []]
    if mic is not None:
        inputs = [(_MIC, partial(_record_clip, mic, device))]
    results: list[ClipResult] = []
    with open_library(ctx.obj, create=False, read_only=True) as library:
        recognize = partial(
            library.recognize,
            min_confidence=min_confidence,
            all_matches=all_matches,
            alternatives=alternatives,
        )
        for result in _identify_each(inputs, recognize):
            results.append(result)
            if as_json:
                print_json(result_record(result, alternatives=alternatives > 0))
    if wanted:
        emit(track_list(results, wanted))
    elif not as_json:
        _print_results(results, all_matches)
    if sum(result.recognition.problem is None for result in results) < len(inputs):
        raise typer.Exit(1)


def _record_clip(seconds: float, device: str | None) -> tuple[AudioSource, str | None]:
    """Record from the microphone while a progress bar is shown."""
    from fingerprinter.audio.microphone import record

    chosen = int(device) if device and device.isdecimal() else device
    with shown_progress(
        "opening the microphone", lambda _: "recording, Ctrl-C ends it early"
    ) as on_progress:
        recording = record(seconds, chosen, on_progress)
    return (recording.samples, recording.sr), recording.problem


def _clip_file(clip: str) -> tuple[AudioSource, str | None]:
    """Return a file or standard input as an audio source; refuse a folder."""
    if os.path.isdir(clip):
        command = f"find {shlex.quote(clip)} -type f -exec fingerprinter identify {{}} +"
        raise AudioError(f"{clip}: a folder; name the files in it, as `{command}` does")
    return sys.stdin.buffer if clip == _STDIN else clip, None


def _identify_each(
    inputs: Sequence[ClipInput], recognize: Callable[[AudioSource], Recognition]
) -> Iterator[ClipResult]:
    """Yield the result for each clip that can be read; the others are named on stderr."""
    for name, load in inputs:
        try:
            audio, problem = load()
            start = time.perf_counter()
            recognition = recognize(audio)
            elapsed_s = time.perf_counter() - start
        except AudioError as error:
            print_message(error)
            continue
        problem = problem or recognition.problem
        if problem:
            print_message(f"{name}: read only in part: {problem}")
        yield ClipResult(name, replace(recognition, problem=problem), elapsed_s)


def result_record(result: ClipResult, *, alternatives: bool = False) -> Record:
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
    return record


def _print_results(results: Sequence[ClipResult], all_matches: bool) -> None:
    """Print one line for each match; a track list also shows where in the clip each one plays."""
    titles = ["clip", *(["from", "to"] if all_matches else []), "title", "artist"]
    titles += ["in the track" if all_matches else "position", "confidence", "changed"]
    numbers = {"from", "to", "in the track", "position", "confidence"}
    columns = [
        Column(title, "right", folds=False) if title in numbers else Column(title)
        for title in titles
    ]
    print_table(columns, [row for result in results for row in result_rows(result, all_matches)])


def result_rows(result: ClipResult, all_matches: bool) -> list[list[str]]:
    """Return the table rows of one clip: its matches, then what else it may be.

    Parameters
    ----------
    result : ClipResult
        The answer for the clip.
    all_matches : bool
        Add cells with the span of each match within the clip, and name the position in the track
        at which this span begins.
    """
    found, rows = result.recognition, []
    if not found.matches:
        return [[result.clip, *(["", ""] if all_matches else []), "no match", "", "", "", ""]]
    for match in (*found.matches, *found.alternatives):
        span = [text.position(match.clip_start_s), text.position(match.clip_end_s)]
        start_s = position_in_track(match) if all_matches else match.offset_s
        rows.append(
            [
                "  or" if match in found.alternatives else result.clip,
                *(span if all_matches else []),
                text.title(match.track),
                match.track.artist or "",
                text.position(start_s),
                f"{match.confidence:.3f}",
                text.change(match),
            ]
        )
    return rows
