"""Search by words: by what a track is called, and by how it sounds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter.core.vectors.tagging import mixture_shares, shares_below, standard_scores
from fingerprinter.embedding import EmbeddingModel, FolderTextAudioModel, TextAudioModel
from fingerprinter.errors import ModelError, UsageError
from fingerprinter.library.base.normalize import normalize_name
from fingerprinter.library.discover.vocabulary import Term, Vocabulary
from fingerprinter.store.tables import tracks, vectors
from fingerprinter.store.tables.vectors import Matrix
from fingerprinter.types import Neighbour, Track

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# A track that is called as the question says comes before all that sound so: in the order of these
# levels, and within one by sound.
_SAME, _BEGINS, _INSIDE, _EVERY_WORD = 0.99, 0.97, 0.95, 0.92
_SOUND_WEIGHT = 0.01  # of the sound, within a level
_LEAST = 0.1  # what is less is not found
_LOUDEST = 0.9  # what sound alone can reach
_ABSENT = 0.02  # how much of a word is in a track whose names lack it
_SILENT = 0.02  # how much of any sound is in a track without an embedding
_NAMELESS = 0.5  # of how a word sounds, where other tracks have it in a name: those come first
_JOINT = re.compile(r"(?<=[a-z])(?=[A-Z])")  # between two words that are written as one
_CLOSE = 0.8  # likeness of letters (Ratcliff & Obershelp) at which a word is meant for another


@dataclass(frozen=True, slots=True)
class TextSearchResult:
    """The tracks found, best first; notes: which words were taken for others or not understood."""

    results: tuple[Neighbour, ...]
    notes: tuple[str, ...] = field(default=())


class NameIndex:
    """What the tracks of a library are called, in one spelling."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.tracks = list(tracks)
        self._names = [_names(track) for track in self.tracks]
        self._whole = [f" {'  '.join(names)} " for names in self._names]

    def levels(self, question: str) -> Floats:
        """(n,): how fully each track is called as the question says, 0 where it is not."""
        words = question.split()
        if not words:
            return np.zeros(len(self.tracks), np.float32)
        pairs = zip(self._names, self._whole, strict=True)
        return np.array(
            [_level(names, whole, question, words) for names, whole in pairs], np.float32
        )

    def having(self, words: str, *, whole: bool) -> npt.NDArray[np.bool_]:
        """(n,): which tracks have some words in a name, as whole words or at their beginning."""
        wanted = f" {words} " if whole else f" {words}"
        return np.array([wanted in names for names in self._whole], np.bool_)

    def closest(self, word: str) -> str | None:
        """The word of any name that is spelt most like a word; None where none is near."""
        return next(iter(difflib.get_close_matches(word, self._words, 1, _CLOSE)), None)

    @cached_property
    def _words(self) -> list[str]:
        return sorted({word for names in self._whole for word in names.split() if len(word) > 2})


def _names(track: Track) -> list[str]:
    stem = Path(track.path).stem if track.path else ""
    said = (track.title, track.artist, track.album, track.genre, stem)
    apart = (_JOINT.sub(" ", name) for name in (track.title or "", stem))
    return list(dict.fromkeys(normalize_name(name or "") for name in (*said, *apart)))


def _level(names: Sequence[str], whole: str, question: str, words: Sequence[str]) -> float:
    if not all(f" {word}" in whole for word in words):
        return 0.0
    if question in names:
        return _SAME
    if any(name.startswith(f"{question} ") for name in names):
        return _BEGINS
    return _INSIDE if f" {question} " in whole else _EVERY_WORD


class TextScorer(Protocol):
    """What says how much of some words is in the sound of tracks."""

    ids: Ids  # of the tracks that it has heard, sorted

    def terms(self, question: str) -> list[Term]:
        """The parts of a question, each of which is heard by itself."""

    def hears(self, term: Term) -> bool:
        """Whether it has a sound at all."""

    def shares(self, term: Term) -> Floats:
        """(n,): what share of those tracks has less of a term that has a sound, 0..1."""


class TagScorer:
    """Hears words as mixtures of the embedding model's tags."""

    def __init__(self, logits: Matrix, tags: Sequence[str]) -> None:
        self.ids, self._tags = logits.ids, [normalize_name(tag) for tag in tags]
        self._vocabulary = Vocabulary(tags)
        # of no tracks the rows have no width
        self._scores = standard_scores(logits.rows.reshape(len(logits), len(tags)))

    def terms(self, question: str) -> list[Term]:
        """Tags, words that stand for some, and all others."""
        return self._vocabulary.parse(question)

    def hears(self, term: Term) -> bool:
        """Whether a tag stands for it."""
        return term.mixture is not None

    def shares(self, term: Term) -> Floats:
        """By the weights of its tags."""
        return mixture_shares(self._scores, self._tags, term.mixture or {})


class TextAudioScorer:
    """Hears words as a text-audio model does; all that are no name are read together."""

    def __init__(
        self, model: TextAudioModel, heard: Matrix, tags: Sequence[str], names: NameIndex
    ) -> None:
        self.ids, self._units, self._model = heard.ids, heard.rows, model
        self._vocabulary, self._names = Vocabulary(tags), names

    def terms(self, question: str) -> list[Term]:
        """What is not wanted, what some track is called, and the words between as one."""
        return list(self._joined(self._vocabulary.parse(question)))

    def _joined(self, terms: Sequence[Term]) -> Iterator[Term]:
        phrase: list[str] = []
        for term in terms:
            if term.wanted and not self._is_name(term):
                phrase.append(term.words)
            else:
                yield term
        if phrase:
            yield Term(" ".join(phrase), True, None)

    def hears(self, term: Term) -> bool:
        """Every word is somewhere among the sounds."""
        return True

    def shares(self, term: Term) -> Floats:
        """By the cosine; less of what is a name, so that the tracks of that name come first."""
        shares = shares_below(self._units @ self._model.read(term.words))
        return shares * np.float32(_NAMELESS) if self._is_name(term) else shares

    def _is_name(self, term: Term) -> bool:
        return bool(self._names.having(term.words, whole=True).any())


class TextSearch:
    """Questions in words over one state of a library."""

    def __init__(self, names: NameIndex, ear: TextScorer) -> None:
        self._names, self._ear = names, ear
        ids = np.array([track.id for track in names.tracks], np.int64)
        self._heard = np.isin(ids, ear.ids)
        self._rows = np.searchsorted(ear.ids, ids[self._heard])

    def ask(self, question: str, n: int) -> TextSearchResult:
        """The tracks that are called or sound as the words say, best first.

        Each term counts by its name or its sound, whichever is more; a track is as good as the
        geometric mean of its terms, so that it must have all of them.
        Raises `UsageError` for a question without words.
        """
        terms = self._ear.terms(question)
        if not terms:
            raise UsageError(
                f"{question!r}: no word to search for; name a sound, a title, an artist"
            )
        terms, notes = self._understood(terms)
        sound = _LOUDEST * self._sound(terms)
        called = self._names.levels(normalize_name(question))
        found = np.where(called > 0, called + _SOUND_WEIGHT * sound, sound)
        return TextSearchResult(tuple(self._best(found, n)), tuple(notes))

    def _best(self, found: Floats, n: int) -> Iterable[Neighbour]:
        order = np.argsort(-found, kind="stable")[:n]
        return (
            Neighbour(self._names.tracks[i], float(found[i])) for i in order if found[i] >= _LEAST
        )

    def _understood(self, terms: Sequence[Term]) -> tuple[list[Term], list[str]]:
        """The terms that mean something here, misspelt ones mended; what is to be said of it."""
        kept, notes = [], []
        for term in terms:
            meant = self._mended(term)
            if meant is None:
                notes.append(f"{term.words}: no tag of the model and no name of the library")
                continue
            if meant != term:
                notes.append(f"{term.words}: taken for {meant.words}")
            kept.append(meant)
        return kept, notes

    def _mended(self, term: Term) -> Term | None:
        if self._ear.hears(term) or self._names.having(term.words, whole=False).any():
            return term
        close = self._names.closest(term.words)
        return replace(term, words=close) if close else None

    def _sound(self, terms: Sequence[Term]) -> Floats:
        """(n,): how much of all terms is in each track, 0..1; 0 everywhere for no terms."""
        if not terms:
            return np.zeros(len(self._names.tracks), np.float32)
        shares = np.stack([self._share(term) for term in terms])
        return np.exp(np.log(shares).mean(axis=0)).astype(np.float32)

    def _share(self, term: Term) -> Floats:
        share = self._heard_share(term)
        named = self._names.having(term.words, whole=self._ear.hears(term))
        share = np.where(named, np.float32(1 - _ABSENT), share)
        return share if term.wanted else 1 - share

    def _heard_share(self, term: Term) -> Floats:
        if not self._ear.hears(term):
            return np.full(len(self._heard), _ABSENT, np.float32)
        share = np.full(len(self._heard), _SILENT if term.wanted else 1 - _SILENT, np.float32)
        share[self._heard] = np.clip(self._ear.shares(term), 1e-4, 1 - 1e-4)[self._rows]
        return share


def build_text_search(
    connection: Connection, model: EmbeddingModel, text_model: FolderTextAudioModel | None
) -> TextSearch:
    """Of a library, heard by a text-audio model where one is set, else by tags.

    Raises `ModelError` where the text-audio model has heard nothing.
    """
    names = NameIndex(tracks.iterate(connection))
    if text_model is None:
        ear: TextScorer = TagScorer(vectors.tag_matrix(connection, model.digest), model.tags)
    else:
        ear = TextAudioScorer(text_model, _heard_by(connection, text_model), model.tags, names)
    return TextSearch(names, ear)


def _heard_by(connection: Connection, model: FolderTextAudioModel) -> Matrix:
    heard = vectors.vector_matrix(connection, model.digest)
    if not len(heard):
        raise ModelError(
            f"{model.folder}: this text-audio model has heard no track;"
            " run `fingerprinter index` with it on the music"
        )
    return heard
