"""The vocabulary of text search: what words mean in terms of the embedding model's tags.

A word is a mixture of tags, without a text model. Tags that a model lacks are left out, so that the
vocabulary works with any model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fingerprinter.core.spelling import normalize_name

Mixture = Mapping[str, float]  # weights by normalised tag name

_CALM: Final = {"mellow": 1.0, "chillout": 1.0, "ambient": 1.0, "chill": 1.0, "metal": -0.5}
_HARD: Final = {"metal": 1.0, "heavy metal": 1.0, "hard rock": 1.0, "punk": 0.5, "mellow": -0.5}
_WOMEN: Final = {"female vocalists": 1.0, "female vocalist": 1.0}
_SUNG: Final = {"female vocalists": 1.0, "male vocalists": 1.0, "instrumental": -1.0}
_DANCE: Final = {"dance": 1.0, "house": 1.0, "party": 1.0, "electro": 0.5}
_SYNTH: Final = {"electronic": 1.0, "electronica": 1.0, "electro": 0.5}
_GLAD: Final = {"happy": 1.0, "party": 0.5, "catchy": 0.5, "sad": -1.0}
_GRAVE: Final = {"sad": 1.0, "mellow": 0.5, "happy": -1.0, "party": -0.5}

# Words that listeners use, and the tags with the same meaning. The tags themselves need no entry.
# A word for which no tag stands (an instrument, a use) has none: it is searched in the names only.
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
_STOP_WORD_LIST = (
    "a an and but for in like music of or some something song songs sound sounds the to track "
    "tracks very with"
)
_STOP_WORDS: Final = frozenset(_STOP_WORD_LIST.split())
_MAX_PHRASE_WORDS = 3
_MINUS = re.compile(r"(?<!\S)-(?=\w)")


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase of a query.

    Attributes
    ----------
    words
        The normalised text.
    wanted
        False if results should not match the term.
    mixture
        The tags that describe its sound; None if there are none.
    """

    words: str
    wanted: bool
    mixture: Mixture | None


class Vocabulary:
    """The words that have a meaning in terms of a model's tags.

    Parameters
    ----------
    tags
        Tags of the embedding model.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        known = {normalize_name(tag) for tag in tags}
        meanings: dict[str, Mixture] = {tag: {tag: 1.0} for tag in known}
        for words, mixture in SYNONYMS:
            usable = {tag: weight for tag, weight in mixture.items() if tag in known}
            if any(weight > 0 for weight in usable.values()):
                meanings |= {normalize_name(word): usable for word in words.split(",")}
        self._meanings = meanings

    def parse(self, query: str) -> list[Term]:
        """Split a query into terms.

        Phrases of up to three words with a meaning are one term. ``-word`` and ``no word`` exclude
        a term. Stop words are dropped.

        Parameters
        ----------
        query
            Text as the user wrote it.

        Examples
        --------
        >>> [(t.words, t.wanted) for t in Vocabulary(["metal"]).parse("aggressive tune, no metal")]
        [('aggressive', True), ('tune', True), ('metal', False)]
        """
        words = normalize_name(_MINUS.sub(" without ", query)).split()
        terms: list[Term] = []
        wanted = True
        while words:
            if words[0] in _NEGATIONS and len(words) > 1:
                wanted, words = False, words[1:]
            count = self._phrase_length(words)
            phrase, words = " ".join(words[:count]), words[count:]
            if phrase not in _STOP_WORDS:
                terms.append(Term(phrase, wanted, self._meanings.get(phrase)))
                wanted = True
        return terms

    def _phrase_length(self, words: Sequence[str]) -> int:
        """Return how many of the first words form a known phrase; 1 if none do."""
        counts = range(min(_MAX_PHRASE_WORDS, len(words)), 0, -1)
        return next((n for n in counts if " ".join(words[:n]) in self._meanings), 1)
