"""Output of every command that answers with similar tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fingerprinter.cli.common import text
from fingerprinter.cli.common.output import Column, print_json, print_table
from fingerprinter.cli.common.playlist import Playlist
from fingerprinter.cli.common.records import Record, neighbour_record, track_record
from fingerprinter.store.tables.lists import NO_FILTER, TrackFilter
from fingerprinter.types import Neighbour, Track

# What the user asked for: a track, some words, or several values under their names.
Query = Track | str | dict[str, Any]

_COLUMNS = (
    Column("similarity", "right", folds=False),
    Column("id", "right", folds=False),
    Column("title"),
    Column("artist"),
    Column("copies", folds=False),
    Column("alike in"),
    Column("file"),
)
_OPTIONAL = ("copies", "alike in")  # left out if no track has anything there


def answer(
    query: Query,
    found: Sequence[Neighbour],
    playlist: Playlist,
    *,
    as_json: bool,
    steps: bool = False,
) -> None:
    """Print the tracks that were found, and write them as a playlist if the user wants one.

    Parameters
    ----------
    query : Query
        What the user asked for; it appears in the JSON object.
    found : sequence of Neighbour
        The tracks, the most similar first.
    playlist : Playlist
        The playlist file to write, if any.
    as_json : bool
        Print one JSON object instead of a table.
    steps : bool
        Whether each track is compared with the one before, so that its step is shown.
    """
    playlist.write([each.track for each in found])
    if as_json:
        print_json(similar_record(query, found, steps=steps))
    else:
        print_neighbours(found, steps=steps)


def similar_record(query: Query, found: Sequence[Neighbour], *, steps: bool = False) -> Record:
    """Return the JSON object for a query and the tracks that were found."""
    results = [neighbour_record(each) for each in found]
    if steps:
        results = [each | {"step": 1 - each["similarity"]} for each in results]
    return {
        "query": track_record(query) if isinstance(query, Track) else query,
        "results": results,
    }


def print_neighbours(found: Sequence[Neighbour], *, steps: bool = False) -> None:
    """Print one line for each track; an optional column appears only if a track fills it."""
    rows = [_neighbour_cells(each, steps=steps) for each in found]
    first = Column("step", "right", folds=False) if steps else _COLUMNS[0]
    shown = [
        number
        for number, column in enumerate(_COLUMNS)
        if column.title not in _OPTIONAL or any(row[number] for row in rows)
    ]
    columns = [_COLUMNS[number] if number else first for number in shown]
    print_table(columns, [[row[number] for number in shown] for row in rows])


def why_nothing(only: TrackFilter) -> str:
    """Say why there is no result, and what to do."""
    if only == NO_FILTER:
        return "no result: the library holds no other recording; index more music"
    return "no result: no other track meets all filters; " + (
        "only analysed tracks have a tempo and a key, run `fingerprinter analyze --all`"
        if only.needs_analysis
        else "leave one out, or see what there is with `fingerprinter list`"
    )


def _neighbour_cells(neighbour: Neighbour, *, steps: bool) -> list[str]:
    track = neighbour.track
    return [
        f"{1 - neighbour.similarity if steps else neighbour.similarity:.3f}",
        str(track.id),
        text.title(track),
        track.artist or "",
        ", ".join(map(str, neighbour.copies)),
        text.reasons(neighbour.why) if neighbour.why else "",
        track.path or "",
    ]
