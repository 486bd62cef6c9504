"""Text search: ranks tracks by their names and by how well their sound matches the words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from rapidfuzz import fuzz, process
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats, Ids
from fingerprinter.core.spelling import normalize_name
from fingerprinter.core.vectors.tagging import mixture_shares, shares_below, standard_scores
from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel, TextAudioModel
from fingerprinter.errors import ModelError, UsageError
from fingerprinter.library.discover.vocabulary import Term, Vocabulary
from fingerprinter.store.tables import lists, names, tracks, vectors
from fingerprinter.store.tables.lists import NO_FILTER
from fingerprinter.store.tables.names import Fit
from fingerprinter.store.tables.vectors import Matrix
from fingerprinter.types import Neighbour

# Name scores. A track whose name matches comes before all tracks that only sound like the words.
# Tracks with the same name score are ordered by their sound.
_SCORE_OF_FIT = {
    Fit.SAME_NAME: 0.99,
    Fit.NAME_STARTS: 0.97,
    Fit.NAME_CONTAINS: 0.95,
    Fit.ALL_WORDS: 0.92,
}
_NAME_SCORES = np.array([_SCORE_OF_FIT[fit] for fit in Fit], np.float32)
_SOUND_WEIGHT = 0.01  # weight of the sound among tracks with the same name score
_MAX_SOUND_SCORE = 0.9  # largest score of a track whose name does not match
_MIN_SCORE = 0.1  # a track with a lower score is no result

_NOT_IN_NAME = 0.02  # score of a term without a sound, for a track whose names lack it
_NO_EMBEDDING = 0.02  # score of a term with a sound, for a track without an embedding
_IS_A_NAME = 0.5  # factor of the sound of a term that is a name, so that those tracks come first

_MIN_SPELLING_RATIO = 0.8  # Ratcliff-Obershelp similarity of a misspelt word and its correction
_MIN_CORRECTION_LENGTH = 3  # characters; a shorter word is no correction


@dataclass(frozen=True, slots=True)
class TextSearchResult:
    """The result of a text search.

    Attributes
    ----------
    results
        The tracks, best first.
    notes
        Which words were corrected or not understood.
    """

    results: tuple[Neighbour, ...]
    notes: tuple[str, ...] = field(default=())


class Names:
    """Searches the names of the tracks in the full-text index of a library's database.

    Parameters
    ----------
    connection
        Connection whose transaction is the snapshot.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fits(self, query: str) -> tuple[Ids, Floats]:
        """Score how fully the names of tracks fit a query.

        Parameters
        ----------
        query
            Normalised text.

        Returns
        -------
        ids : (n,) int64
            The tracks whose names have all words of the query, or words that begin with them.
        scores : (n,) float32
            0.99 for the same name, less for a name that starts with the query, contains it, or
            contains all its words.
        """
        ids, kinds = names.fits(self._connection, query)
        return ids, _NAME_SCORES[kinds]

    def ids_with(self, words: str, *, whole: bool) -> Ids:
        """Return the tracks with some words in a name, (n,) int64, sorted.

        Parameters
        ----------
        words
            Normalised text.
        whole
            Match whole words only; otherwise the last word may be the beginning of a longer one.
        """
        return names.ids_with_phrase(self._connection, words, whole=whole)

    def has(self, words: str, *, whole: bool) -> bool:
        """Return whether any track has some words in a name, see `ids_with`."""
        return bool(len(names.ids_with_phrase(self._connection, words, whole=whole, limit=1)))

    def closest(self, word: str) -> str | None:
        """Find the word of any name that is spelt most like a word; None if none is close."""
        return closest_word(word, names.vocabulary(self._connection, lengths_like(word)))

    def corrected(self, words: str) -> str:
        """Return normalised words; those that are in no name are replaced, see `closest`."""
        return " ".join(
            word if self.has(word, whole=False) else self.closest(word) or word
            for word in normalize_name(words).split()
        )


def lengths_like(word: str) -> range:
    """Return the lengths of the words that may be spelt like a word.

    A similarity of words of a and b letters is at most 2 min(a, b) / (a + b).
    """
    ratio = _MIN_SPELLING_RATIO / (2 - _MIN_SPELLING_RATIO)
    shortest = max(_MIN_CORRECTION_LENGTH, math.ceil(len(word) * ratio - 1e-6))
    return range(shortest, math.floor(len(word) / ratio + 1e-6) + 1)


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """Find the word that is spelt most like another; None if none is close.

    Notes
    -----
    Words are ranked by the Ratcliff-Obershelp similarity of `difflib`. It is never above the
    similarity by the longest common subsequence, which `rapidfuzz` computes quickly. That
    similarity therefore selects the candidates, without changing the result.
    """
    cutoff = 100 * _MIN_SPELLING_RATIO - 1e-6
    candidates = process.extract(word, words, scorer=fuzz.ratio, score_cutoff=cutoff, limit=None)
    spellings = sorted(candidate for candidate, _, _ in candidates)
    best = difflib.get_close_matches(word, spellings, 1, _MIN_SPELLING_RATIO)
    return best[0] if best else None


IsName = Callable[[str], bool]
"""Tells whether some words stand in a name of a track."""


class TextScorer(Protocol):
    """Scores how well the sound of tracks matches a term."""

    ids: Ids  # (n,) int64, sorted, the tracks that can be scored

    def parse(self, query: str, is_name: IsName) -> list[Term]:
        """Split a query into the terms that are scored separately."""

    def knows(self, term: Term) -> bool:
        """Return whether a term describes a sound."""

    def score(self, term: Term, *, is_name: bool) -> Floats:
        """Return the share of tracks that match a known term less, (n,) float32, 0 to 1."""


class TagScorer:
    """Scores terms as mixtures of the embedding model's tags.

    Parameters
    ----------
    logits
        Tag logits of all tracks.
    tags
        Names of the tags.
    """

    def __init__(self, logits: Matrix, tags: Sequence[str]) -> None:
        self.ids, self._tags = logits.ids, [normalize_name(tag) for tag in tags]
        self._vocabulary = Vocabulary(tags)
        # The matrix of an empty library has no columns.
        self._scores = standard_scores(logits.rows.reshape(len(logits), len(tags)))

    def parse(self, query: str, is_name: IsName) -> list[Term]:
        """Split a query into tags, synonyms of tags, and single words."""
        return self._vocabulary.parse(query)

    def knows(self, term: Term) -> bool:
        """Return whether a term is a tag or a synonym of tags."""
        return term.mixture is not None

    def score(self, term: Term, *, is_name: bool) -> Floats:
        """Score a known term by the weights of its tags, (n,) float32, 0 to 1."""
        return mixture_shares(self._scores, self._tags, term.mixture or {})


class TextAudioScorer:
    """Scores terms with a text-audio model.

    Parameters
    ----------
    model
        The text-audio model.
    vectors
        Its vectors of all tracks.
    tags
        Tags of the embedding model; they only delimit phrases.
    """

    def __init__(self, model: TextAudioModel, vectors: Matrix, tags: Sequence[str]) -> None:
        self.ids, self._units, self._model = vectors.ids, vectors.rows, model
        self._vocabulary = Vocabulary(tags)

    def parse(self, query: str, is_name: IsName) -> list[Term]:
        """Split a query into excluded terms, names of tracks, and one phrase of all other words."""
        terms: list[Term] = []
        phrase: list[str] = []
        for term in self._vocabulary.parse(query):
            if term.wanted and not is_name(term.words):
                phrase.append(term.words)
            else:
                terms.append(term)
        if phrase:
            terms.append(Term(" ".join(phrase), True, None))
        return terms

    def knows(self, term: Term) -> bool:
        """Return True, because a text-audio model can embed any text."""
        return True

    def score(self, term: Term, *, is_name: bool) -> Floats:
        """Score a term by its cosine with each track, (n,) float32, 0 to 1.

        A term that is also a name gets lower scores, so that tracks of that name come first.
        """
        shares = shares_below(self._units @ self._model.embed_text(term.words))
        return shares * np.float32(_IS_A_NAME) if is_name else shares


class SoundIndex:
    """What a text search keeps in memory of one revision of a library: ids, and sound.

    Parameters
    ----------
    ids
        (n,) int64, sorted, all tracks.
    scorer
        Scores the sound of the tracks.
    """

    def __init__(self, ids: Ids, scorer: TextScorer) -> None:
        self.ids, self.scorer = ids, scorer
        self.has_sound = np.isin(ids, scorer.ids)
        self.rows = np.searchsorted(scorer.ids, ids[self.has_sound])


class TextSearch:
    """Answers text queries within one snapshot of a library.

    Parameters
    ----------
    connection
        Connection whose transaction is the snapshot.
    index
        The ids and the sound of the same snapshot.
    """

    def __init__(self, connection: Connection, index: SoundIndex) -> None:
        self._connection, self._names = connection, Names(connection)
        self._index, self._scorer = index, index.scorer

    def search(self, query: str, n: int) -> TextSearchResult:
        """Find the tracks whose name or sound matches a query.

        Parameters
        ----------
        query
            Words, as `Vocabulary.parse` takes them.
        n
            Largest number of results.

        Returns
        -------
        TextSearchResult
            The tracks, best first, and notes on words that were corrected or not understood.

        Raises
        ------
        UsageError
            If the query has no words.

        Notes
        -----
        A term counts by its name or its sound, whichever matches better. The score of a track is
        the geometric mean over the terms, so that a result has to match all of them.
        """
        terms = self._scorer.parse(query, lambda words: self._names.has(words, whole=True))
        named, name_scores = self._names.fits(normalize_name(query))
        if not terms and not len(named):  # words like "song" are no terms, but may be a title
            raise UsageError(f"{query!r}: no word to search for; name a sound, a title, an artist")
        terms, notes = self._correct(terms)
        scores = _MAX_SOUND_SCORE * self._sound_scores(terms)
        rows = np.searchsorted(self._index.ids, named)
        scores[rows] = name_scores + _SOUND_WEIGHT * scores[rows]
        good = np.flatnonzero(scores >= _MIN_SCORE)
        best = good[np.argsort(-scores[good], kind="stable")[:n]]
        ids = self._index.ids[best].tolist()
        known = tracks.get_many(self._connection, ids)
        results = tuple(
            Neighbour(known[track_id], score)
            for track_id, score in zip(ids, scores[best].tolist(), strict=True)
        )
        return TextSearchResult(results, tuple(notes))

    def _correct(self, terms: Sequence[Term]) -> tuple[list[Term], list[str]]:
        """Correct misspelt terms and drop unknown ones; return the terms and notes on both."""
        kept, notes = [], []
        for term in terms:
            if self._scorer.knows(term) or self._names.has(term.words, whole=False):
                kept.append(term)
                continue
            correction = self._names.closest(term.words)
            if correction is None:
                notes.append(f"{term.words}: no tag of the model and no name of the library")
            else:
                notes.append(f"{term.words}: taken for {correction}")
                kept.append(replace(term, words=correction))
        return kept, notes

    def _sound_scores(self, terms: Sequence[Term]) -> Floats:
        """Return the geometric mean of the term scores of each track, (n,); 0 without terms."""
        if not terms:
            return np.zeros(len(self._index.ids), np.float32)
        scores = np.stack([self._term_scores(term) for term in terms])
        return np.exp(np.log(scores).mean(axis=0)).astype(np.float32)

    def _term_scores(self, term: Term) -> Floats:
        """Score one term for each track by name and sound, (n,) float32, above 0 and below 1."""
        index, known = self._index, self._scorer.knows(term)
        named = np.searchsorted(index.ids, self._names.ids_with(term.words, whole=known))
        if known:
            missing = _NO_EMBEDDING if term.wanted else 1 - _NO_EMBEDDING
            scores = np.full(len(index.ids), missing, np.float32)
            shares = self._scorer.score(term, is_name=len(named) > 0)
            scores[index.has_sound] = np.clip(shares, 1e-4, 1 - 1e-4)[index.rows]
        else:
            scores = np.full(len(index.ids), _NOT_IN_NAME, np.float32)
        scores[named] = np.float32(1 - _NOT_IN_NAME)
        return scores if term.wanted else 1 - scores


def read_sound_index(
    connection: Connection, model: EmbeddingModel, text_model: FolderTextAudioModel | None
) -> SoundIndex:
    """Read the ids and embeddings of a library for text search.

    Parameters
    ----------
    connection
        Connection to the library.
    model
        Embedding model, whose tags are used without a text-audio model.
    text_model
        Text-audio model; None to score by tags.

    Raises
    ------
    ModelError
        If no track has been embedded by the text-audio model.
    """
    ids = np.array(lists.track_ids(connection, NO_FILTER, "id"), np.int64)
    if text_model is None:
        matrix = vectors.tag_matrix(connection, model.digest)
        return SoundIndex(ids, TagScorer(matrix, model.tags))
    matrix = vectors.vector_matrix(connection, text_model.digest)
    if not len(matrix):
        raise ModelError(
            f"{text_model.folder}: no track has an embedding of this text-audio model;"
            " run `fingerprinter index` with it on the music"
        )
    return SoundIndex(ids, TextAudioScorer(text_model, matrix, model.tags))
