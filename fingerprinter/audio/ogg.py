"""Chained Ogg files: several streams one after the other in one file.

Programs that record radio write such files. FFmpeg refuses a chain whose links differ in rate or
channels, and it reports a wrong length for every chain, so the links are decoded one by one.

References
----------
.. [1] S. Pfeiffer, "The Ogg Encapsulation Format Version 0", RFC 3533, 2003, section 6.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO

from fingerprinter.audio.file_range import file_range

_PAGE_MARK = b"OggS"
_HEADER_BYTES = 27
_MAX_PAGE_BYTES = 65_307
_BLOCK_BYTES = 1 << 20
_GRANULE_POSITION = slice(6, 14)  # bytes of the header
# The page that begins a stream: version 0, the flag, and granule position 0 or none.
_BEGIN_OF_STREAM = re.compile(rb"OggS\x00[\x02\x06](?:\x00{8}|\xff{8})")
_BEGIN_BYTES = 14  # that this pattern covers
_MAX_LINKS = 10_000  # a hostile file could begin a stream on every page; the last link has the rest


def chain_links(file: BinaryIO) -> list[BinaryIO]:
    """Return each link of a chained Ogg file as a file; ``[file]`` for any file that is no Ogg.

    Rubbish after the last page is left out: FFmpeg would not find that page and guess the length.
    """
    file.seek(0)
    if file.read(len(_PAGE_MARK)) != _PAGE_MARK:
        return [file]
    begins, last_page = _find_pages(file)
    # A video begins with several pages of this kind, one for each of its streams.
    starts = [
        at
        for before, at in pairwise([0, *begins])
        if at and before + _page_bytes(file, before) != at
    ]
    size = file.seek(0, io.SEEK_END)
    end = min(size, last_page + _page_bytes(file, last_page))
    if not starts and end == size:
        return [file]
    borders = [0, *starts[: _MAX_LINKS - 1], end]
    return [file_range(file, start, end) for start, end in pairwise(borders)]


def ends_inside_page(file: BinaryIO) -> bool:
    """Tell whether an Ogg file was cut off inside a page; Ogg stores no length to compare with."""
    file.seek(0)
    if file.read(len(_PAGE_MARK)) != _PAGE_MARK:
        return False
    size = file.seek(0, io.SEEK_END)
    tail_at = max(0, size - _MAX_PAGE_BYTES)
    file.seek(tail_at)
    at = file.read().rfind(_PAGE_MARK)
    return at >= 0 and tail_at + at + _page_bytes(file, tail_at + at) > size


def audio_pages(file: BinaryIO) -> Iterator[bytes]:
    """Yield the contents of the pages of an Ogg stream that hold audio, and no headers.

    These are the pages from the first one with a positive granule position on.
    """
    at, audio = 0, False
    while True:
        file.seek(at)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_PAGE_MARK):
            return
        content = file.read(sum(file.read(header[26])))
        audio = audio or int.from_bytes(header[_GRANULE_POSITION], "little", signed=True) > 0
        if audio:
            yield content
        at += _HEADER_BYTES + header[26] + len(content)


def _find_pages(file: BinaryIO) -> tuple[list[int], int]:
    """Return where pages begin a stream, in order, and where the last page of the file is."""
    begins: list[int] = []
    last_page = at = 0
    file.seek(0)
    block = b""
    while data := file.read(_BLOCK_BYTES):
        block += data
        begins += [at + found.start() for found in _BEGIN_OF_STREAM.finditer(block)]
        found_at = block.rfind(_PAGE_MARK)
        last_page = at + found_at if found_at >= 0 else last_page
        kept = min(len(block), _BEGIN_BYTES - 1)  # a mark may lie across two blocks
        at += len(block) - kept
        block = block[len(block) - kept :]
    return begins, last_page


def _page_bytes(file: BinaryIO, at: int) -> int:
    """Return the length of a page by its header; that of the header if it is cut off."""
    file.seek(at)
    header = file.read(_HEADER_BYTES)
    n_segments = header[26] if len(header) == _HEADER_BYTES else 0
    segments = file.read(n_segments)
    return _HEADER_BYTES + n_segments + sum(segments)
