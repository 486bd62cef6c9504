"""Chained Ogg files: several streams one after the other in one file.

Programs that record radio write such files. FFmpeg refuses a chain whose links differ in rate or
channels, and it reports a wrong length for every chain, so the links are decoded one by one.

References
----------
.. [1] S. Pfeiffer, "The Ogg Encapsulation Format Version 0", RFC 3533, 2003, section 6.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PAGE_MARK = b"OggS"
_HEADER_BYTES = 27
_MAX_PAGE_BYTES = 65_307
_BEGIN_OF_STREAM = 2  # flag in byte 5 of the header
_SERIAL_NUMBER = slice(14, 18)  # bytes of the header


def chain_links(file: BinaryIO) -> list[BinaryIO]:
    """Return each link of a chained Ogg file as a file; ``[file]`` for any other file."""
    last = _last_page(file)
    file.seek(0)
    # A cheap hint at a chain: the last page belongs to another stream than the first one.
    if not last or last[_SERIAL_NUMBER] == file.read(_HEADER_BYTES)[_SERIAL_NUMBER]:
        return [file]
    starts = list(_link_starts(file))
    if len(starts) < 2:
        return [file]
    ends = [*starts[1:], file.seek(0, io.SEEK_END)]
    return [
        io.BufferedReader(FileRange(file, start, end))
        for start, end in zip(starts, ends, strict=True)
    ]


def ends_inside_page(file: BinaryIO) -> bool:
    """Tell whether an Ogg file was cut off inside a page; Ogg stores no length to compare with."""
    page = _last_page(file)
    n_segments = page[26] if len(page) >= _HEADER_BYTES else 0
    segments = page[_HEADER_BYTES : _HEADER_BYTES + n_segments]
    return bool(page) and len(page) < _HEADER_BYTES + n_segments + sum(segments)


def _last_page(file: BinaryIO) -> bytes:
    """Return the file from the header of its last page on; empty if it is no Ogg file."""
    file.seek(0)
    if file.read(len(_PAGE_MARK)) != _PAGE_MARK:
        return b""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _MAX_PAGE_BYTES))
    tail = file.read()
    return tail[max(0, tail.rfind(_PAGE_MARK)) :]


def _link_starts(file: BinaryIO) -> Iterator[int]:
    """Yield where each link starts: at a begin-of-stream page that follows a page of another kind.

    A video begins with several begin-of-stream pages, one for each of its streams.
    """
    at, beginning = 0, False
    while True:
        file.seek(at)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_PAGE_MARK):
            return
        if header[5] & _BEGIN_OF_STREAM and not beginning:
            yield at
        beginning = bool(header[5] & _BEGIN_OF_STREAM)
        at += _HEADER_BYTES + header[26] + sum(file.read(header[26]))


class FileRange(io.RawIOBase):
    """The bytes ``start`` to ``end`` of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = start

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self._at - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        origin = (self._start, self._at, self._end)[whence]
        self._at = max(self._start, origin + offset)
        return self.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:  # noqa: D102
        view = memoryview(buffer)
        self._file.seek(self._at)
        data = self._file.read(min(len(view), max(0, self._end - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
