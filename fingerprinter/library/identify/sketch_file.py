"""The sketches of a large library in a file, sorted into lists, which is mapped into memory.

A library whose sketches do not fit into the memory keeps them a second time in the cache, in the
order of `fingerprinter.core.fingerprint.sketch_lists`. The file is derived: `index` writes it, and
without it landmarks alone propose candidates. Whatever it proposes is scored by the sketches in
the library, so that an old or damaged file can only miss places.

Layout, numbers little-endian, each part from a multiple of 64 bytes on:

    header    8 bytes `FPSKETCH`, u32 crc32 of the rest of the header and of the first three parts,
              u32 bytes of the JSON that follows, with the fields of `_Header`
    ids       i64 of each track
    starts    i64, number of the first sketch of each track, and of the end
    ends      u32 of each list
    rows      u32 of each sketch in the order of the lists: its number in the order of the tracks
    codes     u64 words of each sketch in the order of the lists
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Ids, Longs
from fingerprinter.core.fingerprint.sketch import Codes
from fingerprinter.core.fingerprint.sketch_lists import (
    SketchLists,
    list_bits,
    list_numbers,
    sort_into_lists,
)

FILE_NAME = "sketches.lists"
_FORMAT = 1
_MAGIC = b"FPSKETCH"
_START = struct.Struct("<8sII")
_ALIGNED = 64

Batch = Mapping[int, Codes]
"""Some tracks and their sketches, in the order of the ids."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file holds, and of which library."""

    library_id: str
    version: str
    words: int
    bits: int
    tracks: int
    sketches: int
    format: int = _FORMAT

    def parts(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Return type and shape of each part, in the order of the file."""
        return {
            "ids": (np.dtype("<i8"), (self.tracks,)),
            "starts": (np.dtype("<i8"), (self.tracks + 1,)),
            "ends": (np.dtype("<u4"), (1 << self.bits,)),
            "rows": (np.dtype("<u4"), (self.sketches,)),
            "codes": (np.dtype("<u8"), (self.sketches, self.words)),
        }


@dataclass(frozen=True, slots=True)
class SketchFile:
    """A mapped file of sketches.

    Parameters
    ----------
    ids
        (n,) int64, the tracks in the file, sorted.
    lists
        Their sketches; recordings are numbered as in ``ids``.
    """

    ids: Ids
    lists: SketchLists


def file_state(folder: Path) -> tuple[int, int] | None:
    """Return what tells one file of a library from a later one; None if there is no file."""
    try:
        found = (folder / FILE_NAME).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def open_sketches(folder: Path, library_id: str, version: str, words: int) -> SketchFile | None:
    """Map the file of a library.

    Parameters
    ----------
    folder
        Where derived files of the library lie.
    version, words
        Version of the sketches, and words of 64 bits in each.

    Returns
    -------
    SketchFile or None
        None if there is no file, or it is damaged or of another library, version or format.
    """
    try:
        with (folder / FILE_NAME).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, crc, length = _START.unpack_from(mapped)
        text = mapped[_START.size : _START.size + length]
        header = _Header(**json.loads(text))
        arrays = _arrays(mapped, header, _START.size + length)
    except (OSError, ValueError, TypeError, struct.error):
        return None
    found = zlib.crc32(arrays["ends"].data, _crc(text, arrays["ids"], arrays["starts"]))
    wanted = (_MAGIC, _FORMAT, library_id, version, words, crc)
    if wanted != (magic, header.format, header.library_id, header.version, header.words, found):
        return None
    lists = SketchLists(arrays["codes"], arrays["rows"], arrays["ends"], arrays["starts"])
    return SketchFile(arrays["ids"], lists)


def write_sketches(
    folder: Path,
    library_id: str,
    version: str,
    words: int,
    expected: int,
    read: Callable[[], Iterable[Batch]],
) -> None:
    """Write the file of a library, and replace an earlier one at once.

    The sketches are read twice, and never all in memory.

    Parameters
    ----------
    folder
        Where derived files of the library lie. It is created if needed.
    version, words
        Version of the sketches, and words of 64 bits in each.
    expected
        About how many sketches there are, which decides the number of lists.
    read
        Yields all tracks with their sketches, in the order of the ids.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    bits = list_bits(expected)
    ids, lengths, counts = list[int](), [0], np.zeros(1 << bits, np.int64)
    for batch in read():
        ids += batch
        lengths += map(len, batch.values())
        counts += np.bincount(list_numbers(_compared(batch)[0], bits), minlength=len(counts))
    starts = np.cumsum(lengths, dtype="<i8")
    header = _Header(library_id, version, words, bits, len(ids), int(counts.sum()))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.tmp"
    try:
        _write(path, header, np.array(ids, "<i8"), starts, counts, read)
        path.replace(folder / FILE_NAME)
    finally:
        path.unlink(missing_ok=True)


def _write(
    path: Path,
    header: _Header,
    ids: Ids,
    starts: Longs,
    counts: Longs,
    read: Callable[[], Iterable[Batch]],
) -> None:
    """Write a whole file, and sync it."""
    text = json.dumps(asdict(header)).encode()
    first = _START.size + len(text)
    with path.open("wb+") as file:
        file.truncate(_end(header, first))
        mapped = mmap.mmap(file.fileno(), 0)
        arrays = _arrays(mapped, header, first)
        ends = np.cumsum(counts)
        arrays["ids"][:], arrays["starts"][:], arrays["ends"][:] = ids, starts, ends
        cursors, before = ends - counts, 0
        for batch in read():
            codes, rows = _compared(batch)
            order, place = sort_into_lists(list_numbers(codes, header.bits), cursors)
            arrays["codes"][place] = codes[order]
            arrays["rows"][place] = (before + rows)[order]
            before += sum(map(len, batch.values()))
        crc = zlib.crc32(arrays["ends"].data, _crc(text, arrays["ids"], arrays["starts"]))
        mapped[:first] = _START.pack(_MAGIC, crc, len(text)) + text
        del arrays
        mapped.flush()
        mapped.close()
        os.fsync(file.fileno())


def _compared(batch: Batch) -> tuple[Codes, Longs]:
    """Return the sketches of a batch that are not silent, and their numbers in the batch."""
    codes = np.concatenate(list(batch.values()))
    rows = np.flatnonzero(codes.any(axis=1))
    return codes[rows], rows


def _crc(text: bytes, ids: Ids, starts: Longs) -> int:
    return zlib.crc32(starts.data, zlib.crc32(ids.data, zlib.crc32(text)))


def _end(header: _Header, first: int) -> int:
    """Return the bytes of a file whose parts begin after ``first`` bytes."""
    at = first
    for dtype, shape in header.parts().values():
        at = -(-at // _ALIGNED) * _ALIGNED + dtype.itemsize * int(np.prod(shape))
    return at


def _arrays(mapped: mmap.mmap, header: _Header, first: int) -> dict[str, npt.NDArray[Any]]:
    """Return the parts of a mapped file as arrays; raise `ValueError` where it is too short."""
    arrays, at = {}, first
    for name, (dtype, shape) in header.parts().items():
        at = -(-at // _ALIGNED) * _ALIGNED
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(mapped, dtype, count, at).reshape(shape)
        at += dtype.itemsize * count
    return arrays
