"""Files with absurd numbers of fields, without the fields beyond a limit.

For 100,000 fields of tags, FFmpeg and mutagen need minutes: the time grows with the square of the
number. The sound of such a file is read as it is, and only its first fields count.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fingerprinter.audio.file_range import file_range, id3v2_bytes

MOST_FIELDS = 1000
"""How many fields count: frames of ID3v2, comments of FLAC, chunks of WAV and AIFF."""

_MOST_HEAD_BYTES = 1 << 25  # of what stays in front of the sound
_READ_BYTES = 1 << 16
_UNKNOWN_BYTES = 0x7FFF_F000  # programs that write to a pipe store 2^31 or 2^32 - 1
_NAME = re.compile(rb"[ -~]{4}")
_EMPTY_CHUNKS = re.compile(rb"(?:[ -~]{4}\0{4})+")
_SOUND_CHUNKS = (b"data", b"SSND")
_FLAC_STREAMINFO, _FLAC_SEEKTABLE, _FLAC_COMMENTS, _FLAC_CUESHEET = 0, 3, 4, 5


def with_few_fields(file: BinaryIO) -> BinaryIO:
    """Return a file with no more than `MOST_FIELDS` fields of ID3v2, FLAC, WAV or AIFF.

    Parameters
    ----------
    file : binary file
        A seekable file.

    Returns
    -------
    binary file
        At position 0; the file itself if it has no more.
    """
    file.seek(0)
    magic = file.read(12)
    limited = None
    if magic.startswith(b"ID3") and len(magic) == 12:
        limited = _few_frames(file, magic)
    elif magic.startswith(b"fLaC"):
        limited = _few_comments(file)
    elif magic[:4] in (b"RIFF", b"RF64", b"FORM") and magic[8:] in (b"WAVE", b"AIFF", b"AIFC"):
        limited = _few_chunks(file, magic)
    file.seek(0)
    return limited or file


def has_many_fields(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file has more than `MOST_FIELDS` fields, so that some do not count."""
    with Path(path).open("rb") as file:
        return with_few_fields(file) is not file


def _end(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _few_frames(file: BinaryIO, magic: bytes) -> BinaryIO | None:
    """Cut an ID3v2 tag after its first frames; None if it has no more."""
    end, version, flags = id3v2_bytes(file), magic[3], magic[5]
    at = 10
    if flags & 0x40 and version > 2:  # an extended header
        file.seek(at)
        size = file.read(4)
        at += _syncsafe(size) if version > 3 else 4 + int.from_bytes(size, "big")
    name_bytes, header_bytes = (3, 6) if version == 2 else (4, 10)
    for _ in range(MOST_FIELDS):
        file.seek(at)
        header = file.read(header_bytes)
        if at + header_bytes > end or not header[:name_bytes].isalnum():
            return None
        size = header[name_bytes : 2 * name_bytes]
        at += header_bytes + (_syncsafe(size) if version == 4 else int.from_bytes(size, "big"))
    if at >= end:
        return None
    if at > _MOST_HEAD_BYTES:
        return file_range(file, end, _end(file))
    file.seek(10)
    frames = file.read(at - 10)
    n = len(frames)
    size = bytes([n >> 21 & 127, n >> 14 & 127, n >> 7 & 127, n & 127])
    head = magic[:5] + bytes([flags & ~0x10]) + size + frames  # without a footer
    return file_range(file, end, _end(file), head)


def _syncsafe(data: bytes) -> int:
    """Return a number that is stored with seven bits in each byte."""
    number = 0
    for each in data:
        number = number << 7 | each & 127
    return number


def _few_comments(file: BinaryIO) -> BinaryIO | None:
    """Keep one block of each kind in FLAC, and the first comments; None if there are no more."""
    kept: dict[int, bytes] = {}
    at, n_fields, is_last = 4, 0, False
    while not is_last:
        file.seek(at)
        header = file.read(4)
        if len(header) < 4:
            return None
        kind, size = header[0] & 127, int.from_bytes(header[1:], "big")
        is_last = bool(header[0] & 128)
        n_fields += 1
        if kind == _FLAC_COMMENTS or (
            kind in (_FLAC_STREAMINFO, _FLAC_SEEKTABLE, _FLAC_CUESHEET) and kind not in kept
        ):
            data = file.read(size)
            if kind == _FLAC_COMMENTS:
                n, data = _first_comments(data)
                n_fields += n
            kept.setdefault(kind, data)
        at += 4 + size
    if n_fields <= MOST_FIELDS:
        return None
    head = b"fLaC"
    for number, (kind, data) in enumerate(kept.items(), 1):
        head += bytes([kind | 128 * (number == len(kept))]) + len(data).to_bytes(3, "big") + data
    return file_range(file, at, _end(file), head)


def _first_comments(data: bytes) -> tuple[int, bytes]:
    """Return the number of comments of a block, and the block with the first of them."""
    at = 4 + int.from_bytes(data[:4], "little")
    n, start = int.from_bytes(data[at : at + 4], "little"), at + 4
    if n <= MOST_FIELDS:
        return n, data
    end = start
    for _ in range(MOST_FIELDS):
        end += 4 + int.from_bytes(data[end : end + 4], "little")
    return n, data[:at] + struct.pack("<I", MOST_FIELDS) + data[start:end]


def _few_chunks(file: BinaryIO, magic: bytes) -> BinaryIO | None:
    """Keep the first chunks of WAV or AIFF, and no list of too many fields; None if all are few."""
    order = ">" if magic.startswith(b"FORM") else "<"
    file_end = _end(file)
    kept, n_fields, sound, end = list[tuple[int, int]](), 0, None, file_end
    for name, at, size in _chunks(file, 12, file_end, order):
        n_fields += 1 if name else size // 8
        following = at + 8 + size + size % 2
        if sound is None and name in _SOUND_CHUNKS:
            sound, end = at, min(following, file_end)
        elif sound is None and name:
            n_inside = 0
            if name == b"LIST":
                inside = _chunks(file, at + 12, at + 8 + size, order)
                n_inside = sum(1 for _ in islice(inside, MOST_FIELDS + 1))
            n_fields += n_inside
            is_needed = name in (b"fmt ", b"COMM", b"ds64") or n_fields <= MOST_FIELDS
            if is_needed and n_inside <= MOST_FIELDS and size <= _MOST_HEAD_BYTES:
                kept.append((at, following))
        if sound is not None and n_fields > MOST_FIELDS:
            break
    if n_fields <= MOST_FIELDS or sound is None:
        return None
    chunks = b""
    for start, following in kept:
        file.seek(start)
        chunks += file.read(following - start)
    left_out = file_end - (12 + len(chunks) + end - sound)
    stored = int.from_bytes(magic[4:8], "big" if order == ">" else "little")
    size = stored if stored >= _UNKNOWN_BYTES else max(0, stored - left_out)
    head = magic[:4] + struct.pack(order + "I", size) + magic[8:] + chunks
    return file_range(file, sound, end, head) if len(head) <= _MOST_HEAD_BYTES else None


def _chunks(file: BinaryIO, at: int, end: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and size of the chunks up to one that is none.

    Empty chunks in a row are yielded together, with no name and the size of all of them.
    """
    while at + 8 <= end:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or not _NAME.match(head):
            break
        name, size = struct.unpack(order + "4sI", head)
        if size == 0 and name not in _SOUND_CHUNKS:
            file.seek(at)
            run = _EMPTY_CHUNKS.match(file.read(min(_READ_BYTES, end - at)))
            n_bytes = run.end() if run else 8
            yield b"", at, n_bytes
            at += n_bytes
            continue
        yield name, at, size
        if size == 0:  # a recording whose size was never written; sound follows
            break
        at += 8 + size + size % 2
