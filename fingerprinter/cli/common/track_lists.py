"""The recordings in clips, written for other programs and for people: cue, CSV, labels, text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprinter.cli.common import text
from fingerprinter.cli.common.output import csv_lines
from fingerprinter.core.printable import printable
from fingerprinter.types import Match

if TYPE_CHECKING:
    from fingerprinter.library import Recognition

_CUE_TYPES = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}  # all others are called WAVE
_CUE_FRAMES_PER_S = 75  # of a compact disc


class TrackListFormat(StrEnum):
    """Formats in which a track list can be written."""

    CUE = "cue"
    CSV = "csv"
    LABELS = "labels"
    TEXT = "text"


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


def track_list(results: Sequence[ClipResult], wanted: TrackListFormat) -> str:
    """Write what was found as text.

    Parameters
    ----------
    results : sequence of ClipResult
        The clips.
    wanted : TrackListFormat
        ``CUE``: a cue sheet, one FILE for each clip. ``CSV``: a row for each match. ``LABELS``: a
        label track for Audacity, of one clip. ``TEXT``: a line for each match,
        as people post track lists.

    Returns
    -------
    str
        Lines, each of them safe for a terminal.
    """
    writers: Mapping[TrackListFormat, Callable[[Sequence[ClipResult]], Iterator[str]]] = {
        TrackListFormat.CUE: _cue_lines,
        TrackListFormat.CSV: _csv_lines,
        TrackListFormat.LABELS: _label_lines,
        TrackListFormat.TEXT: _text_lines,
    }
    return "".join(f"{line}\n" for line in writers[wanted](results))


def position_in_track(match: Match) -> float:
    """Return the second of the recording that plays where the match begins in the clip."""
    return max(0.0, match.offset_s + match.tempo * match.clip_start_s)


def _cue_lines(results: Sequence[ClipResult]) -> Iterator[str]:
    number = 0
    for result in results:
        kind = _CUE_TYPES.get(Path(result.clip).suffix.casefold(), "WAVE")
        yield f"FILE {_cue_quoted(Path(result.clip).name)} {kind}"
        for match in result.recognition.matches:
            number += 1
            seconds, frames = divmod(
                round(match.clip_start_s * _CUE_FRAMES_PER_S), _CUE_FRAMES_PER_S
            )
            yield f"  TRACK {number:02} AUDIO"
            yield f"    TITLE {_cue_quoted(text.title(match.track))}"
            if match.track.artist:
                yield f"    PERFORMER {_cue_quoted(match.track.artist)}"
            yield f"    INDEX 01 {seconds // 60:02}:{seconds % 60:02}:{frames:02}"


def _cue_quoted(name: str) -> str:
    """Quote a text; the format has no way to write the quotation mark itself."""
    safe = printable(name).replace('"', "'")
    return f'"{safe}"'


def _csv_lines(results: Sequence[ClipResult]) -> Iterator[str]:
    names = "clip start_s end_s artist title album position_s confidence tempo pitch track_id file"
    rows: list[list[str | float]] = [
        [
            result.clip,
            round(match.clip_start_s, 3),
            round(match.clip_end_s, 3),
            match.track.artist or "",
            text.title(match.track),
            match.track.album or "",
            round(position_in_track(match), 3),
            round(match.confidence, 6),
            round(match.tempo, 4),
            round(match.pitch, 4),
            match.track.id,
            match.track.path or "",
        ]
        for result in results
        for match in result.recognition.matches
    ]
    return csv_lines(names.split(), rows)


def _label_lines(results: Sequence[ClipResult]) -> Iterator[str]:
    for result in results:
        for match in result.recognition.matches:
            name = printable(text.label(match.track))
            yield f"{match.clip_start_s:.6f}\t{match.clip_end_s:.6f}\t{name}"


def _text_lines(results: Sequence[ClipResult]) -> Iterator[str]:
    for result in results:
        if len(results) > 1:
            yield printable(f"{result.clip}:")
        for match in result.recognition.matches:
            yield printable(f"{text.length(match.clip_start_s)} {text.label(match.track)}")
