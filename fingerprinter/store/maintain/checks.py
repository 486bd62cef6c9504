"""Checks of the rows of a library. They only read, a limited number of rows at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Table, exists, func, select, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from fingerprinter.core.arrays import Longs
from fingerprinter.core.fingerprint.constellation import unpack_peaks
from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError
from fingerprinter.errors import CorruptionError
from fingerprinter.store.engine.db_errors import is_undecodable
from fingerprinter.store.engine.engine import TAKES_LONG
from fingerprinter.store.index.postings import PREFIX_SHIFT, read_segment
from fingerprinter.store.tables import analyses, facets, names, schema, sections, shards
from fingerprinter.store.tables.checked import unpack_numbers

# The tables whose rows belong to a track and are deleted with it.
OF_A_TRACK = tuple(
    table
    for table in schema.metadata.sorted_tables
    if "track_id" in table.c and table.c.track_id.foreign_keys
)
BLOCKS_PER_READ = 1024  # 1.6 MB
TRACKS_PER_READ = 256  # about 10 MB of peaks
_PROBLEMS_READ = 100
# Lines of SQLite's check about a value, such as "TEXT value in track.year", and its heading.
_OF_A_VALUE = re.compile(r"^\*\*\* in database|\w+ value in \w+\.")
# Columns with values of the same length for all tracks of a model or version.
_WIDTHS = (
    (schema.embedding, schema.embedding.c.model, schema.embedding.c.vector),
    (schema.embedding, schema.embedding.c.model, schema.embedding.c.tags),
    (schema.facet, schema.facet.c.version, schema.facet.c.data),
)


@dataclass(frozen=True, slots=True)
class SegmentCheck:
    """The result of the check of a segment.

    Attributes
    ----------
    track_ids
        (n,) int64. The tracks of the segment.
    blocks
        The number of blocks that were read.
    problem
        What is wrong with the segment, or None.
    """

    id: int
    track_ids: Longs
    blocks: int
    problem: str | None


def database_problem(connection: Connection) -> str | None:
    """Return the first problem that SQLite finds in its file, or None.

    Values of another type than their column are left to `unreadable_rows`, which names the track.
    PostgreSQL is not asked, because it checks its pages by itself.
    """
    if connection.dialect.name != "sqlite":
        return None
    # It reads each page once, however large the file is.
    check = text(f"PRAGMA quick_check({_PROBLEMS_READ})").execution_options(**{TAKES_LONG: True})
    lines = [line for row in connection.scalars(check) for line in str(row).splitlines()]
    return next((line for line in lines if not _OF_A_VALUE.search(line) and line != "ok"), None)


def dangling(connection: Connection, table: Table) -> int:
    """Count the rows of a table of `OF_A_TRACK` that belong to no track."""
    return (
        connection.scalar(select(func.count()).select_from(table).where(without_track(table))) or 0
    )


def without_track(table: Table) -> ColumnElement[bool]:
    """Return the condition that the track of a row does not exist."""
    return ~exists().where(schema.track.c.id == table.c.track_id)


def segment_ids(connection: Connection) -> list[int]:
    """Return the ids of all segments, sorted."""
    return list(connection.scalars(select(schema.segment.c.id).order_by(schema.segment.c.id)))


def check_segment(connection: Connection, segment_id: int) -> SegmentCheck:
    """Read a whole segment, and check its checksums and whether its numbers agree."""
    blocks = landmarks = 0
    track_ids = np.empty(0, np.int64)
    try:
        segment = read_segment(connection, segment_id)
        track_ids = segment.track_ids
        for some in _read_blocks(connection, segment_id, segment.prefix_bits):
            blocks += len(some)
            landmarks += int(Blocks(some).counts.sum())
    except CorruptionError as error:
        return SegmentCheck(segment_id, track_ids, blocks, error.found)
    except DamagedBlockError as error:
        return SegmentCheck(segment_id, track_ids, blocks, str(error))
    problem = f"{landmarks} landmarks in its blocks and not {segment.landmark_count}"
    return SegmentCheck(
        segment_id, track_ids, blocks, None if landmarks == segment.landmark_count else problem
    )


def _read_blocks(
    connection: Connection, segment_id: int, prefix_bits: int
) -> Iterator[list[bytes]]:
    """The blocks of a segment by ranges of ids, so that other servers send no more than needed.

    The last range ends at the next segment, to find blocks that no look-up would find.
    """
    block = schema.posting_block.c
    first, end = segment_id << PREFIX_SHIFT, (segment_id + 1) << PREFIX_SHIFT
    starts = range(first, min(first + (1 << prefix_bits), end), BLOCKS_PER_READ)
    for low, high in pairwise([*starts, end]):
        asked = select(block.data).where(block.id >= low, block.id < high).order_by(block.id)
        if rows := connection.scalars(asked).all():
            yield [bytes(data) for data in rows]


def stray_ranges(connection: Connection) -> list[tuple[int, int]]:
    """Return ranges of ids, (first, last + 1), in which blocks belong to no segment.

    Returns an empty list for a sharded library, where dropped blocks stay for a while.
    """
    if shards.is_sharded(connection):
        return []
    bounds = [0]
    for id_ in segment_ids(connection):
        bounds += [id_ << PREFIX_SHIFT, (id_ + 1) << PREFIX_SHIFT]
    bounds.append(1 << 62)
    block = schema.posting_block.c
    gaps = list(pairwise(bounds))[::2]
    return [
        (first, end)
        for first, end in gaps
        if connection.scalar(select(block.id).where(block.id >= first, block.id < end).limit(1))
        is not None
    ]


def track_ids(connection: Connection) -> Longs:
    """Return the ids of all tracks, sorted."""
    return np.array(
        list(connection.scalars(select(schema.track.c.id).order_by(schema.track.c.id))), np.int64
    )


def tombstones(connection: Connection) -> tuple[Longs, list[int]]:
    """Return the ids of removed tracks whose landmarks may still be in a segment.

    Returns
    -------
    (n,) int64 and list of int
        Those with the right checksum, and the others.
    """
    whole, broken = list[int](), list[int]()
    for row in connection.execute(select(schema.tombstone)):
        try:
            schema.require_checksum(schema.tombstone, row)
            whole.append(row.track_id)
        except CorruptionError:
            broken.append(row.track_id)
    return np.array(whole, np.int64), broken


def wrong_names(connection: Connection) -> list[int]:
    """Return the ids of the tracks that a search for their names would not find, sorted.

    All tracks are among them if the full-text index cannot be read.
    """
    try:
        indexed = _wrongly_indexed(connection)
    except DatabaseError:
        return track_ids(connection).tolist()
    return sorted({*names.wrong_ids(connection), *indexed})


def _wrongly_indexed(connection: Connection) -> list[int]:
    """Ids under which SQLite's full-text index does not hold the stored names.

    The index is compared with one in a temporary table. PostgreSQL answers for its own index.
    """
    if connection.dialect.name != "sqlite":
        return []
    made, fresh, kept = (f"temp.track_name_{name}" for name in ("made", "fresh", "kept"))
    tables = {
        made: f"fts5(names, content='', {names.TOKENIZER})",
        fresh: f"fts5vocab('temp', '{made.removeprefix('temp.')}', 'instance')",
        kept: f"fts5vocab('main', '{schema.FULL_TEXT_INDEX}', 'instance')",
    }
    words = 'SELECT doc, term, "offset" FROM'
    differing = text(
        f"SELECT DISTINCT doc FROM (SELECT * FROM ({words} {fresh} EXCEPT {words} {kept})"
        f" UNION ALL SELECT * FROM ({words} {kept} EXCEPT {words} {fresh})) ORDER BY doc"
    ).execution_options(**{TAKES_LONG: True})
    with names.temporary_tables(connection):
        for name, module in tables.items():
            connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {name} USING {module}")
        try:
            connection.exec_driver_sql(
                f"INSERT INTO {made} (rowid, names) SELECT track_id, names FROM track_name"
            )
            return list(connection.scalars(differing))
        finally:
            for name in reversed(tables):
                connection.exec_driver_sql(f"DROP TABLE {name}")


def without_peaks(connection: Connection) -> list[int]:
    """Return the ids of the tracks without peaks."""
    here = exists().where(schema.constellation.c.track_id == schema.track.c.id)
    return list(connection.scalars(select(schema.track.c.id).where(~here)))


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """What is stored about a track and cannot be read."""

    table: str
    track_id: int
    found: str


def unreadable_rows(
    connection: Connection, track_ids: Sequence[int], on_tracks: Callable[[int], None]
) -> Iterator[UnreadableRow]:
    """Read everything that is stored about some tracks, and yield what cannot be read.

    Parameters
    ----------
    track_ids
        The tracks.
    on_tracks
        Is called with the number of tracks that were read so far.
    """
    for start in range(0, len(track_ids), TRACKS_PER_READ):
        some = track_ids[start : start + TRACKS_PER_READ]
        for table in (schema.track, *OF_A_TRACK):
            if _problem(connection, table, some) is not None:
                for track_id in some:
                    found = _problem(connection, table, [track_id])
                    if found is not None:
                        yield UnreadableRow(table.name, track_id, found)
        on_tracks(start + len(some))


def _problem(connection: Connection, table: Table, track_ids: Sequence[int]) -> str | None:
    """What hinders the reading of the rows of some tracks, or None."""
    owner = table.c.id if table is schema.track else table.c.track_id
    require = _CONTENTS.get(table.name)
    try:
        for row in connection.execute(select(table).where(owner.in_(track_ids))).all():
            schema.require_checksum(table, row)
            if require:
                require(connection, row)
    except CorruptionError as error:
        return error.found
    except DamagedBlockError:
        return "its peaks are damaged"
    except DBAPIError as error:
        if not is_undecodable(error):
            raise
        return f"a text in the table {table.name} is not UTF-8"
    return None


def _require_sketch(_: Connection, row: Row[Any]) -> None:
    unpack_numbers(row.data, np.dtype("<u8"), "its sketches")


def _require_embedding(_: Connection, row: Row[Any]) -> None:
    unpack_numbers(row.vector, np.dtype("<f4"), "its embedding")
    unpack_numbers(row.tags, np.dtype("<f4"), "its tags")


def _require_analysis(connection: Connection, row: Row[Any]) -> None:
    analyses.get(connection, row.track_id, row.version)
    list(analyses.chroma_sequences(connection, row.version, [row.track_id]))


# Functions that read a row as the commands do, by table.
_CONTENTS: Final[Mapping[str, Callable[[Connection, Row[Any]], object]]] = {
    "constellation": lambda _, row: unpack_peaks(row.data),
    "sketch": _require_sketch,
    "embedding": _require_embedding,
    "section": lambda connection, row: sections.get(connection, row.track_id, row.model),
    "facet": lambda connection, row: facets.get(connection, row.track_id, row.version),
    "analysis": _require_analysis,
}


def odd_lengths(connection: Connection) -> Iterator[UnreadableRow]:
    """Yield the stored numbers that have another length than those of most tracks."""
    for table, version, column in _WIDTHS:
        length = func.length(column)
        counted = select(version, length, func.count()).group_by(version, length)
        usual: dict[str, tuple[int, int]] = {}
        for name, width, count in connection.execute(counted):
            usual[name] = max(usual.get(name, (0, 0)), (count, width))
        for name, (_, width) in usual.items():
            odd = select(table.c.track_id, length).where(version == name, length != width)
            for track_id, found in connection.execute(odd):
                problem = f"its {table.name} has {found} bytes of {column.name}, others {width}"
                yield UnreadableRow(table.name, track_id, problem)
