"""Names as they are compared: one spelling for what people write in many ways."""

from __future__ import annotations

import re
import unicodedata

_NO_WORD = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile("['’`´]")
# Letters that Unicode does not take apart, as they are written without their accent.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})


def normalize_name(name: str) -> str:
    """A name in small letters without accents, apostrophes and punctuation.

    >>> normalize_name("  Sigur Rós - Hoppípolla!"), normalize_name("Rock'n'Roll"), normalize_name("AC/DC")
    ('sigur ros hoppipolla', 'rocknroll', 'ac dc')
    >>> normalize_name("Þæð Øl"), normalize_name("...")
    ('thaed ol', '')
    """
    apart = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char for char in apart if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", _APOSTROPHES.sub("", letters.translate(_LETTERS))).strip()
