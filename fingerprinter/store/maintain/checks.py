"""Checks of the rows of a library. They only read, a limited number of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sqlalchemy import ColumnElement, Connection, Table, exists, func, select, text

from fingerprinter.core.arrays import Longs
from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError
from fingerprinter.store.index.postings import PREFIX_SHIFT
from fingerprinter.store.tables import schema, shards

# The tables whose rows belong to a track and are deleted with it.
OF_A_TRACK = tuple(
    table
    for table in schema.metadata.sorted_tables
    if "track_id" in table.c and table.c.track_id.foreign_keys
)
# The tables whose rows carry a checksum. Peaks and posting blocks have one inside.
CHECKED = tuple(table for table in schema.metadata.sorted_tables if "checksum" in table.c)
_ROWS_PER_READ = 256
BLOCKS_PER_READ = 1024  # 1.6 MB
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
    """Returns the first problem that SQLite finds in its file, or None.

    PostgreSQL is not asked, because it checks its pages by itself.
    """
    if connection.dialect.name != "sqlite":
        return None
    found = str(connection.scalar(text("PRAGMA quick_check(1)")))
    return None if found == "ok" else found.splitlines()[-1]


def dangling(connection: Connection, table: Table) -> int:
    """Counts the rows of a table of `OF_A_TRACK` that belong to no track."""
    return (
        connection.scalar(select(func.count()).select_from(table).where(without_track(table))) or 0
    )


def without_track(table: Table) -> ColumnElement[bool]:
    """Returns the condition that the track of a row does not exist."""
    return ~exists().where(schema.track.c.id == table.c.track_id)


def segment_ids(connection: Connection) -> list[int]:
    """Returns the ids of all segments, sorted."""
    return list(connection.scalars(select(schema.segment.c.id).order_by(schema.segment.c.id)))


def check_segment(connection: Connection, segment_id: int) -> SegmentCheck:
    """Reads a whole segment, and checks its checksums and whether its numbers agree."""
    row = connection.execute(select(schema.segment).where(schema.segment.c.id == segment_id)).one()
    whole = len(row.track_ids) % 8 == 0
    track_ids = np.frombuffer(row.track_ids, "<i8") if whole else np.empty(0, np.int64)
    frames = np.frombuffer(row.track_frames, "<i4") if len(row.track_frames) % 4 == 0 else None
    if frames is None or not whole or len(frames) != len(track_ids):
        return SegmentCheck(segment_id, track_ids, 0, "its list of tracks is no list")
    if int(frames.sum(dtype=np.int64)) != row.frame_count:
        return SegmentCheck(segment_id, track_ids, 0, "its length is not that of its tracks")
    if not 0 <= row.prefix_bits <= PREFIX_SHIFT:
        return SegmentCheck(segment_id, track_ids, 0, f"no block has {row.prefix_bits} prefix bits")
    blocks = landmarks = 0
    try:
        for some in _read_blocks(connection, segment_id, row.prefix_bits):
            blocks += len(some)
            landmarks += int(Blocks(some).counts.sum())
    except DamagedBlockError as error:
        return SegmentCheck(segment_id, track_ids, blocks, str(error))
    problem = f"{landmarks} landmarks in its blocks and not {row.landmark_count}"
    return SegmentCheck(
        segment_id, track_ids, blocks, None if landmarks == row.landmark_count else problem
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
    """Returns ranges of ids, (first, last + 1), in which blocks belong to no segment.

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
    """Returns the ids of all tracks, sorted."""
    return np.array(
        list(connection.scalars(select(schema.track.c.id).order_by(schema.track.c.id))), np.int64
    )


def tombstones(connection: Connection) -> Longs:
    """Returns the ids of removed tracks whose landmarks may still be in a segment."""
    return np.array(list(connection.scalars(select(schema.tombstone.c.track_id))), np.int64)


def without_peaks(connection: Connection) -> list[int]:
    """Returns the ids of the tracks without peaks."""
    here = exists().where(schema.constellation.c.track_id == schema.track.c.id)
    return list(connection.scalars(select(schema.track.c.id).where(~here)))


def wrong_checksums(connection: Connection) -> Iterator[tuple[str, int]]:
    """Yields (table, id of the track or segment) for rows whose checksum does not match."""
    for table in CHECKED:
        options = {"yield_per": _ROWS_PER_READ}
        for row in connection.execute(select(table), execution_options=options).mappings():
            if row["checksum"] not in (None, schema.row_checksum(table, dict(row))):
                yield table.name, row["track_id"] if "track_id" in row else row["id"]


def odd_lengths(connection: Connection) -> Iterator[tuple[int, str]]:
    """Yields (track id, problem) for stored numbers of another length than most tracks have."""
    for table, version, column in _WIDTHS:
        length = func.length(column)
        counted = select(version, length, func.count()).group_by(version, length)
        usual: dict[str, tuple[int, int]] = {}
        for name, width, count in connection.execute(counted):
            usual[name] = max(usual.get(name, (0, 0)), (count, width))
        for name, (_, width) in usual.items():
            odd = select(table.c.track_id, length).where(version == name, length != width)
            for track_id, found in connection.execute(odd):
                yield (
                    track_id,
                    f"its {table.name} has {found} bytes of {column.name}, others {width}",
                )
