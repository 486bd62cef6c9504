"""A part of a file as a file of its own, and files without the ID3v2 tag in front of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ID3V2_HEADER_BYTES = 10
_ID3V2_FOOTER = 0x10  # flag in byte 5 of the header: ten more bytes follow the tag
_MPEG_SYNC = 0xE0  # the upper bits of the second byte of a frame of MP3 or AAC


def file_range(file: BinaryIO, start: int, end: int, head: bytes = b"") -> BinaryIO:
    """Return the bytes ``start`` to ``end`` of a file, after ``head``, as a buffered file."""
    return io.BufferedReader(_FileRange(file, start, end, head))


def without_id3v2(file: BinaryIO) -> BinaryIO:
    """Return a file without the ID3v2 tags in front of it, at position 0.

    Some programs put such a tag in front of any file. FFmpeg then does not recognise WAV, Matroska
    and others. In front of MP3 and AAC the tag stays, because FFmpeg reads the tags of these.

    Parameters
    ----------
    file : binary file
        A seekable file.

    Returns
    -------
    binary file
        The file itself if there is nothing to leave out.
    """
    start = 0
    while (tag_bytes := id3v2_bytes(file, start)) > 0:
        start += tag_bytes
    file.seek(start)
    sound = file.read(2)
    if start and len(sound) == 2 and not (sound[0] == 0xFF and sound[1] >= _MPEG_SYNC):
        file = file_range(file, start, file.seek(0, io.SEEK_END))
    file.seek(0)
    return file


def without_padding(file: BinaryIO) -> BinaryIO:
    """Return a WAV file without the zeros that follow its chunks, and any other file as it is.

    Recorders and recovery programs leave such zeros. FFmpeg takes each eight of them for a chunk.
    The position of the returned file is 0.

    Parameters
    ----------
    file : binary file
        A seekable file.
    """
    file.seek(0)
    magic, at = file.read(12), 12
    while magic.startswith(b"RIFF") and magic.endswith(b"WAVE"):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        if chunk == bytes(8):
            return file_range(file, 0, at)
        size = int.from_bytes(chunk[4:], "little")
        at += 8 + size + size % 2
    file.seek(0)
    return file


def id3v2_bytes(file: BinaryIO, at: int = 0) -> int:
    """Return the length of the ID3v2 tag at a position of a file; 0 if there is none."""
    file.seek(at)
    header = file.read(_ID3V2_HEADER_BYTES)
    if len(header) < _ID3V2_HEADER_BYTES or not header.startswith(b"ID3"):
        return 0
    a, b, c, d = header[6:]  # the size of the tag has seven bits in each byte
    footer_bytes = _ID3V2_HEADER_BYTES if header[5] & _ID3V2_FOOTER else 0
    return _ID3V2_HEADER_BYTES + (a << 21 | b << 14 | c << 7 | d) + footer_bytes


class QuietFile:
    """A file whose failing seeks raise nothing, because a decoder would print the exception.

    Decoders try to seek before the start of damaged files.

    Parameters
    ----------
    file : binary file
        A seekable file.
    """

    def __init__(self, file: BinaryIO) -> None:
        name = getattr(file, "name", None)  # its suffix helps to find the format
        self.name = name if isinstance(name, str) else "<none>"
        self.tell, self._file = file.tell, file

    def read(self, size: int) -> bytes:
        """Read up to a number of bytes."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; return it, or -1 if the file has no such position."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1


class _FileRange(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, end: int, head: bytes) -> None:
        self._file, self._start, self._head = file, start, head
        self._size = len(head) + end - start
        self._at = 0
        self.name = getattr(file, "name", "<none>")  # its suffix helps to find the format

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = (0, self._at, self._size)[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        size = min(len(view), max(0, self._size - self._at))
        behind = self._at - len(self._head)
        if behind < 0:
            data = self._head[self._at : self._at + size]
        else:
            self._file.seek(self._start + behind)
            data = self._file.read(size)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
