"""Tracks with a likeness, as every command that finds some prints them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fingerprinter.cli import text
from fingerprinter.cli.output import Column, complain, print_json, print_table
from fingerprinter.cli.playlist import write_playlist
from fingerprinter.cli.records import Record, neighbour_record, track_record
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
    """A line a track."""
    columns = [
        Column("similarity", "right", folds=False),
        Column("id", "right", folds=False),
        Column("title"),
        Column("artist"),
        Column("file"),
    ]
    print_table(columns, map(_neighbour_row, found))


def _neighbour_row(neighbour: Neighbour) -> list[str]:
    track = neighbour.track
    return [
        f"{neighbour.similarity:.3f}",
        str(track.id),
        text.title(track),
        track.artist or "",
        track.path or "",
    ]
