"""Titles of Icecast and SHOUTcast stations, which stand between the bytes of the sound.

After each ``icy-metaint`` bytes of sound comes a byte with the length of a block in units of 16
bytes, and the block: ``StreamTitle='Artist - Title';`` padded with zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_UNIT = 16  # bytes
_TITLE = re.compile(r"StreamTitle='(.*?)'(?:;|$)", re.DOTALL)
MAX_INTERVAL = 1 << 20
"""Bytes of sound between two titles that are believed; stations have 8 to 32 kB."""


def split_titles(chunks: Iterable[bytes], interval: int) -> Iterator[bytes | str]:
    r"""Take the titles out of a stream.

    Parameters
    ----------
    chunks : iterable of bytes
        The body as it comes in, cut anywhere.
    interval : int
        Bytes of sound between two blocks of titles.

    Yields
    ------
    bytes or str
        Sound, or a title that was sent. Empty blocks say that the title is unchanged.

    Examples
    --------
    >>> block = b"\x01StreamTitle='A';"  # the length, and 16 bytes
    >>> list(split_titles([b"soun" + block[:3], block[3:] + b"d"], 4))
    [b'soun', 'A', b'd']
    """
    buffer, left = bytearray(), interval
    for chunk in chunks:
        buffer += chunk
        while buffer:
            if left:
                sound = bytes(buffer[:left])
                del buffer[: len(sound)]
                left -= len(sound)
                yield sound
                continue
            length = 1 + _UNIT * buffer[0]
            if len(buffer) < length:
                break
            title = parse_title(bytes(buffer[1:length]))
            del buffer[:length]
            left = interval
            if title is not None:
                yield title


def parse_title(block: bytes) -> str | None:
    """Return the title in a block; None if the block has none.

    Titles are UTF-8, or else Latin-1, as older stations send them.
    """
    try:
        text = block.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        text = block.rstrip(b"\0").decode("latin-1")
    found = _TITLE.search(text)
    return found[1].strip() if found else None
