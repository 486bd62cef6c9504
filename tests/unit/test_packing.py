"""Packed blocks agree with a plain reader that follows the documented layout bit by bit."""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate, pairwise
from math import lgamma, log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.numeric.packing import Blocks, DamagedBlockError, encode_blocks

Values = npt.NDArray[np.int64]

# Values of one block of postings and their bytes. If the bytes change, the layout (docs/format.md)
# has changed, and existing libraries can no longer be read.
GOLDEN_VALUES = [3, 700, 701, 701, 5_000, 123_456, 123_457, 1_000_000]
GOLDEN_BLOCK = "51d7150e08000000100300bc02bd02bd02881340e241e24042df0040"

gaps = st.one_of(st.integers(0, 3), st.integers(0, 1 << 20), st.integers(0, 1 << 55))
runs = st.lists(gaps, min_size=1, max_size=60).map(lambda each: list(accumulate(each)))


def pack(runs: list[list[int]]) -> list[bytes]:
    values = np.array([value for run in runs for value in run], np.int64)
    return encode_blocks(values, np.array([len(run) for run in runs], np.int64))


def read_by_plain_loops(block: bytes) -> list[int]:
    """Read the values of a block bit by bit, as docs/format.md describes it."""
    crc, n, width = struct.unpack_from("<IIB", block)
    assert crc == zlib.crc32(block[4:])
    body = int.from_bytes(block[9:], "little")
    low = [(body >> (i * width)) & ((1 << width) - 1) for i in range(n)]
    high = body >> (8 * ((n * width + 7) // 8))
    ones = [place for place in range(high.bit_length()) if high >> place & 1]
    return [((one - i) << width) | low[i] for i, one in enumerate(ones)]


def with_true_checksum(block: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(block[4:])) + block[4:]


@given(st.lists(runs, max_size=8))
def test_packed_values_are_restored(runs: list[list[int]]) -> None:
    blocks = Blocks(pack(runs))
    assert blocks.values().tolist() == [value for run in runs for value in run]
    assert blocks.counts.tolist() == [len(run) for run in runs]


@given(runs)
def test_the_layout_is_the_documented_one(run: list[int]) -> None:
    assert read_by_plain_loops(pack([run])[0]) == run


@given(st.lists(runs, min_size=1, max_size=6), st.data())
def test_ranges_agree_with_plain_loops(runs: list[list[int]], data: st.DataObject) -> None:
    edges = st.one_of(st.sampled_from([v for run in runs for v in run]), st.integers(0, 1 << 56))
    asked = st.tuples(st.integers(0, len(runs) - 1), edges, st.integers(1, 1 << 30))
    ranges = sorted(data.draw(st.lists(asked, max_size=8)))
    block, low, length = np.array(ranges, np.int64).reshape(-1, 3).T
    blocks = Blocks(pack(runs))
    found = blocks.read(blocks.spans(block, low, low + length))
    expected = [
        (number, value)
        for number, (run, start, extent) in enumerate(ranges)
        for value in runs[run]
        if start <= value < start + extent
    ]
    assert list(zip(found.query.tolist(), found.value.tolist(), strict=True)) == expected


@pytest.mark.parametrize("value", [0, 1, (1 << 56) - 1, 1 << 56, 1 << 62])
def test_a_block_of_one_value_of_any_size(value: int) -> None:
    assert Blocks(pack([[value]])).values().tolist() == [value]


def test_golden_block() -> None:
    (block,) = pack([GOLDEN_VALUES])
    assert block.hex() == GOLDEN_BLOCK
    assert Blocks([bytes.fromhex(GOLDEN_BLOCK)]).values().tolist() == GOLDEN_VALUES


@pytest.mark.parametrize("bits_apart", [14, 20, 30])
@pytest.mark.parametrize("n", [450, 5000])
def test_random_values_take_little_more_than_the_information_bound(n: int, bits_apart: int) -> None:
    """The bound is log2 of the number of ways to choose n values out of the space."""
    space = n << bits_apart
    values = np.sort(np.random.default_rng(n).integers(0, space, n))
    bound = (lgamma(space + 1) - lgamma(n + 1) - lgamma(space - n + 1)) / log(2)
    (block,) = encode_blocks(values, np.array([n]))
    header = 9
    assert 8 * (len(block) - header) < 1.05 * bound


def test_every_flipped_bit_is_detected() -> None:
    (block,) = pack([GOLDEN_VALUES])
    for bit in range(8 * len(block)):
        flipped = bytearray(block)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedBlockError):
            Blocks([block, bytes(flipped)])


def test_missing_and_extra_bytes_are_detected() -> None:
    (block,) = pack([GOLDEN_VALUES])
    for damaged in [*(block[:end] for end in range(len(block))), block + b"\0", block * 2]:
        with pytest.raises(DamagedBlockError):
            Blocks([damaged])


def test_a_wrong_count_in_the_header_is_detected() -> None:
    (block,) = pack([GOLDEN_VALUES])
    wrong = bytearray(block)
    wrong[4] -= 1
    with pytest.raises(DamagedBlockError, match="another number of values"):
        Blocks([with_true_checksum(bytes(wrong))])


def test_blocks_are_packed_one_by_one() -> None:
    """A block's bytes do not depend on its neighbours."""
    runs = [[0], [5, 5, 9], list(range(0, 10_000, 7))]
    assert pack(runs) == [pack([run])[0] for run in runs]
    assert all(len(a) < len(b) for a, b in pairwise(pack(runs)))
