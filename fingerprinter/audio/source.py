"""The kinds of audio source, each as a seekable binary file with a printable name."""

from __future__ import annotations

import io
import os
import re
import select
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy.typing as npt

from fingerprinter.audio.field_limit import with_few_fields
from fingerprinter.audio.file_range import without_id3v2
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, UsageError


@dataclass(frozen=True, slots=True)
class FilePart(os.PathLike[str]):
    """A part of a file, such as a track of a cue sheet.

    Attributes
    ----------
    path : str
        The file.
    start_s, end_s : float, and float or None
        Seconds in the file; to the end of the file without ``end_s``.
    """

    path: str
    start_s: float = 0.0
    end_s: float | None = None

    def __fspath__(self) -> str:
        """Return the path of the whole file."""
        return self.path


EncodedSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A path, a `FilePart`, encoded bytes, or a binary file object or pipe."""

AudioSource: TypeAlias = EncodedSource | tuple[npt.NDArray[Any], int]
"""An encoded source, or ``(samples, sr)`` with samples (n,) or (channels, n)."""

PIPE_WAIT_S = 10.0
"""How long a named pipe may give nothing, in seconds."""

_PIPE_BYTES = 1 << 20
# The first bytes of formats that need nothing from their end: MP3, ADTS, Ogg, FLAC, WAV, MPEG-TS
# and Matroska. MP4 may hold its index there.
_STREAMED = re.compile(rb"ID3|\xff[\xe0-\xff]|OggS|fLaC|RIFF|G|\x1aE\xdf\xa3")
_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "no such file",
    IsADirectoryError: "a folder, not a file; name a file in it",
    PermissionError: "no permission to read it",
}


def source_name(source: AudioSource) -> str:
    """Return the name of a source in messages: its path, ``<stdin>``, ``<bytes>`` and so on."""
    if isinstance(source, tuple):
        return "<samples>"
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, str | os.PathLike):
        return printable(os.fspath(source)) or "''"
    label = getattr(source, "name", None)
    return printable(label) if isinstance(label, str) else "<stream>"


def may_be_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether something other than a folder is at a path.

    It is ``True`` also for what cannot be looked at: with no permission, behind a dead mount, or
    with too long a name. Reading it raises the reason.

    >>> may_be_file("nowhere.flac"), may_be_file("a" * 300)
    (False, True)
    """
    try:
        return not stat.S_ISDIR(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        return False
    except OSError:
        return True


def is_streamed(source: object) -> bool:
    """Tell whether a source is a pipe whose audio can be decoded while it comes in.

    Waits until the pipe gives something.
    """
    if not isinstance(source, io.BufferedReader) or source.seekable():
        return False
    return _STREAMED.match(source.peek(4)) is not None


@contextmanager
def as_file(source: EncodedSource, name: str) -> Iterator[BinaryIO]:
    """Open an encoded source as a seekable binary file at position 0, without ID3v2 in front.

    A pipe is first copied to a temporary file, because an MP4 may hold its index at the end.

    Parameters
    ----------
    source : EncodedSource
        A path, encoded bytes, or a binary file object, which stays open afterwards.
    name : str
        Name of the source in messages.

    Yields
    ------
    binary file

    Raises
    ------
    AudioError
        If the source cannot be read or is empty.
    UsageError
        If it is a file object that was opened as text.
    """
    with ExitStack() as resources:
        with read_errors(name):
            if isinstance(source, bytes):
                file: BinaryIO = io.BytesIO(source)
            elif isinstance(source, str | os.PathLike) and not _is_stream(source, name):
                file = resources.enter_context(Path(source).open("rb"))
            else:
                file = cast(BinaryIO, resources.enter_context(tempfile.TemporaryFile()))
                _copy(source, file, name)
                file.seek(0)
            if not file.read(1):
                raise AudioError(f"{name}: empty, not a single byte; was it copied completely?")
            file.seek(0)
            file = with_few_fields(without_id3v2(file))
        yield file


@contextmanager
def path_or_bytes(source: EncodedSource, name: str) -> Iterator[str | bytes]:
    """Give a source the form in which another process can read it.

    Parameters
    ----------
    source, name
        See `as_file`. What is neither a file on the disk nor bytes is copied to a temporary file.

    Yields
    ------
    str or bytes
        An absolute path, or the bytes.

    Raises
    ------
    AudioError, UsageError
        See `as_file`.
    """
    with ExitStack() as resources:
        if isinstance(source, str | os.PathLike) and not _is_stream(source, name):
            source = os.path.abspath(source)
        elif not isinstance(source, bytes):
            folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="fingerprinter-"))
            path = Path(folder, f"audio{Path(name).suffix}")  # FFmpeg looks at the suffix, too
            with read_errors(name), path.open("wb") as copy:
                _copy(source, copy, name)
            source = str(path)
        yield source


@contextmanager
def rereadable(source: AudioSource, name: str) -> Iterator[AudioSource]:
    """Give a source a form that can be read more than once: a pipe is copied to its end.

    Parameters
    ----------
    source
        Any audio.
    name
        Name of the source in messages.

    Raises
    ------
    AudioError, UsageError
        See `as_file`.
    """
    if isinstance(source, tuple | FilePart):
        yield source
    else:
        with path_or_bytes(source, name) as again:
            yield again


@contextmanager
def read_errors(name: str) -> Iterator[None]:
    """Turn an error of the operating system into an `AudioError` that names the source."""
    try:
        yield
    except OSError as error:  # such as a disk with bad sectors, or a mount that is gone
        reason = _REASONS.get(type(error)) or error.strerror or str(error)
        raise AudioError(f"{name}: {reason}") from error


def _is_stream(path: str | os.PathLike[str], name: str) -> bool:
    """Tell whether a path is read like a named pipe; raise `AudioError` if it is no file either.

    A file without a size, such as ``/proc/kmsg``, can also give nothing for ever.
    """
    try:
        with read_errors(name):
            found = Path(path).stat()
    except ValueError as error:  # a NUL in the path
        raise AudioError(f"{name}: no file can have this name") from error
    mode = found.st_mode
    if stat.S_ISDIR(mode):
        raise AudioError(f"{name}: {_REASONS[IsADirectoryError]}")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):  # a device may wait or go on for ever
        raise AudioError(f"{name}: not a regular file")
    return stat.S_ISFIFO(mode) or not found.st_size


def _copy(source: str | os.PathLike[str] | BinaryIO, copy: BinaryIO, name: str) -> None:
    """Copy a file object, or a named pipe as long as somebody writes to it."""
    if isinstance(source, io.TextIOBase):
        raise UsageError(f"{name}: opened as text; open it in binary mode, 'rb'")
    if not isinstance(source, str | os.PathLike):
        shutil.copyfileobj(source, copy)
        return
    with ExitStack() as resources:
        pipe = os.open(source, os.O_RDONLY | os.O_NONBLOCK)  # otherwise it waits for a writer
        resources.callback(os.close, pipe)
        data = b"..."
        while data:
            if not select.select([pipe], [], [], PIPE_WAIT_S)[0]:
                raise AudioError(f"{name}: a pipe that nobody writes to; waited {PIPE_WAIT_S:g} s")
            data = os.read(pipe, _PIPE_BYTES)
            copy.write(data)
