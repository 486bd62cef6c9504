"""What words say of the sound of music, in the tags that the model hears.

No text model: a listener's word is a mixture of tags. A tag that a model does not have
is left out, so that another model brings its own words with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fingerprinter.library.base.normalize import normalize_name

Mixture = Mapping[str, float]  # weights of tags, by their plain names

_CALM: Final = {"mellow": 1.0, "chillout": 1.0, "ambient": 1.0, "chill": 1.0, "metal": -0.5}
_HARD: Final = {"metal": 1.0, "heavy metal": 1.0, "hard rock": 1.0, "punk": 0.5, "mellow": -0.5}
_WOMEN: Final = {"female vocalists": 1.0, "female vocalist": 1.0}
_SUNG: Final = {"female vocalists": 1.0, "male vocalists": 1.0, "instrumental": -1.0}
_DANCE: Final = {"dance": 1.0, "house": 1.0, "party": 1.0, "electro": 0.5}
_SYNTH: Final = {"electronic": 1.0, "electronica": 1.0, "electro": 0.5}
_GLAD: Final = {"happy": 1.0, "party": 0.5, "catchy": 0.5, "sad": -1.0}
_GRAVE: Final = {"sad": 1.0, "mellow": 0.5, "happy": -1.0, "party": -0.5}

# Words that people use, and the tags that share their meaning. The tags themselves need no entry.
# Of what no tag stands for (an instrument, a use) there is none: there the names must answer.
SYNONYMS: Final[Sequence[tuple[str, Mixture]]] = (
    ("calm, quiet, peaceful, relaxing, relaxed, gentle, soft, soothing, sleep, sleepy", _CALM),
    ("aggressive, angry, heavy, hard, loud, brutal, thrash, death metal, intense", _HARD),
    ("female vocals, female singer, female voice, woman, women", _WOMEN),
    ("male vocals, male singer, male voice", {"male vocalists": 1.0}),
    ("vocals, vocal, voice, singing, singer, sung, lyrics", _SUNG),
    ("danceable, club, disco, dancing, edm", _DANCE),
    ("techno, trance", {**_SYNTH, **_DANCE}),
    ("synth, synthesizer, synthpop, chiptune, idm", _SYNTH),
    ("cheerful, joyful, upbeat, fun, uplifting", _GLAD),
    ("melancholy, melancholic, sorrowful, gloomy, depressing", _GRAVE),
    ("rap, hiphop", {"hip hop": 1.0}),
    ("r&b, rhythm and blues", {"rnb": 1.0}),
    ("soft rock, ballad", {"rock": 1.0, "mellow": 1.0}),
    ("prog, prog rock, progressive", {"progressive rock": 1.0}),
    ("vintage, old, retro, 50s, 1950s", {"oldies": 1.0, "60s": 0.5}),
    ("unplugged, singer songwriter", {"acoustic": 1.0, "folk": 0.5, "electronic": -0.5}),
    ("strange, weird, avant garde, noise", {"experimental": 1.0}),
    ("atmospheric, atmosphere, drone", {"ambient": 1.0}),
    ("1960s", {"60s": 1.0}),
    ("1970s", {"70s": 1.0}),
    ("1980s", {"80s": 1.0}),
    ("1990s", {"90s": 1.0}),
    ("2000s", {"00s": 1.0}),
    ("pretty, lovely", {"beautiful": 1.0}),
    ("guitars", {"guitar": 1.0}),
    ("jazzy, swing", {"jazz": 1.0}),
    ("bluesy", {"blues": 1.0}),
    ("funky", {"funk": 1.0}),
    ("folky", {"folk": 1.0}),
)

_NEGATIONS: Final = frozenset(("no", "not", "without", "non", "minus"))
_LITTLE_WORDS = (
    "a an and but for in like music of or some something song songs sound sounds the to track "
    "tracks very with"
)
_FILLERS: Final = frozenset(_LITTLE_WORDS.split())
_LONGEST = 3  # words of a phrase
_MINUS = re.compile(r"(?<!\S)-(?=\w)")


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a question: a word or a phrase that is wanted, or is not.

    mixture: what it says of the sound; None where no tag stands for it
    """

    words: str
    wanted: bool
    mixture: Mixture | None


class Vocabulary:
    """The words that a model's tags give a meaning to."""

    def __init__(self, tags: Sequence[str]) -> None:
        known = {normalize_name(tag) for tag in tags}
        meanings: dict[str, Mixture] = {tag: {tag: 1.0} for tag in known}
        for words, mixture in SYNONYMS:
            heard = {tag: weight for tag, weight in mixture.items() if tag in known}
            if any(weight > 0 for weight in heard.values()):
                meanings |= {normalize_name(each): heard for each in words.split(",")}
        self._meanings = meanings

    def parse(self, question: str) -> list[Term]:
        """The terms of a question; ``-word`` and ``no word`` are not wanted.

        >>> [(t.words, t.wanted) for t in Vocabulary(["metal"]).parse("aggressive tune, no metal")]
        [('aggressive', True), ('tune', True), ('metal', False)]
        """
        words = normalize_name(_MINUS.sub(" without ", question)).split()
        return list(self._terms(words))

    def _terms(self, words: list[str]) -> Iterator[Term]:
        wanted = True
        while words:
            if words[0] in _NEGATIONS and len(words) > 1:
                wanted, words = False, words[1:]
            count = self._phrase(words)
            phrase = " ".join(words[:count])
            if phrase not in _FILLERS:
                yield Term(phrase, wanted, self._meanings.get(phrase))
                wanted = True
            words = words[count:]

    def _phrase(self, words: list[str]) -> int:
        """How many of the first words have a meaning together; 1 where none have."""
        counts = range(min(_LONGEST, len(words)), 0, -1)
        return next((n for n in counts if " ".join(words[:n]) in self._meanings), 1)
