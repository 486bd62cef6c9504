"""Text search: ranks tracks by their names and by how well their sound matches the words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from sqlalchemy import Connection

from fingerprinter.core.arrays import Floats, Ids
from fingerprinter.core.spelling import normalize_name
from fingerprinter.core.vectors.tagging import mixture_shares, shares_below, standard_scores
from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel, TextAudioModel
from fingerprinter.errors import ModelError, UsageError
from fingerprinter.library.discover.vocabulary import Term, Vocabulary
from fingerprinter.store.tables import tracks, vectors
from fingerprinter.store.tables.vectors import Matrix
from fingerprinter.types import Neighbour, Track

# Name scores. A track whose name matches comes before all tracks that only sound like the words.
# Tracks with the same name score are ordered by their sound.
_SAME_NAME, _NAME_STARTS, _NAME_CONTAINS, _ALL_WORDS = 0.99, 0.97, 0.95, 0.92
_SOUND_WEIGHT = 0.01  # weight of the sound among tracks with the same name score
_MAX_SOUND_SCORE = 0.9  # largest score of a track whose name does not match
_MIN_SCORE = 0.1  # a track with a lower score is no result

_NOT_IN_NAME = 0.02  # score of a term without a sound, for a track whose names lack it
_NO_EMBEDDING = 0.02  # score of a term with a sound, for a track without an embedding
_IS_A_NAME = 0.5  # factor of the sound of a term that is a name, so that those tracks come first

_MIN_SPELLING_RATIO = 0.8  # Ratcliff-Obershelp similarity of a misspelt word and its correction
_MIN_CORRECTION_LENGTH = 3  # characters; a shorter word is no correction
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])")  # between two joined words, as in "LoveSong"


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


class NameIndex:
    """The names of the tracks of a library: title, artist, album, genre and file name.

    Parameters
    ----------
    tracks
        All tracks of the library.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.tracks = list(tracks)
        self._names = [_normalized_names(track) for track in self.tracks]
        # All names of a track in one text. Two spaces separate names, one space separates words.
        self._texts = [f" {'  '.join(names)} " for names in self._names]

    def scores(self, query: str) -> Floats:
        """Score how fully the name of each track matches a query.

        Parameters
        ----------
        query
            Normalized text.

        Returns
        -------
        (n,) float32
            0.99 for the same name, less for a name that starts with the query, contains it, or
            contains all its words; 0 otherwise.
        """
        words = query.split()
        if not words:
            return np.zeros(len(self.tracks), np.float32)
        pairs = zip(self._names, self._texts, strict=True)
        return np.array(
            [_name_score(names, text, query, words) for names, text in pairs], np.float32
        )

    def contains(self, words: str, *, whole: bool) -> npt.NDArray[np.bool_]:
        """Return which tracks have some words in a name, (n,) bool.

        Parameters
        ----------
        words
            Normalized text.
        whole
            Match whole words only; otherwise the last word may be the beginning of a longer one.
        """
        text = f" {words} " if whole else f" {words}"
        return np.array([text in names for names in self._texts], np.bool_)

    def closest(self, word: str) -> str | None:
        """Find the word of any name that is spelt most like a word; None if none is close.

        Notes
        -----
        Words are ranked by the Ratcliff-Obershelp similarity of `difflib`. It is never above the
        similarity by the longest common subsequence, which `rapidfuzz` computes quickly. That
        similarity therefore selects the candidates, without changing the result.
        """
        cutoff = 100 * _MIN_SPELLING_RATIO - 1e-6
        candidates = process.extract(
            word, self._words, scorer=fuzz.ratio, score_cutoff=cutoff, limit=None
        )
        spellings = [candidate for candidate, _, _ in candidates]
        best = difflib.get_close_matches(word, spellings, 1, _MIN_SPELLING_RATIO)
        return best[0] if best else None

    @cached_property
    def _words(self) -> list[str]:
        """The distinct words of all names, sorted."""
        words = {word for text in self._texts for word in text.split()}
        return sorted(word for word in words if len(word) >= _MIN_CORRECTION_LENGTH)


def _normalized_names(track: Track) -> list[str]:
    """Return the distinct normalized names of a track."""
    stem = Path(track.path).stem if track.path else ""
    names = (track.title, track.artist, track.album, track.genre, stem)
    split = (_CASE_CHANGE.sub(" ", name) for name in (track.title or "", stem))
    return list(dict.fromkeys(normalize_name(name or "") for name in (*names, *split)))


def _name_score(names: Sequence[str], text: str, query: str, words: Sequence[str]) -> float:
    """Return the name score of one track; `text` holds all its names."""
    if not all(f" {word}" in text for word in words):
        return 0.0
    if query in names:
        return _SAME_NAME
    if any(name.startswith(f"{query} ") for name in names):
        return _NAME_STARTS
    return _NAME_CONTAINS if f" {query} " in text else _ALL_WORDS


class TextScorer(Protocol):
    """Scores how well the sound of tracks matches a term."""

    ids: Ids  # (n,) int64, sorted, the tracks that can be scored

    def parse(self, query: str) -> list[Term]:
        """Split a query into the terms that are scored separately."""

    def knows(self, term: Term) -> bool:
        """Return whether a term describes a sound."""

    def score(self, term: Term) -> Floats:
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

    def parse(self, query: str) -> list[Term]:
        """Split a query into tags, synonyms of tags, and single words."""
        return self._vocabulary.parse(query)

    def knows(self, term: Term) -> bool:
        """Return whether a term is a tag or a synonym of tags."""
        return term.mixture is not None

    def score(self, term: Term) -> Floats:
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
    names
        Names of the tracks.
    """

    def __init__(
        self, model: TextAudioModel, vectors: Matrix, tags: Sequence[str], names: NameIndex
    ) -> None:
        self.ids, self._units, self._model = vectors.ids, vectors.rows, model
        self._vocabulary, self._names = Vocabulary(tags), names

    def parse(self, query: str) -> list[Term]:
        """Split a query into excluded terms, names of tracks, and one phrase of all other words."""
        terms: list[Term] = []
        phrase: list[str] = []
        for term in self._vocabulary.parse(query):
            if term.wanted and not self._is_name(term):
                phrase.append(term.words)
            else:
                terms.append(term)
        if phrase:
            terms.append(Term(" ".join(phrase), True, None))
        return terms

    def knows(self, term: Term) -> bool:
        """Return True, because a text-audio model can embed any text."""
        return True

    def score(self, term: Term) -> Floats:
        """Score a term by its cosine with each track, (n,) float32, 0 to 1.

        A term that is also a name gets lower scores, so that tracks of that name come first.
        """
        shares = shares_below(self._units @ self._model.embed_text(term.words))
        return shares * np.float32(_IS_A_NAME) if self._is_name(term) else shares

    def _is_name(self, term: Term) -> bool:
        return bool(self._names.contains(term.words, whole=True).any())


class TextSearch:
    """Answers text queries within one snapshot of a library.

    Parameters
    ----------
    names
        Names of all tracks.
    scorer
        Scores the sound of the tracks.
    """

    def __init__(self, names: NameIndex, scorer: TextScorer) -> None:
        self._names, self._scorer = names, scorer
        ids = np.array([track.id for track in names.tracks], np.int64)
        self._has_sound = np.isin(ids, scorer.ids)
        self._rows = np.searchsorted(scorer.ids, ids[self._has_sound])

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
        terms = self._scorer.parse(query)
        if not terms:
            raise UsageError(f"{query!r}: no word to search for; name a sound, a title, an artist")
        terms, notes = self._correct(terms)
        sound = _MAX_SOUND_SCORE * self._sound_scores(terms)
        names = self._names.scores(normalize_name(query))
        scores = np.where(names > 0, names + _SOUND_WEIGHT * sound, sound)
        best = np.argsort(-scores, kind="stable")[:n]
        results = tuple(
            Neighbour(self._names.tracks[i], float(scores[i]))
            for i in best
            if scores[i] >= _MIN_SCORE
        )
        return TextSearchResult(results, tuple(notes))

    def _correct(self, terms: Sequence[Term]) -> tuple[list[Term], list[str]]:
        """Correct misspelt terms and drop unknown ones; return the terms and notes on both."""
        kept, notes = [], []
        for term in terms:
            if self._scorer.knows(term) or self._names.contains(term.words, whole=False).any():
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
            return np.zeros(len(self._names.tracks), np.float32)
        scores = np.stack([self._term_scores(term) for term in terms])
        return np.exp(np.log(scores).mean(axis=0)).astype(np.float32)

    def _term_scores(self, term: Term) -> Floats:
        """Score one term for each track by name and sound, (n,) float32, above 0 and below 1."""
        n = len(self._names.tracks)
        known = self._scorer.knows(term)
        if known:
            missing = _NO_EMBEDDING if term.wanted else 1 - _NO_EMBEDDING
            scores = np.full(n, missing, np.float32)
            scores[self._has_sound] = np.clip(self._scorer.score(term), 1e-4, 1 - 1e-4)[self._rows]
        else:
            scores = np.full(n, _NOT_IN_NAME, np.float32)
        named = self._names.contains(term.words, whole=known)
        scores = np.where(named, np.float32(1 - _NOT_IN_NAME), scores)
        return scores if term.wanted else 1 - scores


def build_text_search(
    connection: Connection, model: EmbeddingModel, text_model: FolderTextAudioModel | None
) -> TextSearch:
    """Read the names and embeddings of a library for text search.

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
    names = NameIndex(tracks.iterate(connection))
    if text_model is None:
        return TextSearch(
            names, TagScorer(vectors.tag_matrix(connection, model.digest), model.tags)
        )
    matrix = vectors.vector_matrix(connection, text_model.digest)
    if not len(matrix):
        raise ModelError(
            f"{text_model.folder}: no track has an embedding of this text-audio model;"
            " run `fingerprinter index` with it on the music"
        )
    return TextSearch(names, TextAudioScorer(text_model, matrix, model.tags, names))
