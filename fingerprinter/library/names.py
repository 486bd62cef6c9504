"""Names as they are compared: one spelling for what people write in many ways."""

from __future__ import annotations

import re
import unicodedata

_NO_WORD = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile("['’`´]")
# Letters that Unicode does not take apart, as they are written without their accent.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})


def plain(name: str) -> str:
    """A name in small letters without accents, apostrophes and punctuation.

    >>> plain("  Sigur Rós - Hoppípolla!"), plain("Rock'n'Roll"), plain("AC/DC")
    ('sigur ros hoppipolla', 'rocknroll', 'ac dc')
    >>> plain("Þæð Øl"), plain("...")
    ('thaed ol', '')
    """
    apart = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char for char in apart if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", _APOSTROPHES.sub("", letters.translate(_LETTERS))).strip()
