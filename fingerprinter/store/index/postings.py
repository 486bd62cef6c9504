"""Posting lists of the landmark index: immutable segments of packed blocks, merged by size.

Each batch of tracks becomes one *segment*. The tracks of a segment lie one after another on a
single axis of frames. A number on this axis, a *position*, therefore tells both the track and the
time. The landmarks of a segment are sorted by (hash, position) and cut into *blocks* by the first
``prefix_bits`` bits of the hash. A block has about half a kilobyte. For each of its landmarks it
holds ``remaining bits of the hash * frame_count + position``, packed as described in
`fingerprinter.core.numeric.packing`.

Segments never change. A removed track leaves a *tombstone*. When several segments are of similar
size, they are merged into one, and the landmarks of removed tracks are dropped. This is a
log-structured merge (O'Neil et al., "The Log-Structured Merge-Tree", 1996). Each step happens in
the transaction of the caller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fingerprinter.core.arrays import Longs
from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError, encode_blocks
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import schema, shards, tracks
from fingerprinter.store.tables.bulk import insert_blocks
from fingerprinter.store.tables.checked import damaged, unpack_numbers
from fingerprinter.types import Landmarks

PREFIX_SHIFT = 24  # posting_block.id = segment id << 24 | prefix
PREFIX_MASK = (1 << PREFIX_SHIFT) - 1
_MAX_SEGMENT_ID = 1 << (63 - PREFIX_SHIFT)
_MAX_LEVEL = 64
_MAX_FRAMES = 1 << 40  # a thousand years and more; a crafted segment may claim any length
_BLOCK_LANDMARKS = 150  # half a KB: fills the pages of SQLite, and PostgreSQL stores it inline
# Segments of one level that are merged together. With 3, merges write each landmark 4.0 times until
# a library has 100,000 tracks, and a look-up reads six segments on average. With 2 they write it
# 5.3 times, and a look-up reads five.
MERGE_FACTOR = 3
# A merge holds this many landmarks in memory. With fewer, the statements cost more than their work.
LANDMARKS_IN_MEMORY = 1 << 20
LEVEL_0_LANDMARKS = 1 << 22  # a segment of at most this many is of level 0
# Larger merges load the compiled kernels. These save 0.1 s per million, and loading takes 0.8 s.
_COMPILED_FROM_LANDMARKS = 1 << 23


@dataclass(frozen=True, slots=True)
class Segment:
    """One immutable segment, without its blocks.

    Attributes
    ----------
    level
        Tier of its size. Segments of the same level are merged.
    prefix_bits
        Bits of the hash by which its landmarks are cut into blocks.
    track_ids
        (tracks,) int64.
    starts
        (tracks + 1,) int64. Where each track begins on the axis of positions, and where the last
        one ends.
    """

    id: int
    level: int
    prefix_bits: int
    landmark_count: int
    track_ids: Longs
    starts: Longs

    @property
    def frame_count(self) -> int:
        """Length of the axis of positions, in frames."""
        return int(self.starts[-1])


def read_segments(connection: Connection) -> list[Segment]:
    """Return the segments of a library in the order in which they were written."""
    segments, frames = [], 0
    for row in connection.execute(select(schema.segment).order_by(schema.segment.c.id)):
        segments.append(_segment(row))
        frames += segments[-1].frame_count
    # Positions of all segments lie on one axis of 64 bits, and so do hashes and positions of each.
    if frames > _MAX_FRAMES:
        raise damaged("its landmark segments are too long")
    return segments


def read_segment(connection: Connection, segment_id: int) -> Segment:
    """Return one segment.

    Raises
    ------
    CorruptionError
        If its numbers do not fit together.
    """
    wanted = select(schema.segment).where(schema.segment.c.id == segment_id)
    return _segment(connection.execute(wanted).one())


def _segment(row: Row[Any]) -> Segment:
    """Make a segment of a row, and check that its numbers fit together."""
    schema.require_checksum(schema.segment, row)
    thing = f"landmark segment {row.id}"
    track_ids = unpack_numbers(row.track_ids, np.dtype("<i8"), f"the tracks of {thing}")
    frames = unpack_numbers(row.track_frames, np.dtype("<i4"), f"the lengths of {thing}")
    starts = np.concatenate([[0], np.cumsum(frames, dtype="i8")])
    whole = (
        len(track_ids) == len(frames)
        and frames.min(initial=1) > 0
        and track_ids.min(initial=1) > 0
        and starts[-1] == row.frame_count
        and 0 <= row.prefix_bits <= PREFIX_SHIFT
        and row.landmark_count >= 0
        and 0 <= row.level < _MAX_LEVEL
        and 0 < row.id < _MAX_SEGMENT_ID
    )
    if not whole:
        raise damaged(f"the numbers of {thing} do not fit together")
    return Segment(row.id, row.level, row.prefix_bits, row.landmark_count, track_ids, starts)


def open_blocks(ids: Sequence[int], blocks: Sequence[bytes]) -> Blocks:
    """Open packed blocks.

    Raises
    ------
    CorruptionError
        If a block is damaged. The message names the segments of the ids.
    """
    try:
        return Blocks(blocks)
    except DamagedBlockError as error:
        segments = sorted({id_ >> PREFIX_SHIFT for id_ in ids})
        raise CorruptionError(
            f"landmark segment {', '.join(map(str, segments))}: {error};"
            " run `fingerprinter reindex` to rebuild the landmarks from the stored peaks"
        ) from None


def _level(landmarks: int) -> int:
    """The level of a segment. Each level is `MERGE_FACTOR` times as large as the one below."""
    level = 0
    while landmarks > LEVEL_0_LANDMARKS * MERGE_FACTOR**level:
        level += 1
    return level


def _insert_segment(
    connection: Connection, track_ids: Longs, frames: Longs, landmarks: int, bits: int
) -> Segment:
    """Insert the row of a new segment that has no blocks yet."""
    blocks = max(1, landmarks // _BLOCK_LANDMARKS)
    prefix_bits = min(bits, PREFIX_SHIFT, blocks.bit_length() - 1)
    values = {
        "level": _level(landmarks),
        "prefix_bits": prefix_bits,
        "landmark_count": landmarks,
        "frame_count": int(frames.sum()),
        "track_ids": track_ids.astype("<i8").tobytes(),
        "track_frames": frames.astype("<i4").tobytes(),
    }
    result = connection.execute(insert(schema.segment).values(values))
    assert result.inserted_primary_key is not None
    starts = np.concatenate([[0], np.cumsum(frames)])
    id_ = int(result.inserted_primary_key[0])
    if shards.is_sharded(connection):  # a crash may have left blocks of this id, see `shards`
        _drop_blocks(connection, [id_])
    return Segment(id_, values["level"], prefix_bits, landmarks, track_ids, starts)  # type: ignore[arg-type]


def _insert_blocks(connection: Connection, segment: Segment, bits: int, marks: Longs) -> None:
    """Pack landmarks into blocks and insert them. Each block must come in one call, whole.

    marks: (n,) int64, sorted, hash * frame_count + position
    """
    if len(marks) == 0:
        return
    span = segment.frame_count << (bits - segment.prefix_bits)
    first, last = (marks[[0, -1]] // span).tolist()
    borders = np.arange(first, last + 2) * span
    counts = np.diff(np.searchsorted(marks, borders))
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    blocks = encode_blocks(marks - np.repeat(borders[filled], counts), counts)
    insert_blocks(connection, (filled + (first | (segment.id << PREFIX_SHIFT))).tolist(), blocks)


def add_segment(
    connection: Connection,
    params: LandmarkParams,
    tracks: Sequence[tuple[int, int, Landmarks]],
) -> None:
    """Write the landmarks of some tracks as one new segment.

    Parameters
    ----------
    tracks
        (track id, length in frames, landmarks) of each track. Nothing is written if it is empty.
    """
    if not tracks:
        return
    bits = hash_bits(params)
    track_ids = np.array([track_id for track_id, _, _ in tracks], np.int64)
    frames = np.array([max(1, length) for _, length, _ in tracks], np.int64)
    hashes = np.concatenate([landmarks.hashes for _, _, landmarks in tracks])
    segment = _insert_segment(connection, track_ids, frames, len(hashes), bits)
    positions = np.concatenate(
        [
            landmarks.frames + start
            for (_, _, landmarks), start in zip(tracks, segment.starts[:-1], strict=True)
        ]
    )
    marks = hashes.astype(np.int64) * segment.frame_count + positions
    marks.sort()
    _insert_blocks(connection, segment, bits, marks)


def merge_due(connection: Connection, params: LandmarkParams) -> bool:
    """Merge one group of segments of similar size.

    Blocks of segments that were dropped earlier are deleted first, where they had to wait.

    Returns
    -------
    bool
        True if there was a group to merge. Call again until it is False.
    """
    _drop_blocks(connection, shards.droppable(connection, []))
    due = _due(read_segments(connection))
    if due:
        _merge(connection, params, due)
    return bool(due)


def _due(segments: Sequence[Segment]) -> list[Segment]:
    """Segments of similar size, together with those that the result would be merged with next.

    Merging all of them at once lets a landmark skip levels, which saves writing.
    """
    levels = Counter(segment.level for segment in segments)
    level = min((each for each, n in levels.items() if n >= MERGE_FACTOR), default=None)
    due = list[Segment]()
    while level is not None:
        due = [segment for segment in segments if segment.level <= level]
        reached = _level(sum(segment.landmark_count for segment in due))
        goes_on = reached > level and levels[reached] + 1 >= MERGE_FACTOR
        level = reached if goes_on else None
    return due


def _merge(connection: Connection, params: LandmarkParams, sources: Sequence[Segment]) -> None:
    """Replace segments by one that holds the landmarks of their tracks that were not removed."""
    bits = hash_bits(params)
    dead = list(tracks.removed(connection))
    alive = [~np.isin(source.track_ids, dead) for source in sources]
    track_ids = np.concatenate([s.track_ids[a] for s, a in zip(sources, alive, strict=True)])
    frames = np.concatenate([np.diff(s.starts)[a] for s, a in zip(sources, alive, strict=True)])
    if len(track_ids):
        total = sum(source.landmark_count for source in sources)
        if total > _COMPILED_FROM_LANDMARKS:
            compiled.load()
        target = _insert_segment(connection, track_ids, frames, total, bits)
        shifts = _track_shifts(sources, alive)
        written = 0
        for marks in _merged_ranges(connection, bits, sources, shifts, target):
            _insert_blocks(connection, target, bits, marks)
            written += len(marks)
        here = schema.segment.c.id == target.id
        row = dict(connection.execute(select(schema.segment).where(here)).mappings().one())
        row["landmark_count"] = written
        row["checksum"] = schema.row_checksum(schema.segment, row)
        connection.execute(update(schema.segment).where(here).values(row))
    _drop_segments(connection, sources)
    deleted = np.concatenate([s.track_ids[~a] for s, a in zip(sources, alive, strict=True)])
    tombstone = schema.tombstone
    for track_id in deleted.tolist():  # no segment holds these tracks any more
        connection.execute(delete(tombstone).where(tombstone.c.track_id == track_id))


def _track_shifts(
    sources: Sequence[Segment], alive: Sequence[npt.NDArray[np.bool_]]
) -> list[Longs]:
    """How far each track of each source moves on the axis of positions.

    Removed tracks get a shift that makes all their positions negative.
    """
    shifts, base = [], 0
    for source, living in zip(sources, alive, strict=True):
        lengths = np.where(living, np.diff(source.starts), 0)
        new_starts = base + np.cumsum(lengths) - lengths
        removed = np.iinfo(np.int64).min // 2
        shifts.append(np.where(living, new_starts - source.starts[:-1], removed))
        base += int(lengths.sum())
    return shifts


def _merged_ranges(
    connection: Connection,
    bits: int,
    sources: Sequence[Segment],
    shifts: Sequence[Longs],
    target: Segment,
) -> Iterator[Longs]:
    """The landmarks of all sources that stay, sorted, one range of hashes after another.

    Each is hash * frame_count of the target + position in the target.
    """
    parts = target.landmark_count // LANDMARKS_IN_MEMORY
    range_bits = min(parts.bit_length(), target.prefix_bits)
    for part in range(1 << range_bits):
        found = []
        for source, shift in zip(sources, shifts, strict=True):
            hashes, positions = _read_range(connection, bits, source, part, range_bits)
            if np.ptp(shift) == 0:  # no track was removed, as in nearly all merges
                positions += shift[:1]
            else:
                track = np.searchsorted(source.starts, positions, side="right") - 1
                positions += shift[track]
            marks = hashes * target.frame_count + positions
            found.append(marks if shift.min(initial=0) >= 0 else marks[positions >= 0])
        merged = np.concatenate(found)
        merged.sort(kind="stable")  # Timsort is fast here, because each source is sorted
        yield merged


def _read_range(
    connection: Connection, bits: int, segment: Segment, part: int, range_bits: int
) -> tuple[Longs, Longs]:
    """Hashes and positions of a segment's landmarks whose hash begins with the bits ``part``."""
    span = segment.prefix_bits - range_bits  # if negative, one block belongs to several parts
    prefix, count = (part << span, 1 << span) if span >= 0 else (part >> -span, 1)
    first = (segment.id << PREFIX_SHIFT) | prefix
    block = schema.posting_block
    rows = connection.execute(
        select(block.c.id, block.c.data)
        .where(block.c.id >= first, block.c.id < first + count)
        .order_by(block.c.id)
    ).all()
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ids = [row.id for row in rows]
    blocks = open_blocks(ids, [bytes(row.data) for row in rows])
    values = blocks.values()
    low = values // segment.frame_count  # several times as fast as divmod
    positions = values - low * segment.frame_count
    firsts = (np.array(ids, np.int64) & PREFIX_MASK) << (bits - segment.prefix_bits)
    hashes = np.repeat(firsts, blocks.counts) | low
    if span >= 0:
        return hashes, positions
    mine = hashes >> (bits - range_bits) == part
    return hashes[mine], positions[mine]


def _drop_segments(connection: Connection, segments: Sequence[Segment]) -> None:
    """Delete segments, and their blocks as soon as no reader can need them."""
    ids = [segment.id for segment in segments]
    for id_ in ids:
        connection.execute(delete(schema.segment).where(schema.segment.c.id == id_))
    _drop_blocks(connection, shards.droppable(connection, ids))


def _drop_blocks(connection: Connection, segments: Sequence[int]) -> None:
    block = schema.posting_block
    for first in (id_ << PREFIX_SHIFT for id_ in segments):
        connection.execute(
            delete(block).where(block.c.id >= first, block.c.id < first + (1 << PREFIX_SHIFT))
        )


def newest_segment(connection: Connection) -> int:
    """Return the id of the newest segment. A merge changes it, but not the library's revision."""
    newest = select(func.coalesce(func.max(schema.segment.c.id), 0))
    return int(connection.scalar(newest) or 0)


def drop_all(connection: Connection) -> None:
    """Delete all landmarks. `reindex` does so before it writes them again."""
    if shards.is_sharded(connection):
        _drop_segments(connection, read_segments(connection))
    else:
        connection.execute(delete(schema.posting_block))
    for table in (schema.segment, schema.tombstone):
        connection.execute(delete(table))


@dataclass(frozen=True, slots=True)
class PostingStats:
    """Sizes of the landmark index.

    Attributes
    ----------
    bytes
        Bytes of all packed blocks.
    dead_tracks
        Removed tracks whose landmarks may still be in a segment.
    dead_share
        The fraction of landmarks that belong to removed tracks, estimated from track lengths.
    """

    segments: int
    landmarks: int
    bytes: int
    dead_tracks: int
    dead_share: float


def stats(connection: Connection) -> PostingStats:
    """Count segments, landmarks, bytes and removed tracks."""
    segments = read_segments(connection)
    tombstones = list(tracks.removed(connection))
    landmarks = sum(segment.landmark_count for segment in segments)
    dead = 0.0
    for segment in segments:
        frames = np.diff(segment.starts)[np.isin(segment.track_ids, tombstones)].sum()
        dead += segment.landmark_count * float(frames) / max(1, segment.frame_count)
    if shards.is_sharded(connection):
        size = sum(shard.bytes for shard in shards.list_shards(connection))
    else:
        packed = func.sum(func.length(schema.posting_block.c.data))
        size = int(connection.scalar(select(packed)) or 0)
    return PostingStats(
        segments=len(segments),
        landmarks=landmarks,
        bytes=size,
        dead_tracks=len(tombstones),
        dead_share=dead / landmarks if landmarks else 0.0,
    )
