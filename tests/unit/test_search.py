"""The vocabulary of text search, spelling corrections, and scores by tags."""

from __future__ import annotations

import difflib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.spelling import normalize_name
from fingerprinter.core.vectors.tagging import mixture_shares, standard_scores
from fingerprinter.embedding import load_model
from fingerprinter.library.discover.text_search import closest_word, lengths_like
from fingerprinter.library.discover.vocabulary import SYNONYMS, Vocabulary

TAGS = load_model().tags
VOCABULARY = Vocabulary(TAGS)


def parsed(query: str) -> list[tuple[str, bool, bool]]:
    """Return (words, wanted, whether there are tags for them) of each term."""
    return [(term.words, term.wanted, term.mixture is not None) for term in VOCABULARY.parse(query)]


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("calm", [("calm", True, True)]),
        ("Hip-Hop", [("hip hop", True, True)]),
        ("female vocals", [("female vocals", True, True)]),
        ("some music for the club", [("club", True, True)]),
        ("happy, no vocals", [("happy", True, True), ("vocals", False, True)]),
        ("rock -metal", [("rock", True, True), ("metal", False, True)]),
        ("-metal", [("metal", False, True)]),
        ("rock without the heavy metal", [("rock", True, True), ("heavy metal", False, True)]),
        ("Björk jóga", [("bjork", True, False), ("joga", True, False)]),
        ("no", [("no", True, False)]),
        ("the and", []),
        ("...", []),
    ],
)
def test_terms_of_a_query(query: str, terms: list[tuple[str, bool, bool]]) -> None:
    assert parsed(query) == terms


def test_every_synonym_uses_tags_of_the_model() -> None:
    known = {normalize_name(tag) for tag in TAGS}
    for words, mixture in SYNONYMS:
        assert set(mixture) <= known, words
        for each in words.split(","):
            (term,) = VOCABULARY.parse(each)
            assert term.mixture == mixture


def test_a_model_with_other_tags_knows_other_words() -> None:
    assert [term.mixture for term in Vocabulary(["piano"]).parse("calm piano")] == [
        None,
        {"piano": 1.0},
    ]


@given(
    words=st.lists(st.text("abc", min_size=3, max_size=9), min_size=1, max_size=20),
    misspelt=st.text("abcd", min_size=1, max_size=9),
)
def test_corrections_are_those_of_difflib(words: list[str], misspelt: str) -> None:
    expected = difflib.get_close_matches(misspelt, sorted(set(words)), 1, 0.8)
    alike = {word for word in words if len(word) in lengths_like(misspelt)}
    assert closest_word(misspelt, alike) == (expected[0] if expected else None)


def test_scores_are_standardised_over_the_tracks() -> None:
    scores = standard_scores(np.array([[1, 5], [2, 5], [3, 5]], np.float32))
    assert scores[:, 0] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)], abs=1e-6)
    assert scores[:, 1] == pytest.approx([0, 0, 0])
    assert standard_scores(np.empty((0, 2), np.float32)).shape == (0, 2)


def test_shares_are_about_the_share_of_tracks_with_lower_scores() -> None:
    scores = standard_scores(np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32))
    shares = mixture_shares(scores, ["rock", "sad"], {"rock": 1, "sad": -1, "unknown": 9})
    ranks = np.argsort(np.argsort(scores[:, 0] - scores[:, 1])) / 500
    assert shares == pytest.approx(ranks, abs=0.06)
