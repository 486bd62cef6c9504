"""What can be read as audio: each as a seekable binary file with a printable name."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from unicodedata import category

import numpy.typing as npt

from fingerprinter.errors import AudioError, UsageError

EncodedSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
AudioSource: TypeAlias = EncodedSource | tuple[npt.NDArray[Any], int]
"""A path, encoded bytes, a file object or pipe, or ``(samples, sr)`` with (n,) or (channels, n)."""

_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "no such file",
    IsADirectoryError: "a folder, not a file; name a file in it",
    PermissionError: "no permission to read it",
}


def source_name(source: AudioSource) -> str:
    """What to call a source in messages: its path, ``<stdin>``, ``<bytes>`` or ``<samples>``."""
    if isinstance(source, tuple):
        return "<samples>"
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, str | os.PathLike):
        return printable(os.fspath(source))
    label = getattr(source, "name", None)
    return printable(label) if isinstance(label, str) else "<stream>"


def printable(name: str) -> str:
    r"""A name on one line that any UTF-8 terminal takes; the rest is escaped.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(
        c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape").decode("ascii")
        for c in name
    )


@contextmanager
def as_file(source: EncodedSource, name: str) -> Iterator[BinaryIO]:
    """The encoded bytes of a source as a seekable binary file at position 0.

    What cannot seek is copied to a temporary file first: an MP4 may hold its
    index at the end. A caller's own file object stays open.
    Raises ``AudioError`` if there is nothing to read, ``UsageError`` for a text file.
    """
    if isinstance(source, bytes):
        file: BinaryIO = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        file = _open_path(source, name)
    else:
        file = source
    try:
        with _seekable(file, name) as seekable:
            yield _not_empty(seekable, name)
    finally:
        if file is not source:
            file.close()


def _open_path(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        reason = _REASONS.get(type(error)) or error.strerror
        raise AudioError(f"{name}: {reason}") from error
    except ValueError as error:  # a NUL in the path
        raise AudioError(f"{name}: no file can have this name") from error


@contextmanager
def _seekable(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    if isinstance(file, io.TextIOBase):
        raise UsageError(f"{name}: opened as text; open it in binary mode, 'rb'")
    if file.seekable() and file.tell() == 0:
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy


def _not_empty(file: BinaryIO, name: str) -> BinaryIO:
    if not file.read(1):
        raise AudioError(f"{name}: empty, not a single byte; was it copied completely?")
    file.seek(0)
    return file
