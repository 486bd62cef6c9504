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
_CAMELOT = re.compile(r"(1[0-2]|[1-9])([AB])", re.IGNORECASE)
_HOURS = 12  # numbers on the Camelot wheel; one step up is a fifth up
_A_FLAT_MINOR, _B_MAJOR = TONICS.index("Ab"), TONICS.index("B")  # the keys 1A and 1B
_FIFTH = 7  # semitones
_KEY = re.compile(r"([A-G])([#♯b♭]?)\s*(major|maj|dur|minor|min|moll|m|)", re.IGNORECASE)


def parse_key(text: str) -> str:
    """Return the one name of a key, out of the many ways to write it.

    The Camelot wheel of DJs is one of them: 8A is A minor, 8B is C major.

    Raises
    ------
    ValueError
        The text is not a key.

    Examples
    --------
    >>> parse_key("A minor"), parse_key("f#m"), parse_key("D# min"), parse_key("Cb")
    ('A minor', 'F# minor', 'Eb minor', 'B major')
    >>> parse_key("8A"), parse_key("8b"), parse_key("1A")
    ('A minor', 'C major', 'Ab minor')
    """
    on_wheel = _CAMELOT.fullmatch(text.strip())
    if on_wheel:
        first = _A_FLAT_MINOR if on_wheel[2] in "aA" else _B_MAJOR
        tonic = TONICS[(first + _FIFTH * (int(on_wheel[1]) - 1)) % len(TONICS)]
        return f"{tonic} {MODES[on_wheel[2] in 'aA']}"
    written = _KEY.fullmatch(text.strip())
    if written is None:
        raise ValueError(f"{text}: not a key; write A minor, F# major, Ebm or 8A")
    letter, accidental, mode = written.groups()
    tonic = TONICS[(_NATURALS[letter.upper()] + _ACCIDENTALS[accidental]) % 12]
    minor = mode == "m" or mode.lower().startswith(("min", "mol"))
    return f"{tonic} {MODES[minor]}"


def camelot(key: str) -> str:
    """Return the place of a key on the Camelot wheel, on which neighbours mix well.

    Parameters
    ----------
    key : str
        A name that `parse_key` returns.

    Examples
    --------
    >>> camelot("A minor"), camelot("C major"), camelot("Ab minor"), camelot("E major")
    ('8A', '8B', '1A', '12B')
    """
    tonic, _, mode = key.partition(" ")
    first, letter = (_A_FLAT_MINOR, "A") if mode == "minor" else (_B_MAJOR, "B")
    return f"{(TONICS.index(tonic) - first) * _FIFTH % _HOURS + 1}{letter}"


def wheel_neighbours(key: str) -> tuple[str, ...]:
    """Return a key and the keys next to it on the Camelot wheel: a fifth up, down, the relative.

    Parameters
    ----------
    key : str
        A name that `parse_key` returns.

    Examples
    --------
    >>> wheel_neighbours("A minor")
    ('A minor', 'E minor', 'D minor', 'C major')
    """
    place = camelot(key)
    number, letter = int(place[:-1]), place[-1]
    up, down = number % _HOURS + 1, (number - 2) % _HOURS + 1
    other = "B" if letter == "A" else "A"
    near = (place, f"{up}{letter}", f"{down}{letter}", f"{number}{other}")
    return tuple(map(parse_key, near))
