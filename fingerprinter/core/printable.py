"""Text that is safe to show."""

from __future__ import annotations

from unicodedata import category


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
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
