"""Chained Ogg: several streams one after the other in one file, as radio recorders write them.

FFmpeg refuses a chain whose links differ in rate or channels and mistakes the
length of every chain, so the links are decoded one by one.
Page layout: RFC 3533, section 6.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PAGE = b"OggS"
_HEADER_BYTES = 27
_MAX_PAGE_BYTES = 65_307
_BEGIN_OF_STREAM = 2


def chain_links(file: BinaryIO) -> list[BinaryIO]:
    """Each link of a chained Ogg file as a file of its own; ``[file]`` for everything else."""
    starts = list(_link_starts(file)) if _ends_in_another_stream(file) else []
    if len(starts) < 2:
        return [file]
    ends = [*starts[1:], file.seek(0, io.SEEK_END)]
    return [
        io.BufferedReader(_Window(file, start, end))
        for start, end in zip(starts, ends, strict=True)
    ]


def ends_inside_page(file: BinaryIO) -> bool:
    """Whether an Ogg file was cut off; it has no length to hold it against."""
    page = _last_page(file)
    n_segments = page[26] if len(page) >= _HEADER_BYTES else 0
    segments = page[_HEADER_BYTES : _HEADER_BYTES + n_segments]
    return bool(page) and len(page) < _HEADER_BYTES + n_segments + sum(segments)


def _ends_in_another_stream(file: BinaryIO) -> bool:
    """Whether the last page has another serial number than the first: a cheap hint at a chain."""
    last = _last_page(file)
    file.seek(0)
    return last[14:18] != file.read(_HEADER_BYTES)[14:18] if last else False


def _last_page(file: BinaryIO) -> bytes:
    """From the last page's header to the end of the file; empty if the file is no Ogg."""
    file.seek(0)
    if file.read(len(_PAGE)) != _PAGE:
        return b""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _MAX_PAGE_BYTES))
    tail = file.read()
    return tail[max(0, tail.rfind(_PAGE)) :]


def _link_starts(file: BinaryIO) -> Iterator[int]:
    """Where a group of begin-of-stream pages starts; a video opens with several at once."""
    at, beginning = 0, False
    while True:
        file.seek(at)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_PAGE):
            return
        if header[5] & _BEGIN_OF_STREAM and not beginning:
            yield at
        beginning = bool(header[5] & _BEGIN_OF_STREAM)
        at += _HEADER_BYTES + header[26] + sum(file.read(header[26]))


class _Window(io.RawIOBase):
    """Bytes ``start`` to ``end`` of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = (self._start, self._at, self._end)[whence]
        self._at = max(self._start, origin + offset)
        return self.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        self._file.seek(self._at)
        data = self._file.read(min(len(view), max(0, self._end - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
