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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.peak_pairs import ranges

Values = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

_HEADER = struct.Struct("<IIB")
_CRC = struct.Struct("<I")
_MAX_WIDTH = 56  # a lower part and the bits before it in its first byte fit in 64 bits
_POWERS = 1 << np.arange(63, dtype=np.int64)
_BITS_AT_A_TIME = 1 << 17  # of upper parts, so that what is made of them stays in a core's cache
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
_ZERO_AT = np.argsort(_BITS, axis=1, kind="stable")  # [byte, n]: where its 0 bit number n is


class DamagedBlockError(ValueError):
    """A block's bytes do not match their checksum or cannot be a block."""


def encode_blocks(values: Values, counts: Values) -> list[bytes]:
    """Packs consecutive runs of sorted, non-negative values into a block each.

    values: (n,) int64, each run sorted; counts: (blocks,) int64, all positive, sum n

    >>> blocks = encode_blocks(np.array([3, 700, 701]), np.array([3]))
    >>> Blocks(blocks).values()
    array([  3, 700, 701])
    """
    if len(counts) == 0:
        return []
    last = values[np.cumsum(counts) - 1]
    widths = _best_widths(counts, last)
    low_sizes, high_sizes = (counts * widths + 7) >> 3, ((last >> widths) + counts + 7) >> 3
    parts = _parts(values, counts, widths, low_sizes, high_sizes)
    heads = zip(counts.tolist(), widths.tolist(), strict=True)
    return [
        _sealed(_HEADER.pack(0, n, width)[4:] + part)
        for (n, width), part in zip(heads, parts, strict=True)
    ]


def _sealed(content: bytes) -> bytes:
    """The content behind its checksum."""
    return _CRC.pack(zlib.crc32(content)) + content


def _best_widths(counts: Values, last: Values) -> Values:
    """The width of lower parts that makes each block smallest."""
    guess = np.searchsorted(_POWERS, last // counts, side="right") - 1
    near = np.clip(guess + np.array([[-1], [0], [1]]), 0, _MAX_WIDTH)
    sizes = counts * near + (last >> near)
    return near[sizes.argmin(axis=0), np.arange(len(counts))]


def _parts(
    values: Values, counts: Values, widths: Values, low_sizes: Values, high_sizes: Values
) -> Iterator[bytes]:
    """The lower and upper parts of each block, of so many bytes."""
    kernels = compiled.kernels()
    if not kernels:
        lows = _low_parts(values, counts, widths, low_sizes)
        highs = _high_parts(values, counts, widths, high_sizes)
        return (low + high for low, high in zip(lows, highs, strict=True))
    sizes = low_sizes + high_sizes
    starts = np.cumsum(sizes) - sizes
    data = np.zeros(int(sizes.sum()), np.uint8)
    kernels.pack(values, counts, widths, starts, starts + low_sizes, data)
    return _pieces(data, starts, sizes)


def _low_parts(
    values: Values, counts: Values, widths: Values, sizes_in_bytes: Values
) -> Iterator[bytes]:
    """The lower parts of each block's values, end to end.

    Each block begins at a word of its own. A value lies in the word where it starts and, if it
    is cut, in the next one.
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
    cut = np.flatnonzero((bit & 63) + width > 64)
    words[word[cut] + 1] |= low[cut] >> (np.uint64(64) - shift[cut])
    return _pieces(words.view(np.uint8), 8 * starts, sizes_in_bytes)


def _high_parts(values: Values, counts: Values, widths: Values, sizes: Values) -> Iterator[bytes]:
    """The upper parts of each block's values as bits."""
    starts = np.cumsum(sizes) - sizes
    bits = np.zeros(8 * int(sizes.sum()), np.uint8)
    upper = values >> np.repeat(widths, counts)
    bits[upper + ranges(counts) + np.repeat(8 * starts, counts)] = 1
    return _pieces(np.packbits(bits, bitorder="little"), starts, sizes)


def _pieces(data: Octets, starts: Values, sizes: Values) -> Iterator[bytes]:
    whole = data.tobytes()
    ends = (starts + sizes).tolist()
    return (whole[start:end] for start, end in zip(starts.tolist(), ends, strict=True))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Values found in ranges that were asked for.

    query: (m,) int64, number of the range; value: (m,) int64
    """

    query: Values
    value: Values


@dataclass(frozen=True, slots=True)
class Spans:
    """Where ranges of values lie in blocks, before any of them is read.

    block, low, high: (q,) int64, as asked for
    first, counts: (q,) int64, the values that may lie within; at most a few at the ends do not
    """

    block: Values
    low: Values
    high: Values
    first: Values
    counts: Values

    def take(self, which: Values) -> Spans:
        """The spans that an index array names."""
        return Spans(*(getattr(self, name)[which] for name in self.__slots__))


class Blocks:
    """Blocks made by `encode_blocks`, laid end to end.

    counts: (blocks,) int64, how many values each holds
    Raises `DamagedBlockError` where bytes are not what was written.
    """

    def __init__(self, blocks: Sequence[bytes]) -> None:
        lengths = np.fromiter(map(len, blocks), np.int64, len(blocks))
        self._data = np.frombuffer(b"".join([*blocks, bytes(_HEADER.size)]), np.uint8)
        starts = np.cumsum(lengths) - lengths
        self.counts, self._widths = _opened(blocks, lengths, self._data, starts)
        low_size = (self.counts * self._widths + 7) >> 3
        self._low_bits: Values = 8 * (starts + _HEADER.size)
        high_starts = (low_size + _HEADER.size).tolist()
        highs = [block[start:] for block, start in zip(blocks, high_starts, strict=True)]
        self._highs = np.frombuffer(b"".join(highs), np.uint8)
        self._high_bits: Values = 8 * np.maximum(lengths - _HEADER.size - low_size, 0)
        self._high_firsts: Values = np.cumsum(self._high_bits) - self._high_bits
        self._check_counts()

    def _check_counts(self) -> None:
        if len(self) == 0:
            return
        sizes = self._high_bits >> 3
        ones = np.bitwise_count(self._highs)
        empty = not sizes.all()  # every block has a value, and so a byte of upper parts
        first = self._high_firsts >> 3
        if empty or (np.add.reduceat(ones, first, dtype=np.int64) != self.counts).any():
            raise DamagedBlockError("a block holds another number of values than it says")

    @cached_property
    def _words(self) -> npt.NDArray[np.uint64]:
        """The 8 bytes from each byte on, as overlapping numbers."""
        return np.ndarray(max(0, len(self._data) - 7), "<u8", self._data, strides=(1,))

    @cached_property
    def _zeros(self) -> Values:
        """The 0 bits before each byte of upper parts: a search finds the byte of any of them."""
        ones = np.zeros(len(self._highs) + 1, np.int64)
        np.cumsum(np.bitwise_count(self._highs), out=ones[1:])
        return 8 * np.arange(len(ones)) - ones

    def _lower(self, which: Values, block: Values) -> Values:
        """The lower parts of values, each by its number in the given block."""
        width = self._widths[block]
        return self._cut(self._low_bits[block] + which * width, width)

    def _cut(self, bit: Values, width: Values) -> Values:
        """Numbers of so many bits, from each bit on."""
        word: npt.NDArray[np.uint64] = self._words[bit >> 3]
        return (word >> (bit & 7).view(np.uint64)).view(np.int64) & ((np.int64(1) << width) - 1)

    def values(self) -> Values:
        """All values, block after block."""
        kernels = compiled.kernels()
        if kernels:
            value = np.empty(int(self.counts.sum()), np.int64)
            uppers = self._highs, self._high_firsts
            kernels.values(self._words, self._low_bits, *uppers, self._widths, self.counts, value)
            return value
        which, width = ranges(self.counts), np.repeat(self._widths, self.counts)
        lower = self._cut(np.repeat(self._low_bits, self.counts) + which * width, width)
        ones = np.flatnonzero(np.unpackbits(self._highs, bitorder="little").view(np.bool_))
        upper = ones - np.repeat(self._high_firsts, self.counts) - which
        return (upper << width) | lower

    def __len__(self) -> int:
        return len(self.counts)

    def spans(self, block: Values, low: Values, high: Values) -> Spans:
        """Where the values of low <= value < high lie in a block, for many ranges at once.

        block, low, high: (q,) int64; fastest where blocks ascend, and ranges within each
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

    def _below(self, block: Values, upper: Values) -> Values:
        """How many values of a block have a smaller upper part: the 1 bits before a 0 bit."""
        start, count = self._high_firsts[block], self.counts[block]
        zeros = self._high_bits[block] - count  # of the block; past its last one lies no value
        number = self._zeros[start >> 3] + np.minimum(upper, zeros)
        byte = np.maximum(np.searchsorted(self._zeros, number) - 1, 0)
        bit = 8 * byte + _ZERO_AT[self._highs[byte], number - self._zeros[byte] - 1]
        return np.where(upper > zeros, count, np.where(upper > 0, bit - start - upper + 1, 0))

    def read(self, spans: Spans) -> Ranges:
        """The values of ranges."""
        bits = self._bits(spans)
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
        return Ranges(
            np.concatenate([part.query for part in parts]),
            np.concatenate([part.value for part in parts]),
        )

    def _bits(self, spans: Spans) -> Values:
        """How many bits of the upper parts hold each range: up to the 0 that ends its highest."""
        width = self._widths[spans.block]
        lowest, highest = spans.low >> width, (spans.high - 1) >> width
        stop = np.minimum(spans.first + spans.counts + highest, self._high_bits[spans.block])
        return stop - spans.first - lowest

    def _read(self, spans: Spans, bits: Values, which: Values) -> Ranges:
        """The values of the ranges of the given numbers."""
        spans, bits = spans.take(which), bits[which]
        query = np.repeat(np.arange(len(which)), spans.counts)
        lowest = spans.low >> self._widths[spans.block]
        block = spans.block[query]
        upper = lowest[query] + self._zeros_within(spans, lowest, bits)
        lower = self._lower(spans.first[query] + ranges(spans.counts), block)
        value = (upper << self._widths[block]) | lower
        inside = np.flatnonzero((value >= spans.low[query]) & (value < spans.high[query]))
        return Ranges(which[query[inside]], value[inside])

    def _zeros_within(self, spans: Spans, lowest: Values, bits: Values) -> Values:
        """For each value the 0 bits between the start of its span and its own 1 bit."""
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


def _opened(
    blocks: Sequence[bytes], lengths: Values, data: Octets, starts: Values
) -> tuple[Values, Values]:
    """(values, widths) of blocks, after their checksums."""
    short = np.flatnonzero(lengths < _HEADER.size)
    if len(short):
        raise DamagedBlockError(f"{lengths[short[0]]} bytes are too few for a block")
    heads = data[starts[:, None] + np.arange(_HEADER.size)]
    said, counts = np.ascontiguousarray(heads[:, :8]).view("<u4").T
    crcs = np.fromiter((zlib.crc32(memoryview(b)[4:]) for b in blocks), np.uint32, len(blocks))
    wrong = np.flatnonzero(crcs != said)
    if len(wrong):
        size = lengths[wrong[0]]
        raise DamagedBlockError(f"checksum of a block of {size} bytes does not match")
    return counts.astype(np.int64), heads[:, 8].astype(np.int64)
