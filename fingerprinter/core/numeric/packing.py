"""Sorted integers in few bits, searchable without decoding them: Elias-Fano blocks [1]_ [2]_.

A block of n sorted values below U costs about log2(U / n) + 2 bits a value, half a bit above the
information bound. The upper parts of all values lie in one string of bits. A search reads in it
where a range begins and ends, and then reads the lower parts of that range alone. All functions
are vectorised across blocks.

Layout of a block, numbers little-endian::

    crc32    u32       of everything after it
    n        u32       number of values
    k        u8        width of the lower parts
    low      ceil(n * k / 8) bytes: the lower k bits of each value, first value first,
             least significant bit first
    high     the rest: bit (value >> k) + i is set for value number i; least
             significant bit of the first byte first, padded with 0 bits

References
----------
.. [1] P. Elias, "Efficient storage and retrieval by content and address of static files",
   J. ACM 1974.
.. [2] S. Vigna, "Quasi-succinct indices", WSDM 2013.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np

from fingerprinter.core.arrays import Bytes, Longs, Words
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.peak_pairs import ranges

_HEADER = struct.Struct("<IIB")
HEADER_BYTES = _HEADER.size
_CRC = struct.Struct("<I")
_MAX_WIDTH = 56  # a lower part and the bits before it in its first byte fit in 64 bits
_POWERS = 1 << np.arange(63, dtype=np.int64)
_BITS_AT_A_TIME = 1 << 17  # of upper parts, so that intermediate arrays stay in a core's cache
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_ZERO_AT = np.argsort(_BITS, axis=1, kind="stable")  # [byte, n]: position of its n-th 0 bit
_AFTER_CRC = itemgetter(slice(_CRC.size, None))


class DamagedBlockError(ValueError):
    """A block's bytes do not match their checksum or cannot be a block."""


def encode_blocks(values: Longs, counts: Longs) -> list[bytes]:
    """Pack consecutive runs of values into one block each.

    Parameters
    ----------
    values : (n,) int64
        The runs end to end. Each run is sorted and non-negative.
    counts : (blocks,) int64
        Length of each run, at least 1; their sum is n.

    Returns
    -------
    list of bytes
        One for each run. The bytes of a block do not depend on its neighbours.

    Examples
    --------
    >>> blocks = encode_blocks(np.array([3, 700, 701]), np.array([3]))
    >>> Blocks(blocks).values()
    array([  3, 700, 701])
    """
    if len(counts) == 0:
        return []
    last = values[np.cumsum(counts) - 1]
    widths = _best_widths(counts, last)
    low_sizes, high_sizes = (counts * widths + 7) >> 3, ((last >> widths) + counts + 7) >> 3
    bodies = _bodies(values, counts, widths, low_sizes, high_sizes)
    blocks = []
    for n, width, body in zip(counts.tolist(), widths.tolist(), bodies, strict=True):
        content = _HEADER.pack(0, n, width)[_CRC.size :] + body
        blocks.append(_CRC.pack(zlib.crc32(content)) + content)
    return blocks


def _best_widths(counts: Longs, last: Longs) -> Longs:
    """Find the width of the lower parts that makes each block smallest."""
    guess = np.searchsorted(_POWERS, last // counts, side="right") - 1
    near = np.clip(guess + np.array([[-1], [0], [1]]), 0, _MAX_WIDTH)
    sizes = counts * near + (last >> near)
    return near[sizes.argmin(axis=0), np.arange(len(counts))]


def _bodies(
    values: Longs, counts: Longs, widths: Longs, low_sizes: Longs, high_sizes: Longs
) -> Iterator[bytes]:
    """Lower and upper parts of each block; sizes are in bytes."""
    kernels = compiled.kernels()
    if not kernels:
        lows = _low_parts(values, counts, widths, low_sizes)
        highs = _high_parts(values, counts, widths, high_sizes)
        return (low + high for low, high in zip(lows, highs, strict=True))
    sizes = low_sizes + high_sizes
    starts = np.cumsum(sizes) - sizes
    data = np.zeros(int(sizes.sum()), np.uint8)
    kernels.pack(values, counts, widths, starts, starts + low_sizes, data)
    return _slices(data, starts, sizes)


def _low_parts(
    values: Longs, counts: Longs, widths: Longs, sizes_in_bytes: Longs
) -> Iterator[bytes]:
    """Lower parts of each block's values, end to end.

    Each block begins at a new word. A value lies in the word where it starts and, if it crosses
    a border, in the next one.
    """
    sizes = (counts * widths + 63) // 64 + 1
    starts = np.cumsum(sizes) - sizes
    width = np.repeat(widths, counts)
    bit = ranges(counts) * width
    word = (bit >> 6) + np.repeat(starts, counts)
    low = (values & ((np.int64(1) << width) - 1)).view(np.uint64)
    shift = (bit & 63).view(np.uint64)
    words = np.zeros(int(sizes.sum()), "<u8")
    first = np.flatnonzero(np.diff(word, prepend=-1))
    words[word[first]] = np.bitwise_or.reduceat(low << shift, first)
    split = np.flatnonzero((bit & 63) + width > 64)
    words[word[split] + 1] |= low[split] >> (np.uint64(64) - shift[split])
    return _slices(words.view(np.uint8), 8 * starts, sizes_in_bytes)


def _high_parts(values: Longs, counts: Longs, widths: Longs, sizes: Longs) -> Iterator[bytes]:
    """Upper parts of each block's values, as bits."""
    starts = np.cumsum(sizes) - sizes
    bits = np.zeros(8 * int(sizes.sum()), np.uint8)
    upper = values >> np.repeat(widths, counts)
    bits[upper + ranges(counts) + np.repeat(8 * starts, counts)] = 1
    return _slices(np.packbits(bits, bitorder="little"), starts, sizes)


def _slices(data: Bytes, starts: Longs, sizes: Longs) -> Iterator[bytes]:
    """Cut data into one piece for each start and size, in bytes."""
    whole = data.tobytes()
    ends = (starts + sizes).tolist()
    return (whole[start:end] for start, end in zip(starts.tolist(), ends, strict=True))


@dataclass(frozen=True, slots=True)
class Ranges:
    """The values that lie in ranges.

    Attributes
    ----------
    query : (m,) int64
        Number of the range.
    value : (m,) int64
    """

    query: Longs
    value: Longs


@dataclass(frozen=True, slots=True)
class Spans:
    """Positions of ranges of values in blocks, before any value is read.

    Attributes
    ----------
    block, low, high : (q,) int64
        The ranges, as given to `Blocks.spans`.
    first, counts : (q,) int64
        Number of the first value that may lie in the range, and how many may. A few at the ends
        can lie outside of it.
    """

    block: Longs
    low: Longs
    high: Longs
    first: Longs
    counts: Longs

    def take(self, which: Longs) -> Spans:
        """Select spans by an index array."""
        block, low, high = self.block[which], self.low[which], self.high[which]
        return Spans(block, low, high, self.first[which], self.counts[which])


class Blocks:
    """A reader of blocks that `encode_blocks` has made.

    Parameters
    ----------
    blocks : sequence of bytes

    Attributes
    ----------
    counts : (blocks,) int64
        Number of values of each block.

    Raises
    ------
    DamagedBlockError
        The bytes are not what was written.
    """

    def __init__(self, blocks: Sequence[bytes]) -> None:
        lengths = np.fromiter(map(len, blocks), np.int64, len(blocks))
        self._data = np.frombuffer(b"".join([*blocks, bytes(_HEADER.size)]), np.uint8)
        starts = np.cumsum(lengths) - lengths
        self.counts, self._widths = _read_headers(blocks, lengths, self._data, starts)
        low_size = (self.counts * self._widths + 7) >> 3
        self._low_bits: Longs = 8 * (starts + _HEADER.size)
        high_starts = (low_size + _HEADER.size).tolist()
        highs = [block[start:] for block, start in zip(blocks, high_starts, strict=True)]
        self._highs = np.frombuffer(b"".join(highs), np.uint8)
        self._high_bits: Longs = 8 * np.maximum(lengths - _HEADER.size - low_size, 0)
        self._high_firsts: Longs = np.cumsum(self._high_bits) - self._high_bits
        if len(blocks):
            ones = np.bitwise_count(self._highs)
            empty = not self._high_bits.all()  # every block has a value, and so a byte for it
            first = self._high_firsts >> 3
            if empty or (np.add.reduceat(ones, first, dtype=np.int64) != self.counts).any():
                reason = "a block holds another number of values than its header says"
                raise DamagedBlockError(reason)

    @cached_property
    def _words(self) -> Words:
        """The 8 bytes that start at each byte, as overlapping numbers."""
        return np.ndarray(max(0, len(self._data) - 7), "<u8", self._data, strides=(1,))

    @cached_property
    def _zeros(self) -> Longs:
        """Number of 0 bits before each byte of upper parts. A search in it finds any 0 bit."""
        ones = np.zeros(len(self._highs) + 1, np.int64)
        np.cumsum(np.bitwise_count(self._highs), out=ones[1:])
        return 8 * np.arange(len(ones)) - ones

    def _read_bits(self, bit: Longs, width: Longs) -> Longs:
        """Read the number of ``width`` bits that starts at each bit."""
        word: Words = self._words[bit >> 3]
        return (word >> (bit & 7).view(np.uint64)).view(np.int64) & ((np.int64(1) << width) - 1)

    def values(self) -> Longs:
        """All values, block after block, (n,) int64."""
        kernels = compiled.kernels()
        if kernels:
            value = np.empty(int(self.counts.sum()), np.int64)
            uppers = self._highs, self._high_firsts
            kernels.values(self._words, self._low_bits, *uppers, self._widths, self.counts, value)
            return value
        which, width = ranges(self.counts), np.repeat(self._widths, self.counts)
        lower = self._read_bits(np.repeat(self._low_bits, self.counts) + which * width, width)
        ones = np.flatnonzero(np.unpackbits(self._highs, bitorder="little").view(np.bool_))
        upper = ones - np.repeat(self._high_firsts, self.counts) - which
        return (upper << width) | lower

    def spans(self, block: Longs, low: Longs, high: Longs) -> Spans:
        """Locate the values of low <= value < high in a block, for many ranges at once.

        Parameters
        ----------
        block, low, high : (q,) int64
            It is fastest if blocks ascend, and ranges ascend within each block.
        """
        kernels = compiled.kernels()
        if kernels:
            first, counts = np.empty((2, len(block)), np.int64)
            places = self._highs, self._high_firsts, self._high_bits, self._widths
            kernels.spans(*places, block, low, high, first, counts)
            return Spans(block, low, high, first, counts)
        width = self._widths[block]
        first, end = self._below(block, low >> width), self._below(block, ((high - 1) >> width) + 1)
        return Spans(block, low, high, first, end - first)

    def _below(self, block: Longs, upper: Longs) -> Longs:
        """Count the values of a block with a smaller upper part: the 1 bits before a 0 bit."""
        start, count = self._high_firsts[block], self.counts[block]
        zeros = self._high_bits[block] - count  # of the block; no value lies after its last one
        number = self._zeros[start >> 3] + np.minimum(upper, zeros)
        byte = np.maximum(np.searchsorted(self._zeros, number) - 1, 0)
        bit = 8 * byte + _ZERO_AT[self._highs[byte], number - self._zeros[byte] - 1]
        return np.where(upper > zeros, count, np.where(upper > 0, bit - start - upper + 1, 0))

    def read(self, spans: Spans) -> Ranges:
        """Read the values of ranges, sorted by range."""
        # The number of bits of the upper parts that hold each range: up to the 0 bit after its
        # highest value.
        width = self._widths[spans.block]
        lowest, highest = spans.low >> width, (spans.high - 1) >> width
        stop = np.minimum(spans.first + spans.counts + highest, self._high_bits[spans.block])
        bits = stop - spans.first - lowest
        kernels = compiled.kernels()
        if kernels:
            query, value = np.empty((2, int(spans.counts.sum())), np.int64)
            places = self._data, self._low_bits, self._highs, self._high_firsts, self._widths
            asked = spans.block, spans.low, spans.high, spans.first, bits
            n = kernels.read(*places, *asked, query, value)
            return Ranges(query[:n], value[:n])
        filled = np.flatnonzero(spans.counts)
        portion = np.cumsum(bits[filled]) // _BITS_AT_A_TIME
        portions = np.split(filled, np.flatnonzero(np.diff(portion)) + 1)
        parts = [self._read(spans, bits, which) for which in portions]
        queries, values = zip(*parts, strict=True)
        return Ranges(np.concatenate(queries), np.concatenate(values))

    def _read(self, spans: Spans, bits: Longs, which: Longs) -> tuple[Longs, Longs]:
        """Read the values of some of the ranges, as `read` returns them."""
        spans, bits = spans.take(which), bits[which]
        query = np.repeat(np.arange(len(which)), spans.counts)
        lowest = spans.low >> self._widths[spans.block]
        block = spans.block[query]
        upper = lowest[query] + self._zeros_within(spans, lowest, bits)
        number, width = spans.first[query] + ranges(spans.counts), self._widths[block]
        lower = self._read_bits(self._low_bits[block] + number * width, width)
        value = (upper << width) | lower
        inside = np.flatnonzero((value >= spans.low[query]) & (value < spans.high[query]))
        return which[query[inside]], value[inside]

    def _zeros_within(self, spans: Spans, lowest: Longs, bits: Longs) -> Longs:
        """Count for each value the 0 bits between the start of its span and its own 1 bit."""
        start = self._high_firsts[spans.block] + spans.first + lowest
        end = start + bits
        sizes = ((end + 7) >> 3) - (start >> 3)
        ends = np.cumsum(sizes)
        octets = self._highs[np.repeat(start >> 3, sizes) + ranges(sizes)]
        octets[ends - sizes] &= (255 << (start & 7)).astype(np.uint8)
        octets[ends - 1] &= (255 >> (-end & 7)).astype(np.uint8)
        ones = np.flatnonzero(np.unpackbits(octets, bitorder="little").view(np.bool_))
        before = 8 * (ends - sizes) + (start & 7) - (np.cumsum(spans.counts) - spans.counts)
        return ones - np.arange(len(ones)) - np.repeat(before, spans.counts)


def _read_headers(
    blocks: Sequence[bytes], lengths: Longs, data: Bytes, starts: Longs
) -> tuple[Longs, Longs]:
    """Check the checksums of blocks and return their (number of values, widths)."""
    short = np.flatnonzero(lengths < _HEADER.size)
    if len(short):
        raise DamagedBlockError(f"{lengths[short[0]]} bytes are too few for a block")
    heads = data[starts[:, None] + np.arange(_HEADER.size)]
    stored_crcs, counts = np.ascontiguousarray(heads[:, :8]).view("<u4").T
    crcs = np.fromiter(map(zlib.crc32, map(_AFTER_CRC, blocks)), np.uint32, len(blocks))
    wrong = np.flatnonzero(crcs != stored_crcs)
    if len(wrong):
        size = lengths[wrong[0]]
        raise DamagedBlockError(f"checksum of a block of {size} bytes does not match")
    return counts.astype(np.int64), heads[:, 8].astype(np.int64)
