"""Sorted integers in few bits: Rice coding of their differences, many blocks at a time.

A block of n values drawn from a space of U costs about log2(U / n) + 1.5 bits a
value, within a few hundredths of a bit of the information bound (Rice 1979;
bound: log2(U / n) + 1.44). Encoding and decoding are vectorised across blocks.

Layout of a block, numbers little-endian::

    crc32    u32       of everything after it
    n        u32       number of values
    k        u8        width of the low parts
    low      ceil(n * k / 8) bytes: the low k bits of each difference, first value first,
             least significant bit first
    high     the rest: each difference >> k in unary, as that many 0 bits and a 1 bit,
             least significant bit of the first byte first, padded with 0 bits

The first difference of a block is the first value itself.
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
_MAX_WIDTH = 56  # a low part and the bits before it in its first byte fit in 64 bits
_CHUNK = 1 << 18  # values whose bits are spread out at a time; bounds the encoder's memory


class DamagedBlockError(ValueError):
    """A block's bytes do not match their checksum or cannot be a block."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Decoded blocks, end to end.

    values: (n,) int64
    counts: (blocks,) int64, values in each block
    """

    values: Values
    counts: Values


def _differences(values: Values, starts: Values) -> Values:
    differences = np.diff(values, prepend=0)
    differences[starts] = values[starts]
    return differences


def _best_widths(differences: Values, starts: Values, counts: Values) -> Values:
    """The width of low parts that makes each block smallest."""
    mean = np.add.reduceat(differences, starts) / counts
    guess = np.floor(np.log2(np.maximum(mean, 1.0) * np.log(2))).astype(np.int64)
    tried = np.clip(guess + np.array([[-1], [0], [1]]), 0, _MAX_WIDTH)
    bits = [
        counts * (1 + widths) + np.add.reduceat(differences >> np.repeat(widths, counts), starts)
        for widths in tried
    ]
    return tried[np.argmin(bits, axis=0), np.arange(len(counts))]


def _low_bytes(low: Values, width: int) -> bytes:
    """Values of ``width`` bits, end to end, least significant bit first."""
    parts = []
    for start in range(0, len(low), _CHUNK):  # a multiple of 8 values ends on a byte
        part = low[start : start + _CHUNK].astype("<u8").view(np.uint8).reshape(-1, 8)
        bits = np.unpackbits(part, axis=1, bitorder="little", count=width)
        parts.append(np.packbits(bits, bitorder="little").tobytes())
    return b"".join(parts)


def _high_bytes(high: Values) -> bytes:
    """Each value in unary."""
    ones = np.cumsum(high + 1) - 1
    bits = np.zeros(int(ones[-1]) + 1, np.uint8)
    bits[ones] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def encode_blocks(values: Values, counts: Values) -> list[bytes]:
    """Packs consecutive runs of sorted, non-negative values into a block each.

    values: (n,) int64, each run sorted; counts: (blocks,) int64, all positive, sum n

    >>> blocks = encode_blocks(np.array([3, 700, 701]), np.array([3]))
    >>> decode_blocks(blocks).values
    array([  3, 700, 701])
    """
    if len(counts) == 0:
        return []
    ends = np.cumsum(counts)
    starts = ends - counts
    differences = _differences(values, starts)
    widths = _best_widths(differences, starts, counts)
    return [
        _encode_block(differences[start:end], int(width))
        for start, end, width in zip(starts, ends, widths, strict=True)
    ]


def _encode_block(differences: Values, width: int) -> bytes:
    low = _low_bytes(differences & ((1 << width) - 1), width) if width else b""
    body = low + _high_bytes(differences >> width)
    header = _HEADER.pack(0, len(differences), width)[4:]
    return struct.pack("<I", zlib.crc32(body, zlib.crc32(header))) + header + body


def _parse(block: bytes) -> tuple[int, int, int]:
    """(values, width, where the high parts start) of a block, after its checksum."""
    if len(block) < _HEADER.size:
        raise DamagedBlockError(f"{len(block)} bytes are too few for a block")
    crc, n, width = _HEADER.unpack_from(block)
    if zlib.crc32(memoryview(block)[4:]) != crc:
        raise DamagedBlockError(f"checksum of a block of {len(block)} bytes does not match")
    return n, width, _HEADER.size + (n * width + 7) // 8


def _within(counts: Values) -> Values:
    """0, 1, ... count - 1 for each count, end to end."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _read_low(data: bytes, starts: Values, counts: Values, widths: Values) -> Values:
    """The low parts of blocks whose low bytes start at ``starts`` in ``data``."""
    padded = np.frombuffer(data + bytes(8), np.uint8)
    words = np.lib.stride_tricks.sliding_window_view(padded, 8)
    width = np.repeat(widths, counts)
    bit = np.repeat(starts * 8, counts) + _within(counts) * width
    word = words[bit >> 3].view("<u8").ravel()
    mask = (np.uint64(1) << width.astype(np.uint64)) - np.uint64(1)
    return ((word >> (bit & 7).astype(np.uint64)) & mask).astype(np.int64)


def _read_high(highs: Sequence[bytes], counts: Values) -> Values:
    """The high parts, from the distances between 1 bits."""
    bits = np.unpackbits(np.frombuffer(b"".join(highs), np.uint8), bitorder="little")
    ones = np.flatnonzero(bits.view(np.bool_))
    if len(ones) != counts.sum():
        raise DamagedBlockError("a block holds another number of values than it says")
    first_bits = np.cumsum([0, *(8 * len(high) for high in highs[:-1])])
    high = np.diff(ones, prepend=-1) - 1
    starts = np.cumsum(counts) - counts
    high[starts] = ones[starts] - first_bits
    return high


def decode_blocks(blocks: Sequence[bytes]) -> Blocks:
    """The values of blocks made by `encode_blocks`.

    Raises `DamagedBlockError` where bytes are not what was written.
    """
    if not blocks:
        return Blocks(np.empty(0, np.int64), np.empty(0, np.int64))
    parsed = np.array([_parse(block) for block in blocks], np.int64)
    counts, widths, high_starts = parsed.T
    lengths = np.array([len(block) for block in blocks])
    low_starts = np.cumsum(lengths) - lengths + _HEADER.size
    low = _read_low(b"".join(blocks), low_starts, counts, widths)
    highs = [block[start:] for block, start in zip(blocks, high_starts, strict=True)]
    values = np.cumsum((_read_high(highs, counts) << np.repeat(widths, counts)) | low)
    starts = np.cumsum(counts) - counts
    before = np.concatenate([[0], values[starts[1:] - 1]])  # what earlier blocks added up to
    return Blocks(values - np.repeat(before, counts), counts)
