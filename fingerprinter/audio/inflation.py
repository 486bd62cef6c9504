"""A limit for what compressed frames of ID3v2 grow to.

mutagen expands such a frame whole: a file of a megabyte can ask for a gigabyte of memory.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

_MOST_BYTES = 1 << 25  # of all frames of a file together; pictures of FLAC have half of it


@contextmanager
def limited_inflation(most_bytes: int = _MOST_BYTES) -> Iterator[None]:
    """Within this block, mutagen leaves out compressed frames that expand to more than a limit.

    The limit is for the thread that enters the block. Whoever else uses mutagen in this program
    has none.

    Parameters
    ----------
    most_bytes : int
        The limit for all frames together.
    """
    limits = _install().left
    limits.bytes = most_bytes
    try:
        yield
    finally:
        limits.bytes = None


class _Zlib:
    """What mutagen uses of zlib, with a limit for each thread that has one."""

    error = zlib.error

    def __init__(self) -> None:
        self.left = threading.local()

    def decompress(self, data: bytes) -> bytes:
        left: int | None = getattr(self.left, "bytes", None)
        if left is None:
            return zlib.decompress(data)
        expander = zlib.decompressobj()
        found = expander.decompress(data, left + 1)
        self.left.bytes = max(0, left - len(found))
        if len(found) > left:
            raise zlib.error("it expands to too many bytes")
        if not expander.eof:
            raise zlib.error("incomplete or truncated stream")
        return found


@cache
def _install() -> _Zlib:
    """Put the limit between mutagen and zlib; mutagen has no option for it."""
    from mutagen.id3 import _frames

    limited, frames = _Zlib(), cast(Any, _frames)
    frames.zlib = limited
    return limited
