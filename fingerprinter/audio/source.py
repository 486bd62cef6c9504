"""The kinds of audio source, each as a seekable binary file with a printable name."""

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
"""A path, encoded bytes, or a binary file object or pipe."""

AudioSource: TypeAlias = EncodedSource | tuple[npt.NDArray[Any], int]
"""An encoded source, or ``(samples, sr)`` with samples (n,) or (channels, n)."""

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
        return printable(os.fspath(source))
    label = getattr(source, "name", None)
    return printable(label) if isinstance(label, str) else "<stream>"


def printable(text: str) -> str:
    r"""Escape what could harm a terminal, so that a text is safe and on one line.

    Names of files and tags come from strangers. Line breaks, control characters, changes of the
    writing direction, invisible characters and bytes that are no Unicode become ``\x1b`` and the
    like. Letters of all scripts stay.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text on one line.

    Examples
    --------
    >>> printable("a\nb"), printable("\x1b[31mé\u202e")
    ('a\\nb', '\\x1b[31mé\\u202e')
    """
    return "".join(
        c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


@contextmanager
def as_file(source: EncodedSource, name: str) -> Iterator[BinaryIO]:
    """Open an encoded source as a seekable binary file at position 0.

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
    if isinstance(source, bytes):
        file: BinaryIO = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        file = _open_path(source, name)
    else:
        file = source
    try:
        with _seekable(file, name) as seekable:
            if not seekable.read(1):
                raise AudioError(f"{name}: empty, not a single byte; was it copied completely?")
            seekable.seek(0)
            yield seekable
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
    """Yield the file itself if it can seek and is at its start, else a temporary copy of it."""
    if isinstance(file, io.TextIOBase):
        raise UsageError(f"{name}: opened as text; open it in binary mode, 'rb'")
    if file.seekable() and file.tell() == 0:
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy
