"""The 24 keys and their names."""

from __future__ import annotations

import re
from typing import Final, Literal

Mode = Literal["major", "minor"]

MODES: Final[tuple[Mode, Mode]] = ("major", "minor")
# The spelling with fewer accidentals in most keys; one name for each, so that names can be compared
TONICS: Final = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEY = re.compile(r"([A-G])([#♯b♭]?)\s*(major|maj|dur|minor|min|moll|m|)", re.IGNORECASE)


def parse_key(text: str) -> str:
    """A key's one name out of what people write; raises `ValueError` for what is none.

    >>> parse_key("A minor"), parse_key("f#m"), parse_key("D# min"), parse_key("Cb")
    ('A minor', 'F# minor', 'Eb minor', 'B major')
    """
    written = _KEY.fullmatch(text.strip())
    if written is None:
        raise ValueError(f"{text}: no key; write A minor, F# major or Ebm")
    letter, accidental, mode = written.groups()
    sharps = {"#": 1, "♯": 1, "b": -1, "B": -1, "♭": -1, "": 0}[accidental]
    tonic = TONICS[(_NATURALS[letter.upper()] + sharps) % 12]
    minor = mode == "m" or mode.lower().startswith(("min", "mol"))
    return f"{tonic} {MODES[minor]}"
