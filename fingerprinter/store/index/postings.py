"""Landmark postings: immutable segments of packed blocks, merged by size.

A batch of tracks becomes one *segment*. Its tracks lie end to end on one axis of
frames, so that a single number, the *position*, tells track and time. The
segment's landmarks, sorted by (hash, position), are cut by the first
``prefix_bits`` bits of the hash into *blocks* of about a kilobyte; a block holds
``hash's remaining bits * frame_count + position`` for each of its landmarks (see
`fingerprinter.core.numeric.packing`). Segments never change: a removed track leaves a
tombstone, and when several segments of like size stand side by side they are
merged into one and the dead dropped (a log-structured merge, O'Neil et al. 1996).
Each of these steps happens within the caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, delete, func, insert, select

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError, encode_blocks
from fingerprinter.errors import CorruptionError
from fingerprinter.store.tables import schema, shards
from fingerprinter.store.tables.bulk import insert_blocks
from fingerprinter.types import Landmarks

Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]

PREFIX_SHIFT = 24  # posting_block.id = segment id << 24 | prefix
PREFIX_MASK = (1 << PREFIX_SHIFT) - 1
_BLOCK_LANDMARKS = 150  # half a KB: fills the pages of SQLite, inline in PostgreSQL
# Segments of one level that are merged together. With 3, merges write each landmark 4.0 times until
# a library has 100,000 tracks, and a look-up reads six segments on average. With 2 they write it
# 5.3 times, and a look-up reads five.
MERGE_FACTOR = 3
# Landmarks in memory at a time while merging; with fewer, statements cost more than their work.
LANDMARKS_IN_MEMORY = 1 << 20
LEVEL_0_LANDMARKS = 1 << 22  # landmarks up to which a segment is of level 0
# A merge of more is worth the load of machine code: it saves 0.1 s a million, loading takes 0.8 s.
_LARGE = 1 << 23


@dataclass(frozen=True, slots=True)
class Segment:
    """One immutable segment.

    track_ids: (tracks,) int64; starts: (tracks + 1,) int64, where each track begins on the
    axis of positions and where the last one ends
    """

    id: int
    level: int
    prefix_bits: int
    landmark_count: int
    track_ids: Longs
    starts: Longs

    @property
    def frame_count(self) -> int:
        """Length of the axis of positions."""
        return int(self.starts[-1])


def read_segments(connection: Connection) -> list[Segment]:
    """The segments of a library, in their order."""
    rows = connection.execute(select(schema.segment).order_by(schema.segment.c.id))
    return [
        Segment(
            row.id,
            row.level,
            row.prefix_bits,
            row.landmark_count,
            np.frombuffer(row.track_ids, "<i8"),
            np.concatenate([[0], np.cumsum(np.frombuffer(row.track_frames, "<i4"), dtype="i8")]),
        )
        for row in rows
    ]


def opened(ids: Sequence[int], blocks: Sequence[bytes]) -> Blocks:
    """The blocks of the given ids; names the segment of a damaged one."""
    try:
        return Blocks(blocks)
    except DamagedBlockError as error:
        segments = sorted({id_ >> PREFIX_SHIFT for id_ in ids})
        raise CorruptionError(
            f"landmark segment {', '.join(map(str, segments))}: {error};"
            " run `fingerprinter reindex` to rebuild the landmarks from the stored peaks"
        ) from None


def _prefix_bits(landmarks: int, bits: int) -> int:
    """How many bits of the hash to cut by, so that a block is about half a kilobyte."""
    blocks = max(1, landmarks // _BLOCK_LANDMARKS)
    return min(bits, PREFIX_SHIFT, blocks.bit_length() - 1)


def _level(landmarks: int) -> int:
    """The tier of a segment: each is `MERGE_FACTOR` times as large as the one before."""
    level = 0
    while landmarks > LEVEL_0_LANDMARKS * MERGE_FACTOR**level:
        level += 1
    return level


def _insert_segment(
    connection: Connection, track_ids: Longs, frames: Longs, landmarks: int, bits: int
) -> Segment:
    prefix_bits = _prefix_bits(landmarks, bits)
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
    if shards.is_sharded(connection):  # a crash may have left blocks of this id, see `shares`
        _drop_blocks(connection, [id_])
    return Segment(id_, values["level"], prefix_bits, landmarks, track_ids, starts)  # type: ignore[arg-type]


def _insert_blocks(connection: Connection, segment: Segment, bits: int, marks: Longs) -> None:
    """Writes landmarks as blocks; the caller sees to it that no block is written twice.

    marks: (n,) int64, sorted, hash * length of the axis + position
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
    """Writes the landmarks of some tracks as one new segment.

    tracks: (track id, length in frames, landmarks) of each
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
    """Merges one group of segments of like size, if there is one; says whether it did."""
    _drop_blocks(connection, shards.droppable(connection, []))
    due = _due(read_segments(connection))
    if due:
        _merge(connection, params, due)
    return bool(due)


def _due(segments: Sequence[Segment]) -> list[Segment]:
    """Segments of like size, and those that the result would be merged with next.

    All at once: a landmark skips levels on its way up, which saves writing.
    """
    levels = Counter(segment.level for segment in segments)
    level = min((one for one, n in levels.items() if n >= MERGE_FACTOR), default=None)
    due = list[Segment]()
    while level is not None:
        due = [segment for segment in segments if segment.level <= level]
        reached = _level(sum(segment.landmark_count for segment in due))
        goes_on = reached > level and levels[reached] + 1 >= MERGE_FACTOR
        level = reached if goes_on else None
    return due


def _merge(connection: Connection, params: LandmarkParams, sources: Sequence[Segment]) -> None:
    """Replaces segments by one that holds their living landmarks."""
    bits = hash_bits(params)
    dead = list(connection.scalars(select(schema.tombstone.c.track_id)))
    alive = [~np.isin(source.track_ids, dead) for source in sources]
    track_ids = np.concatenate([s.track_ids[a] for s, a in zip(sources, alive, strict=True)])
    frames = np.concatenate([np.diff(s.starts)[a] for s, a in zip(sources, alive, strict=True)])
    if len(track_ids):
        total = sum(source.landmark_count for source in sources)
        if total > _LARGE:
            compiled.load()
        target = _insert_segment(connection, track_ids, frames, total, bits)
        moves = _moves(sources, alive)
        written = 0
        for marks in _merged_ranges(connection, bits, sources, moves, target):
            _insert_blocks(connection, target, bits, marks)
            written += len(marks)
        connection.execute(
            schema.segment.update()
            .where(schema.segment.c.id == target.id)
            .values(landmark_count=written)
        )
    _drop_segments(connection, sources)
    gone = np.concatenate([s.track_ids[~a] for s, a in zip(sources, alive, strict=True)])
    _forget_tombstones(connection, gone)


def _moves(sources: Sequence[Segment], alive: Sequence[npt.NDArray[np.bool_]]) -> list[Longs]:
    """How far each track of each source moves on the axis of positions; dead ones: past all."""
    moves, base = [], 0
    for source, living in zip(sources, alive, strict=True):
        lengths = np.where(living, np.diff(source.starts), 0)
        new_starts = base + np.cumsum(lengths) - lengths
        moves.append(np.where(living, new_starts - source.starts[:-1], np.iinfo(np.int64).min // 2))
        base += int(lengths.sum())
    return moves


def _move_at(source: Segment, move: Longs, positions: Longs) -> Longs:
    """How far landmarks move that lie at some positions."""
    if np.ptp(move) == 0:  # nothing was removed, as nearly always
        return move[:1]
    return move[np.searchsorted(source.starts, positions, side="right") - 1]


def _merged_ranges(
    connection: Connection,
    bits: int,
    sources: Sequence[Segment],
    moves: Sequence[Longs],
    target: Segment,
) -> Iterator[Longs]:
    """Living landmarks of all sources, sorted, one range of hashes after another."""
    parts = target.landmark_count // LANDMARKS_IN_MEMORY
    range_bits = min(parts.bit_length(), target.prefix_bits)
    for part in range(1 << range_bits):
        found = []
        for source, move in zip(sources, moves, strict=True):
            hashes, positions = _read_range(connection, bits, source, part, range_bits)
            positions += _move_at(source, move, positions)
            marks = hashes * target.frame_count + positions
            found.append(marks if move.min(initial=0) >= 0 else marks[positions >= 0])
        merged = np.concatenate(found)
        merged.sort(kind="stable")  # Timsort: merging finds its sources sorted
        yield merged


def _read_range(
    connection: Connection, bits: int, segment: Segment, part: int, range_bits: int
) -> tuple[Longs, Longs]:
    """Hashes and positions of a segment's landmarks whose hash begins with ``part``."""
    span = segment.prefix_bits - range_bits  # below 0, one block lies over several parts
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
    blocks = opened(ids, [bytes(row.data) for row in rows])
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


def _forget_tombstones(connection: Connection, track_ids: Longs) -> None:
    """Drops the tombstones of tracks that no segment holds any more."""
    tombstone = schema.tombstone
    for track_id in track_ids.tolist():
        connection.execute(delete(tombstone).where(tombstone.c.track_id == track_id))


def newest_segment(connection: Connection) -> int:
    """The id of the last segment that was written: a merge changes it, though no revision."""
    return int(connection.scalar(select(func.max(schema.segment.c.id))) or 0)


def drop_all(connection: Connection) -> None:
    """Forgets every landmark, as `reindex` does before it writes them anew."""
    if shards.is_sharded(connection):
        _drop_segments(connection, read_segments(connection))
    else:
        connection.execute(delete(schema.posting_block))
    for table in (schema.segment, schema.tombstone):
        connection.execute(delete(table))


@dataclass(frozen=True, slots=True)
class PostingStats:
    """Sizes of the landmark part of a library.

    dead_share: of the landmarks, those of removed tracks, by the lengths of the tracks
    """

    segments: int
    landmarks: int
    bytes: int
    dead_tracks: int
    dead_share: float


def stats(connection: Connection) -> PostingStats:
    """Counts and bytes of all segments."""
    segments = read_segments(connection)
    tombstones = list(connection.scalars(select(schema.tombstone.c.track_id)))
    landmarks = sum(segment.landmark_count for segment in segments)
    dead = sum(_dead_landmarks(segment, tombstones) for segment in segments)
    return PostingStats(
        segments=len(segments),
        landmarks=landmarks,
        bytes=_bytes(connection),
        dead_tracks=len(tombstones),
        dead_share=dead / landmarks if landmarks else 0.0,
    )


def _dead_landmarks(segment: Segment, tombstones: Sequence[int]) -> float:
    """How many landmarks of a segment are of removed tracks, as far as their lengths tell."""
    frames = np.diff(segment.starts)[np.isin(segment.track_ids, tombstones)].sum()
    return segment.landmark_count * float(frames) / max(1, segment.frame_count)


def _bytes(connection: Connection) -> int:
    if shards.is_sharded(connection):
        return sum(share.bytes for share in shards.list_shards(connection))
    return int(connection.scalar(select(func.sum(func.length(schema.posting_block.c.data)))) or 0)
