"""Commands that ask the library something."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fingerprinter.audio import AudioSource
from fingerprinter.cli.common import text
from fingerprinter.cli.common.options import AsJson, MinConfidence
from fingerprinter.cli.common.output import Column, complain, print_json, print_table
from fingerprinter.cli.common.progress import shown_progress
from fingerprinter.cli.common.records import Record, match_record
from fingerprinter.errors import AudioError, UnknownTrackError, UsageError
from fingerprinter.library import MIN_CONFIDENCE, Library, Recognition, open_library
from fingerprinter.types import Match, Track

_STDIN, _MIC = "-", "mic"


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip by its name, and how to get its sound and what is missing of that."""

    name: str
    sound: Callable[[], tuple[AudioSource, str | None]]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A clip as it was named, its answer, and how long that took."""

    clip: str
    answer: Recognition
    elapsed_s: float


def identify(
    ctx: typer.Context,
    clips: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLIP", help="Audio files; - is standard input.", show_default=False
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
            metavar="NAME", help="Which microphone, by name or number. Default: the system's."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every recording in a long clip, as a track list.")
    ] = False,
    min_confidence: MinConfidence = MIN_CONFIDENCE,
    as_json: AsJson = False,
) -> None:
    """Names the recording heard in each clip.

    The position is where in the recording the clip begins. No answer is better than a
    wrong one: below the least confidence there is no match. Ctrl-C while the microphone
    records ends the clip there; what was recorded so far is identified.

    Example: fingerprinter identify party.m4a
    """
    named = _named(clips or [], mic, device)
    heard: list[_Heard] = []
    with open_library(ctx.obj, create=False, read_only=True) as library:
        listen = partial(library.recognize, min_confidence=min_confidence, all_matches=every)
        for each in _listen_to_all(named, listen):
            heard.append(each)
            if as_json:
                print_json(_heard_record(each))
    if not as_json:
        _print_answers(heard, every)
    if sum(each.answer.problem is None for each in heard) < len(named):
        raise typer.Exit(1)


def _named(clips: Sequence[str], mic: float | None, device: str | None) -> list[_Clip]:
    """The clips that are meant; raises `UsageError` for none, and for files and a microphone."""
    if bool(clips) == (mic is not None):
        raise UsageError("name clips to identify, or record one with --mic SECONDS: one of both")
    if mic is None and device is not None:
        raise UsageError(f"--device {device}: a microphone; record from it with --mic SECONDS")
    if mic is not None:
        return [_Clip(_MIC, partial(_record, mic, device))]
    return [_Clip(clip, partial(_file, clip)) for clip in clips]


def _record(seconds: float, device: str | None) -> tuple[AudioSource, str | None]:
    from fingerprinter.audio.microphone import record

    chosen = int(device) if device and device.isdecimal() else device
    with shown_progress("opening the microphone", _listening) as on_progress:
        recording = record(seconds, chosen, on_progress)
    return (recording.samples, recording.sr), recording.problem


def _listening(_: object) -> str:
    return "listening, Ctrl-C ends it early"


def _file(clip: str) -> tuple[AudioSource, str | None]:
    if Path(clip).is_dir():
        folder = shlex.quote(clip)
        step = f"find {folder} -type f -exec fingerprinter identify {{}} +"
        raise AudioError(f"{clip}: a folder; name the files in it, as `{step}` does")
    return sys.stdin.buffer if clip == _STDIN else clip, None


def _listen_to_all(
    clips: Sequence[_Clip], listen: Callable[[AudioSource], Recognition]
) -> Iterator[_Heard]:
    """The answer to each clip that can be read; the others are named on stderr."""
    for clip in clips:
        try:
            heard = _listen(clip, listen)
        except AudioError as error:
            complain(error)
        else:
            if heard.answer.problem:
                complain(f"{clip.name}: heard only in part: {heard.answer.problem}")
            yield heard


def _listen(clip: _Clip, listen: Callable[[AudioSource], Recognition]) -> _Heard:
    sound, problem = clip.sound()
    start = time.perf_counter()
    answer = listen(sound)
    elapsed_s = time.perf_counter() - start
    return _Heard(clip.name, replace(answer, problem=problem or answer.problem), elapsed_s)


def _heard_record(heard: _Heard) -> Record:
    return {
        "clip": heard.clip,
        "duration_s": heard.answer.duration_s,
        "elapsed_s": heard.elapsed_s,
        "matches": [match_record(match) for match in heard.answer.matches],
    }


def _print_answers(heard: Sequence[_Heard], every: bool) -> None:
    """A line a match; a track list says where in the clip each one is heard."""
    columns = [
        Column("clip"),
        *([Column("heard", "right", folds=False)] if every else []),
        Column("title"),
        Column("artist"),
        Column("position", "right", folds=False),
        Column("confidence", "right", folds=False),
        Column("changed"),
    ]
    rows = [row for each in heard for row in _answer_rows(each, every)]
    print_table(columns, rows)


def _answer_rows(heard: _Heard, every: bool) -> Iterator[list[str]]:
    gap = [""] if every else []
    if not heard.answer.matches:
        yield [heard.clip, *gap, "no match", "", "", "", ""]
    for match in heard.answer.matches:
        where = [f"{text.position(match.clip_start_s)} - {text.position(match.clip_end_s)}"]
        yield [heard.clip, *(where if every else []), *_match_cells(match)]


def _match_cells(match: Match) -> list[str]:
    return [
        text.title(match.track),
        match.track.artist or "",
        text.position(match.offset_s),
        f"{match.confidence:.3f}",
        text.change(match),
    ]


def track_or_file(library: Library, name: str) -> Track | str:
    """The track that is meant, or the file that is none; raises `UnknownTrackError`."""
    try:
        return library.track(name)
    except UnknownTrackError:
        if not Path(name).is_file():
            raise
        return name
