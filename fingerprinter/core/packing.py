"""Sorted integers in few bits, searchable without decoding them: Elias-Fano blocks.

A block of n sorted values below U costs about log2(U / n) + 2 bits a value, half a
bit above the information bound (Elias 1974, Fano 1971; for inverted indices: Vigna
2013, "Quasi-succinct indices"). The upper parts of all values lie in one string of
bits, from which a search reads where a range begins and ends; the lower parts are
then read for that range alone. Everything is vectorised across blocks.

Layout of a block, numbers little-endian::

    crc32    u32       of everything after it
    n        u32       number of values
    k        u8        width of the lower parts
    low      ceil(n * k / 8) bytes: the lower k bits of each value, first value first,
             least significant bit first
    high     the rest: bit (value >> k) + i is set for value number i; least
             significant bit of the first byte first, padded with 0 bits
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.int64]

_HEADER = struct.Struct("<IIB")
_MAX_WIDTH = 56  # a lower part and the bits before it in its first byte fit in 64 bits


class DamagedBlockError(ValueError):
    """A block's bytes do not match their checksum or cannot be a block."""


def encode_blocks(values: Values, counts: Values) -> list[bytes]:
    """Packs consecutive runs of sorted, non-negative values into a block each.

    values: (n,) int64, each run sorted; counts: (blocks,) int64, all positive, sum n

    >>> blocks = encode_blocks(np.array([3, 700, 701]), np.array([3]))
    >>> Blocks(blocks).values()
    array([  3, 700, 701])
    """
    ends = np.cumsum(counts)
    return [
        _encode_block(values[start:end])
        for start, end in zip((ends - counts).tolist(), ends.tolist(), strict=True)
    ]


def _encode_block(values: Values) -> bytes:
    n, last = len(values), int(values[-1])
    width = _best_width(n, last)
    high = np.zeros((last >> width) + n, np.uint8)
    high[(values >> width) + np.arange(n)] = 1
    body = _low_bytes(values, width) + np.packbits(high, bitorder="little").tobytes()
    header = _HEADER.pack(0, n, width)[4:]
    return struct.pack("<I", zlib.crc32(body, zlib.crc32(header))) + header + body


def _best_width(n: int, last: int) -> int:
    """The width of lower parts that makes a block smallest."""
    guess = min(max(0, (last // n).bit_length() - 1), _MAX_WIDTH)
    widths = range(max(0, guess - 1), min(_MAX_WIDTH, guess + 1) + 1)
    return min(widths, key=lambda width: n * width + (last >> width))


def _low_bytes(values: Values, width: int) -> bytes:
    """The lower ``width`` bits of values, end to end."""
    if width == 0:
        return b""
    octets = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    bits = np.unpackbits(octets, axis=1, bitorder="little", count=width)
    return np.packbits(bits, bitorder="little").tobytes()


def _parse(block: bytes) -> tuple[int, int, int]:
    """(values, width, where the upper parts start) of a block, after its checksum."""
    if len(block) < _HEADER.size:
        raise DamagedBlockError(f"{len(block)} bytes are too few for a block")
    crc, n, width = _HEADER.unpack_from(block)
    if zlib.crc32(memoryview(block)[4:]) != crc:
        raise DamagedBlockError(f"checksum of a block of {len(block)} bytes does not match")
    return n, width, _HEADER.size + (n * width + 7) // 8


@dataclass(frozen=True, slots=True)
class Ranges:
    """Values found in ranges that were asked for.

    query: (m,) int64, number of the range; value: (m,) int64
    """

    query: Values
    value: Values


class Blocks:
    """Blocks made by `encode_blocks`, laid end to end.

    Raises `DamagedBlockError` where bytes are not what was written.
    """

    def __init__(self, blocks: Sequence[bytes]) -> None:
        parsed = np.array([_parse(block) for block in blocks], np.int64).reshape(-1, 3)
        self.counts: Values = parsed[:, 0]
        self._widths: Values = parsed[:, 1]
        high_starts: Values = parsed[:, 2]
        lengths = np.array([len(block) for block in blocks], np.int64)
        self._low_bits: Values = (np.cumsum(lengths) - lengths + _HEADER.size) * 8
        self._data = np.frombuffer(b"".join(blocks) + bytes(8), np.uint8)
        self._firsts: Values = np.cumsum(self.counts) - self.counts
        highs = [block[start:] for block, start in zip(blocks, high_starts.tolist(), strict=True)]
        self._ranks: Values = self._read_ranks(highs)
        high_bits = 8 * (lengths - high_starts)
        self._rank_bases: Values = np.cumsum(high_bits) - high_bits - self._firsts

    def _read_ranks(self, highs: Sequence[bytes]) -> Values:
        """The 0 bits before each value's 1 bit: its upper part, plus the base of its block.

        They rise across blocks too, so that one search serves all blocks.
        """
        bits = np.unpackbits(np.frombuffer(b"".join(highs), np.uint8), bitorder="little")
        ones = np.flatnonzero(bits.view(np.bool_))
        if len(ones) != self.counts.sum():
            raise DamagedBlockError("a block holds another number of values than it says")
        ones -= np.arange(len(ones))
        return ones

    def _lower(self, which: Values, block: Values) -> Values:
        """The lower parts of the given values, each in the given block."""
        width = self._widths[block]
        bit = self._low_bits[block] + (which - self._firsts[block]) * width
        words = np.lib.stride_tricks.sliding_window_view(self._data, 8)
        word: npt.NDArray[np.uint64] = words[bit >> 3].view(np.dtype("<u8")).ravel()
        mask = (np.uint64(1) << width.astype(np.uint64)) - np.uint64(1)
        return ((word >> (bit & 7).astype(np.uint64)) & mask).astype(np.int64)

    def _at(self, which: Values, block: Values) -> Values:
        upper = self._ranks[which] - self._rank_bases[block]
        return (upper << self._widths[block]) | self._lower(which, block)

    def values(self) -> Values:
        """All values, block after block."""
        return self._at(np.arange(len(self._ranks)), np.repeat(np.arange(len(self)), self.counts))

    def __len__(self) -> int:
        return len(self.counts)

    def between(self, block: Values, low: Values, high: Values) -> Ranges:
        """The values of low <= value < high in a block, for many ranges at once.

        block, low, high: (q,) int64, sorted by (block, low)
        """
        base, width = self._rank_bases[block], self._widths[block]
        first = np.searchsorted(self._ranks, base + (low >> width), side="left")
        end = np.searchsorted(self._ranks, base + ((high - 1) >> width), side="right")
        # the search may run over the block's border, where another block's upper parts begin
        first = np.maximum(first, self._firsts[block])
        end = np.minimum(end, self._firsts[block] + self.counts[block])
        counts = np.maximum(end - first, 0)
        query = np.repeat(np.arange(len(block)), counts)
        which = np.arange(len(query)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        value = self._at(which, block[query])
        inside = np.flatnonzero((value >= low[query]) & (value < high[query]))
        return Ranges(query[inside], value[inside])
