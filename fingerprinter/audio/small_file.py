"""Read files that somebody names, and that should be small: lists, sheets, settings."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_small_file(path: str | os.PathLike[str], max_bytes: int = 1 << 24) -> bytes:
    """Read a whole file, but nothing that might never end.

    Parameters
    ----------
    path : str or path
        The file.
    max_bytes : int
        How many bytes it may have.

    Returns
    -------
    bytes
        Its content; the null device is empty.

    Raises
    ------
    OSError
        If it cannot be read, is a pipe or a device, or has more bytes. ``strerror`` says which.

    Examples
    --------
    >>> read_small_file("/dev/zero")
    Traceback (most recent call last):
    ...
    OSError: [Errno 22] not a regular file: '/dev/zero'
    """
    if os.fspath(path) == os.devnull:
        return b""
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    with Path(path).open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"more than {max_bytes >> 20} MiB", os.fspath(path))
    return data
