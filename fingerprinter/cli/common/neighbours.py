"""Tracks with a likeness, as every command that finds some prints them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fingerprinter.cli.common import text
from fingerprinter.cli.common.output import Column, complain, print_json, print_table
from fingerprinter.cli.common.playlist import write_playlist
from fingerprinter.cli.common.records import Record, neighbour_record, track_record
from fingerprinter.types import Neighbour, Track

# What was asked: a track or some words, or several of them under their names.
Query = Track | str | dict[str, Any]


def answer(query: Query, found: Sequence[Neighbour], m3u: Path | None, *, as_json: bool) -> None:
    """Prints the tracks, and writes them as a playlist where one is wanted."""
    if m3u:
        for left_out in write_playlist(m3u, [each.track for each in found]):
            complain(f"{m3u}: left out {text.label(left_out)}: no playlist can name its file")
    if as_json:
        print_json(similar_record(query, found))
    else:
        print_neighbours(found)


def similar_record(query: Query, found: Sequence[Neighbour]) -> Record:
    """An answer as the object that `--json` prints."""
    return {
        "query": track_record(query) if isinstance(query, Track) else query,
        "results": [neighbour_record(each) for each in found],
    }


def print_neighbours(found: Sequence[Neighbour]) -> None:
    """A line a track; what only some lists have, only where one of the tracks has it."""
    rows = list(map(_neighbour_cells, found))
    used = [column for number, column in enumerate(_COLUMNS) if _is_used(number, rows)]
    kept = [_COLUMNS.index(column) for column in used]
    print_table(used, [[row[number] for number in kept] for row in rows])


_COLUMNS = (
    Column("similarity", "right", folds=False),
    Column("id", "right", folds=False),
    Column("title"),
    Column("artist"),
    Column("also", folds=False),
    Column("alike in"),
    Column("file"),
)
_RARE = ("also", "alike in")


def _is_used(number: int, rows: Sequence[Sequence[str]]) -> bool:
    return _COLUMNS[number].title not in _RARE or any(row[number] for row in rows)


def _neighbour_cells(neighbour: Neighbour) -> list[str]:
    track = neighbour.track
    return [
        f"{neighbour.similarity:.3f}",
        str(track.id),
        text.title(track),
        track.artist or "",
        ", ".join(map(str, neighbour.copies)),
        text.reasons(neighbour.why) if neighbour.why else "",
        track.path or "",
    ]
