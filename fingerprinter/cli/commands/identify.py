"""The command `identify`: which recordings play in a clip."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import typer

from fingerprinter.audio import AudioSource
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, MinConfidence
from fingerprinter.cli.common.output import Column, print_json, print_message, print_table
from fingerprinter.cli.common.progress import shown_progress
from fingerprinter.cli.common.records import Record, match_record
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.library import MIN_CONFIDENCE, Recognition, open_library

_STDIN, _MIC = "-", "mic"


@dataclass(frozen=True, slots=True)
class ClipInput:
    """A clip to identify.

    Parameters
    ----------
    name : str
        The file as the user named it, "-" for standard input, or "mic".
    load : callable
        Returns the audio, and a message if some of it is missing.
    """

    name: str
    load: Callable[[], tuple[AudioSource, str | None]]


@dataclass(frozen=True, slots=True)
class ClipResult:
    """The answer for one clip.

    Parameters
    ----------
    clip : str
        The clip as the user named it.
    recognition : Recognition
        Its length, its matches, and what of it could not be read.
    elapsed_s : float
        How long the identification took.
    """

    clip: str
    recognition: Recognition
    elapsed_s: float


def identify(
    ctx: typer.Context,
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP", help="Audio files; - reads standard input.", show_default=False
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
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Identify the recording that plays in each clip.

    "Position" is where in the recording the clip begins, and "changed" says how tempo and pitch
    of the clip differ from the recording. A clip without a match above the minimum confidence is
    listed as "no match". Ctrl-C ends a microphone recording early; the recorded part is identified.

    Example: fingerprinter identify party.m4a
    """
    inputs = _clip_inputs(clips or [], mic, device)
    results: list[ClipResult] = []
    with open_library(ctx.obj, create=False, read_only=True) as library:
        recognize = partial(
            library.recognize, min_confidence=min_confidence, all_matches=all_matches
        )
        for result in _identify_each(inputs, recognize):
            results.append(result)
            if as_json:
                print_json(_result_record(result))
    if not as_json:
        _print_results(results, all_matches)
    if sum(result.recognition.problem is None for result in results) < len(inputs):
        raise typer.Exit(1)


def _clip_inputs(clips: Sequence[str], mic: float | None, device: str | None) -> list[ClipInput]:
    """Return the clips to identify; refuse a call with none, or with both files and microphone."""
    if bool(clips) == (mic is not None):
        raise UsageError("name clips to identify, or record one with --mic: exactly one of the two")
    if mic is None and device is not None:
        raise UsageError(f"--device {device}: no recording; add --mic SECONDS to record from it")
    if mic is not None:
        return [ClipInput(_MIC, partial(_record_clip, mic, device))]
    return [ClipInput(clip, partial(_clip_file, clip)) for clip in clips]


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
    for clip in inputs:
        try:
            audio, problem = clip.load()
            start = time.perf_counter()
            recognition = recognize(audio)
            elapsed_s = time.perf_counter() - start
        except AudioError as error:
            print_message(error)
            continue
        problem = problem or recognition.problem
        if problem:
            print_message(f"{clip.name}: read only in part: {problem}")
        yield ClipResult(clip.name, replace(recognition, problem=problem), elapsed_s)


def _result_record(result: ClipResult) -> Record:
    """Return a result as the object that `--json` prints."""
    return {
        "clip": result.clip,
        "duration_s": result.recognition.duration_s,
        "elapsed_s": result.elapsed_s,
        "matches": [match_record(match) for match in result.recognition.matches],
    }


def _print_results(results: Sequence[ClipResult], all_matches: bool) -> None:
    """Print one line for each match; a track list also shows where in the clip each one plays."""
    columns = [
        Column("clip"),
        *([Column("time in clip", "right", folds=False)] if all_matches else []),
        Column("title"),
        Column("artist"),
        Column("position", "right", folds=False),
        Column("confidence", "right", folds=False),
        Column("changed"),
    ]
    print_table(columns, (row for result in results for row in result_rows(result, all_matches)))


def result_rows(result: ClipResult, all_matches: bool) -> Iterator[list[str]]:
    """Yield the table rows of one clip.

    Parameters
    ----------
    result : ClipResult
        The answer for the clip.
    all_matches : bool
        Add a cell with the time span of the match within the clip.
    """
    if not result.recognition.matches:
        yield [result.clip, *([""] if all_matches else []), "no match", "", "", "", ""]
    for match in result.recognition.matches:
        span = f"{text.position(match.clip_start_s)} - {text.position(match.clip_end_s)}"
        yield [
            result.clip,
            *([span] if all_matches else []),
            text.title(match.track),
            match.track.artist or "",
            text.position(match.offset_s),
            f"{match.confidence:.3f}",
            text.change(match),
        ]
