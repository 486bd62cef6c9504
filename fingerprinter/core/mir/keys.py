"""The 24 keys and their names."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

Mode: TypeAlias = Literal["major", "minor"]

MODES: Final[tuple[Mode, Mode]] = ("major", "minor")
# Each tonic has one name, so that names can be compared: the spelling with fewer accidentals.
TONICS: Final = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "B": -1, "♭": -1, "": 0}
_KEY = re.compile(r"([A-G])([#♯b♭]?)\s*(major|maj|dur|minor|min|moll|m|)", re.IGNORECASE)


def parse_key(text: str) -> str:
    """Return the one name of a key, out of the many ways to write it.

    Raises
    ------
    ValueError
        The text is not a key.

    Examples
    --------
    >>> parse_key("A minor"), parse_key("f#m"), parse_key("D# min"), parse_key("Cb")
    ('A minor', 'F# minor', 'Eb minor', 'B major')
    """
    written = _KEY.fullmatch(text.strip())
    if written is None:
        raise ValueError(f"{text}: no key; write A minor, F# major or Ebm")
    letter, accidental, mode = written.groups()
    tonic = TONICS[(_NATURALS[letter.upper()] + _ACCIDENTALS[accidental]) % 12]
    minor = mode == "m" or mode.lower().startswith(("min", "mol"))
    return f"{tonic} {MODES[minor]}"
