"""Where hashes occur in a library: the postings of a question, from all segments.

Segments are immutable, so what was read of one may be kept: small ones are, whole, once
questions have read much of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select, text

from fingerprinter.core.fingerprint.landmarks import hash_bits
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.numeric.packing import Blocks, Spans
from fingerprinter.store.index.postings import (
    PREFIX_MASK,
    PREFIX_SHIFT,
    Segment,
    opened,
    read_segments,
)
from fingerprinter.store.tables import schema

Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]

DELETED_TRACK = 0  # in place of the id of a track that was removed
# For one question: time and memory (200 MB) have a bound in any library. Among 10,000 tracks the
# right place is proposed for 52 of 56 clips in rooms, of changed speed and pitch; for 42 with a
# quarter of it.
MAX_POSTINGS = 1 << 22
BLOCKS_PER_STATEMENT = 1024  # 1.6 MB: unpacked within a core's cache, twice as fast as 4096
MAX_KEPT_LANDMARKS = 1 << 24  # in memory: 40 MB of blocks, and as much again to search them
_MUCH = 4  # when one such part of a segment's blocks has been read, all of it is

_SELECT_BLOCKS = {
    "sqlite": text(
        "SELECT b.id, b.data FROM json_each(:ids) AS wanted"
        " CROSS JOIN posting_block AS b WHERE b.id = wanted.value ORDER BY b.id"
    ),
    "postgresql": text(
        "SELECT id, data FROM posting_block"
        " WHERE id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))::bigint))"
        " ORDER BY id"
    ),
}


@dataclass(frozen=True, slots=True)
class Postings:
    """Where looked-up hashes occur.

    query: (m,) int64, index into the hashes that were looked up
    position: (m,) int64, on the common axis of all segments, see `PostingIndex.locate`
    """

    query: Longs
    position: Longs

    def __len__(self) -> int:
        return len(self.query)


class PostingIndex:
    """The segments as they stood when this was made; looks hashes up in them."""

    def __init__(self, connection: Connection, params: LandmarkParams) -> None:
        self._bits = hash_bits(params)
        self._segments = read_segments(connection)
        frames = [segment.frame_count for segment in self._segments]
        self._bases = np.concatenate([[0], np.cumsum(frames, dtype=np.int64)])
        self._starts = np.concatenate(
            [
                segment.starts[:-1] + base
                for segment, base in zip(self._segments, self._bases[:-1], strict=True)
            ]
            or [np.empty(0, np.int64)]
        )
        self._track_ids = np.concatenate(
            [segment.track_ids for segment in self._segments] or [np.empty(0, np.int64)]
        )
        self._dead = frozenset(connection.scalars(select(schema.tombstone.c.track_id)))
        self._kept: dict[int, _Opened] = {}  # whole segments, by id
        self._read = Counter[int]()  # blocks of each segment that were asked for

    @property
    def landmark_count(self) -> int:
        """Landmarks in all segments, the dead included."""
        return sum(segment.landmark_count for segment in self._segments)

    @property
    def frame_count(self) -> int:
        """Length of the common axis of positions, in frames."""
        return int(self._bases[-1])

    def lookup(self, connection: Connection, hashes: Hashes, most: int = MAX_POSTINGS) -> Postings:
        """The places where hashes occur.

        hashes: (n,) uint32, sorted and distinct
        most: about so many places at most; hashes are left out for it, the most common first,
            as the largest segment knows them
        """
        asked = np.arange(len(hashes))
        found = [Postings(np.empty(0, np.int64), np.empty(0, np.int64))]
        for number in self._largest_first():
            segment, base = self._segments[number], int(self._bases[number])
            pieces: Iterable[_Piece] = self._pieces(connection, segment, hashes, asked)
            if len(found) == 1:
                pieces = list(pieces)
                common = _common(pieces, most * segment.landmark_count // self.landmark_count)
                asked = np.setdiff1d(asked, common, assume_unique=True)
            found += [piece.read(asked, base) for piece in pieces]
        return Postings(
            np.concatenate([postings.query for postings in found]),
            np.concatenate([postings.position for postings in found]),
        )

    def _largest_first(self) -> list[int]:
        """The numbers of the segments that hold landmarks."""
        filled = [n for n, segment in enumerate(self._segments) if segment.landmark_count]
        return sorted(filled, key=lambda n: -self._segments[n].landmark_count)

    def _pieces(
        self, connection: Connection, segment: Segment, hashes: Hashes, asked: Longs
    ) -> Iterator[_Piece]:
        """What a segment may have of the hashes of the given numbers, piece by piece."""
        prefixes, low = _split(hashes[asked], segment, self._bits)
        starts = np.flatnonzero(np.diff(prefixes, prepend=-1))
        whole = self._whole(connection, segment, len(starts))
        if whole:
            yield whole.piece(asked, prefixes, low)
            return
        for first in range(0, len(starts), BLOCKS_PER_STATEMENT):
            wanted = prefixes[starts[first : first + BLOCKS_PER_STATEMENT]]
            part = slice(*np.searchsorted(prefixes, [wanted[0], wanted[-1] + 1]))
            some = _fetch(connection, segment, wanted)
            yield some.piece(asked[part], prefixes[part], low[part])

    def _whole(self, connection: Connection, segment: Segment, blocks: int) -> _Opened | None:
        """All of a segment, if it is small and much of it has been read, block by block."""
        self._read[segment.id] += blocks
        if (
            segment.id not in self._kept
            and _MUCH * self._read[segment.id] >= 1 << segment.prefix_bits
        ):
            held = sum(each.segment.landmark_count for each in self._kept.values())
            if held + segment.landmark_count <= MAX_KEPT_LANDMARKS:
                self._kept[segment.id] = _fetch_all(connection, segment)
        return self._kept.get(segment.id)

    def locate(self, positions: Longs) -> tuple[Longs, Longs]:
        """(track ids, frames within the track) of positions; `GONE` where the track is."""
        which = np.maximum(np.searchsorted(self._starts, positions, side="right") - 1, 0)
        track_ids = self._track_ids[which].copy()
        if self._dead:
            track_ids[np.isin(track_ids, list(self._dead))] = DELETED_TRACK
        return track_ids, positions - self._starts[which]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some blocks of a segment, and where hashes lie in them.

    asked: (q,) int64, sorted, which of the hashes; spans: where, of each of them
    """

    blocks: Blocks
    asked: Longs
    spans: Spans

    def read(self, asked: Longs, base: int) -> Postings:
        """The places of the hashes that are asked for still."""
        still = np.flatnonzero(np.isin(self.asked, asked, assume_unique=True))
        spans = self.spans.take(still)
        found = self.blocks.read(spans)
        position = found.value - spans.low[found.query] + base
        return Postings(self.asked[still[found.query]], position)


def _split(hashes: Hashes, segment: Segment, bits: int) -> tuple[Longs, Longs]:
    """(prefix, lowest value in its block) of each hash."""
    low_bits = bits - segment.prefix_bits
    low = (hashes & np.uint32((1 << low_bits) - 1)).astype(np.int64)
    return (hashes >> np.uint32(low_bits)).astype(np.int64), low * segment.frame_count


@dataclass(frozen=True, slots=True)
class _Opened:
    """Some or all blocks of a segment.

    prefixes: (blocks + 1,) int64, sorted, and -1 at the end
    """

    segment: Segment
    prefixes: Longs
    blocks: Blocks

    def piece(self, asked: Longs, prefixes: Longs, low: Longs) -> _Piece:
        """Where hashes lie: of each its number, its prefix, its lowest value."""
        block = np.searchsorted(self.prefixes[:-1], prefixes)
        there = np.flatnonzero(self.prefixes[block] == prefixes)
        low = low[there]
        spans = self.blocks.spans(block[there], low, low + self.segment.frame_count)
        return _Piece(self.blocks, asked[there], spans)


def _fetch(connection: Connection, segment: Segment, prefixes: Longs) -> _Opened:
    """The blocks of the given prefixes that exist."""
    ids = prefixes | (segment.id << PREFIX_SHIFT)
    statement = _SELECT_BLOCKS[connection.dialect.name]
    return _open(segment, connection.execute(statement, {"ids": json.dumps(ids.tolist())}).all())


def _fetch_all(connection: Connection, segment: Segment) -> _Opened:
    block, first = schema.posting_block, segment.id << PREFIX_SHIFT
    chosen = select(block.c.id, block.c.data).order_by(block.c.id)
    mine = chosen.where(block.c.id >= first, block.c.id < first + (1 << PREFIX_SHIFT))
    return _open(segment, connection.execute(mine).all())


def _open(segment: Segment, rows: Sequence[Any]) -> _Opened:
    ids = [row[0] for row in rows]
    prefixes = np.array([*(id_ & PREFIX_MASK for id_ in ids), -1], np.int64)
    return _Opened(segment, prefixes, opened(ids, [bytes(row[1]) for row in rows]))


def _common(pieces: Sequence[_Piece], most: int) -> Longs:
    """The hashes to leave out, the most common, so that about ``most`` postings are left."""
    if not pieces:
        return np.empty(0, np.int64)
    asked = np.concatenate([piece.asked for piece in pieces])
    counts = np.concatenate([piece.spans.counts for piece in pieces])
    order = np.argsort(counts, kind="stable")
    fitting = np.searchsorted(np.cumsum(counts[order]), most, side="right")
    return asked[order[fitting:]]
