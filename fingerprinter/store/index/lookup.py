"""Looks hashes up in all segments: at which positions does each hash of a query occur?

Segments are immutable, so blocks that were read may be kept in memory. A small segment is kept
whole once the queries have read much of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select, text

from fingerprinter.core.arrays import Doubles, Hashes, Longs
from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.numeric.packing import HEADER_BYTES, Blocks, Spans
from fingerprinter.store.index.postings import (
    PREFIX_MASK,
    PREFIX_SHIFT,
    Segment,
    open_blocks,
    read_segments,
)
from fingerprinter.store.tables import schema, shards, tracks
from fingerprinter.store.tables.checked import damaged

DELETED_TRACK = 0  # stands for the id of a track that was removed
BLOCKS_PER_STATEMENT = 1024  # 1.6 MB, unpacked in a core's cache: twice as fast as with 4096
MAX_KEPT_LANDMARKS = 1 << 24  # 40 MB of blocks in memory, and as much again to search them
_KEEP_AFTER = 4  # a segment is kept once a quarter (1 / 4) of its blocks was read

# Blocks are measured before they are read where they hold at most this many hashes. Blocks of many
# hashes are all about as long, and say nothing of one of them.
_MEASURED_BITS = 1
_MARGIN = 1.25  # more postings than wanted are read, since the length only estimates their number
_BITS_OF_STEPS = 2.0  # of a posting beyond the logarithm of its distance to the next one

_BLOCKS = {
    # The rows come in the order of the ids, which are sorted. ORDER BY would copy all blocks.
    "sqlite": "SELECT b.id, {} AS value FROM json_each(:ids) AS wanted"
    " CROSS JOIN posting_block AS b WHERE b.id = wanted.value",
    "postgresql": "SELECT b.id, {} AS value FROM posting_block AS b"
    " WHERE b.id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))::bigint))"
    " ORDER BY b.id",
}
_SELECT_BLOCKS = {name: text(sql.format("b.data")) for name, sql in _BLOCKS.items()}
# The length alone. Neither database reads what lies outside of the row for it.
_SELECT_LENGTHS = {name: text(sql.format("length(b.data)")) for name, sql in _BLOCKS.items()}


@dataclass(frozen=True, slots=True)
class Postings:
    """Occurrences of the hashes of a query.

    Attributes
    ----------
    query
        (m,) int64. Index into the hashes that were looked up.
    position
        (m,) int64, in frames on the common axis of all segments. `PostingIndex.locate` tells the
        track.
    """

    query: Longs
    position: Longs

    def __len__(self) -> int:
        return len(self.query)


class PostingIndex:
    """A snapshot of the segments, in which hashes are looked up.

    Parameters
    ----------
    connection
        The segments are those of its snapshot.
    params
        What the landmarks of the library were made with.

    Attributes
    ----------
    landmark_count
        Landmarks in all segments, those of removed tracks included.
    frame_count
        Length of the common axis of positions, in frames.
    """

    def __init__(self, connection: Connection, params: LandmarkParams) -> None:
        self._bits = hash_bits(params)
        self._segments = read_segments(connection)
        self._bases: list[int] = []  # where each segment begins on the common axis
        self.landmark_count = self.frame_count = 0
        starts, track_ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for segment in self._segments:
            self._bases.append(self.frame_count)
            starts.append(segment.starts[:-1] + self.frame_count)
            track_ids.append(segment.track_ids)
            self.landmark_count += segment.landmark_count
            self.frame_count += segment.frame_count
        self._starts, self._track_ids = np.concatenate(starts), np.concatenate(track_ids)
        self._dead = tracks.removed(connection)
        self._is_sharded = shards.is_sharded(connection)  # other servers send blocks to measure
        self._kept: dict[int, _OpenBlocks] = {}  # whole segments, by id
        self._read = Counter[int]()  # blocks that were looked for, by segment

    def lookup(self, connection: Connection, hashes: Hashes, limit: int) -> Postings:
        """Find all positions of some hashes.

        Parameters
        ----------
        connection
            Connection to the database of the snapshot.
        hashes
            (n,) uint32, sorted and distinct.
        limit
            The approximate number of postings at most. The hashes that are most common in the
            largest segment are left out to keep it.
        """
        wanted = np.arange(len(hashes))
        queries, positions = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        order = sorted(
            zip(self._segments, self._bases, strict=True), key=lambda pair: -pair[0].landmark_count
        )
        for number, (segment, base) in enumerate(order):
            if segment.landmark_count == 0:
                break
            share = limit * segment.landmark_count // self.landmark_count
            if number == 0:
                wanted = self._in_short_blocks(connection, segment, hashes, wanted, share)
            pieces: Iterable[_Piece] = self._pieces(connection, segment, hashes, wanted)
            if number == 0:
                pieces = list(pieces)
                wanted = np.setdiff1d(wanted, _most_common(pieces, share), assume_unique=True)
            for piece in pieces:
                found = piece.read(wanted, base)
                queries.append(found.query)
                positions.append(found.position)
        return Postings(np.concatenate(queries), np.concatenate(positions))

    def _in_short_blocks(
        self, connection: Connection, segment: Segment, hashes: Hashes, wanted: Longs, limit: int
    ) -> Longs:
        """Leave out the hashes whose blocks are so long that the limit is reached without them.

        The blocks of common hashes are by far the longest. They are measured and not read.
        """
        low_bits = self._bits - segment.prefix_bits
        if low_bits > _MEASURED_BITS or segment.id in self._kept or self._is_sharded:
            return wanted
        prefixes = (hashes[wanted] >> np.uint32(low_bits)).astype(np.int64)
        blocks, of_block = np.unique(prefixes, return_counts=True)
        found, lengths = _read_lengths(connection, segment, blocks)
        space = float(segment.frame_count << low_bits)
        counts = _estimated_counts(lengths, space) * of_block[np.searchsorted(blocks, found)]
        counts /= 1 << low_bits
        order = np.argsort(counts, kind="stable")
        too_many = np.searchsorted(np.cumsum(counts[order]), _MARGIN * limit, side="right")
        return wanted[~np.isin(prefixes, found[order[too_many:]])]

    def _pieces(
        self, connection: Connection, segment: Segment, hashes: Hashes, wanted: Longs
    ) -> Iterator[_Piece]:
        """The blocks of a segment that may hold the wanted hashes, a limited number at a time.

        A small segment is kept whole from when much of it was read.
        """
        low_bits = self._bits - segment.prefix_bits
        prefixes = (hashes[wanted] >> np.uint32(low_bits)).astype(np.int64)
        low_hash = (hashes[wanted] & np.uint32((1 << low_bits) - 1)).astype(np.int64)
        low = low_hash * segment.frame_count  # the lowest value of each hash in its block
        starts = np.flatnonzero(np.diff(prefixes, prepend=-1))
        self._read[segment.id] += len(starts)
        is_read_much = _KEEP_AFTER * self._read[segment.id] >= 1 << segment.prefix_bits
        if segment.id not in self._kept and is_read_much:
            held = sum(each.segment.landmark_count for each in self._kept.values())
            if held + segment.landmark_count <= MAX_KEPT_LANDMARKS:
                self._kept[segment.id] = _read_blocks(connection, segment)
        if segment.id in self._kept:
            yield self._kept[segment.id].piece(wanted, prefixes, low)
            return
        for first in range(0, len(starts), BLOCKS_PER_STATEMENT):
            some = prefixes[starts[first : first + BLOCKS_PER_STATEMENT]]
            part = slice(*np.searchsorted(prefixes, [some[0], some[-1] + 1]))
            blocks = _read_blocks(connection, segment, some)
            yield blocks.piece(wanted[part], prefixes[part], low[part])

    def locate(self, positions: Longs) -> tuple[Longs, Longs]:
        """Return the tracks at some positions.

        Returns
        -------
        (ids, frames)
            The track ids, which are `DELETED_TRACK` for removed tracks, and the frames within the
            tracks; (n,) int64 each.
        """
        which = np.maximum(np.searchsorted(self._starts, positions, side="right") - 1, 0)
        track_ids = self._track_ids[which].copy()
        if self._dead:
            track_ids[np.isin(track_ids, list(self._dead))] = DELETED_TRACK
        return track_ids, positions - self._starts[which]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some blocks of a segment, and the spans of the hashes in them.

    query: (q,) int64, sorted, indices of the hashes; spans: one of each
    """

    blocks: Blocks
    query: Longs
    spans: Spans

    def read(self, wanted: Longs, base: int) -> Postings:
        """The positions of those hashes that are still wanted."""
        still = np.flatnonzero(np.isin(self.query, wanted, assume_unique=True))
        spans = self.spans.take(still)
        found = self.blocks.read(spans)
        position = found.value - spans.low[found.query] + base
        return Postings(self.query[still[found.query]], position)


@dataclass(frozen=True, slots=True)
class _OpenBlocks:
    """Some or all blocks of a segment.

    prefixes: (blocks + 1,) int64, sorted, and -1 at the end
    """

    segment: Segment
    prefixes: Longs
    blocks: Blocks

    def piece(self, query: Longs, prefixes: Longs, low: Longs) -> _Piece:
        """The spans of hashes, given by their indices, prefixes and lowest values."""
        block = np.searchsorted(self.prefixes[:-1], prefixes)
        there = np.flatnonzero(self.prefixes[block] == prefixes)
        low = low[there]
        spans = self.blocks.spans(block[there], low, low + self.segment.frame_count)
        return _Piece(self.blocks, query[there], spans)


def _read_blocks(
    connection: Connection, segment: Segment, prefixes: Longs | None = None
) -> _OpenBlocks:
    """Read the blocks of the given prefixes, default all. Those without a block are left out."""
    first = segment.id << PREFIX_SHIFT
    if prefixes is None:
        block = schema.posting_block
        mine = (block.c.id >= first) & (block.c.id < first + (1 << PREFIX_SHIFT))
        rows = connection.execute(
            select(block.c.id, block.c.data).where(mine).order_by(block.c.id)
        ).all()
    else:
        ids = json.dumps((prefixes | first).tolist())
        rows = connection.execute(_SELECT_BLOCKS[connection.dialect.name], {"ids": ids}).all()
    found, packed = [id_ for id_, _ in rows], [data for _, data in rows]
    if not {type(data) for data in packed} <= {bytes, memoryview}:
        raise damaged(f"a block of landmark segment {segment.id} holds no bytes")
    known = np.array([*found, -1], np.int64)
    known[:-1] &= PREFIX_MASK
    return _OpenBlocks(segment, known, open_blocks(found, list(map(bytes, packed))))


def _read_lengths(connection: Connection, segment: Segment, prefixes: Longs) -> tuple[Longs, Longs]:
    """Return the prefixes that have a block, and the bytes of each."""
    ids = json.dumps((prefixes | segment.id << PREFIX_SHIFT).tolist())
    rows = connection.execute(_SELECT_LENGTHS[connection.dialect.name], {"ids": ids}).all()
    found = np.array([tuple(row) for row in rows], np.int64).reshape(-1, 2)
    return found[:, 0] & PREFIX_MASK, found[:, 1]


def _estimated_counts(lengths: Longs, space: float) -> Doubles:
    """Estimate how many of ``space`` places the postings of blocks take, by the blocks' bytes."""
    bits = np.maximum(8.0 * (lengths - HEADER_BYTES), 1.0)
    counts = bits
    for _ in range(4):  # converges to a thousandth
        counts = bits / (np.log2(np.maximum(space / counts, 1.0)) + _BITS_OF_STEPS)
    return counts


def _most_common(pieces: Sequence[_Piece], limit: int) -> Longs:
    """The indices of the most common hashes, without which about ``limit`` postings are left."""
    if not pieces:
        return np.empty(0, np.int64)
    query = np.concatenate([piece.query for piece in pieces])
    counts = np.concatenate([piece.spans.counts for piece in pieces])
    order = np.argsort(counts, kind="stable")
    fitting = np.searchsorted(np.cumsum(counts[order]), limit, side="right")
    return query[order[fitting:]]
