"""Normalised spelling of names, by which names are compared."""

from __future__ import annotations

import re
import unicodedata

_NO_WORD = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile("['’`´]")
# Letters that NFKD does not decompose, and what they become.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})


def normalize_name(name: str) -> str:
    """Return a name in lower case without accents, apostrophes and punctuation.

    Parameters
    ----------
    name : str
        A title, an artist or an album.

    Returns
    -------
    str
        Words of letters and digits, separated by single spaces.

    Examples
    --------
    >>> normalize_name("  Sigur Rós - Hoppípolla!")
    'sigur ros hoppipolla'
    >>> normalize_name("Rock'n'Roll"), normalize_name("AC/DC")
    ('rocknroll', 'ac dc')
    >>> normalize_name("Þæð Øl"), normalize_name("...")
    ('thaed ol', '')
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", _APOSTROPHES.sub("", letters.translate(_LETTERS))).strip()
