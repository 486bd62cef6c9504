"""What words mean, and how tracks are compared by their tags."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from fingerprinter.core.vectors.tagging import mixture_shares, standard_scores
from fingerprinter.embedding import load_model
from fingerprinter.library.base import normalize
from fingerprinter.library.base.normalize import normalize_name
from fingerprinter.library.discover import vocabulary
from fingerprinter.library.discover.vocabulary import SYNONYMS, Vocabulary
from fingerprinter.library.similar import rows

TAGS = load_model().tags
WORDS = Vocabulary(TAGS)


@pytest.mark.parametrize("module", [normalize, rows, vocabulary])
def test_examples(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed


def asked(question: str) -> list[tuple[str, bool, bool]]:
    """(words, wanted, whether a tag stands for them) of each term."""
    return [(term.words, term.wanted, term.mixture is not None) for term in WORDS.parse(question)]


@pytest.mark.parametrize(
    ("question", "terms"),
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
def test_terms_of_a_question(question: str, terms: list[tuple[str, bool, bool]]) -> None:
    assert asked(question) == terms


def test_every_synonym_has_a_tag_of_the_model_that_says_it() -> None:
    known = {normalize_name(tag) for tag in TAGS}
    for words, mixture in SYNONYMS:
        assert set(mixture) <= known, words
        for each in words.split(","):
            (term,) = WORDS.parse(each)
            assert term.mixture == mixture


def test_a_model_with_other_tags_has_other_words() -> None:
    assert [term.mixture for term in Vocabulary(["piano"]).parse("calm piano")] == [
        None,
        {"piano": 1.0},
    ]


def test_scores_say_who_stands_out() -> None:
    scores = standard_scores(np.array([[1, 5], [2, 5], [3, 5]], np.float32))
    assert scores[:, 0] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)], abs=1e-6)
    assert scores[:, 1] == pytest.approx([0, 0, 0])
    assert standard_scores(np.empty((0, 2), np.float32)).shape == (0, 2)


def test_shares_are_about_how_many_have_less() -> None:
    scores = standard_scores(np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32))
    shares = mixture_shares(scores, ["rock", "sad"], {"rock": 1, "sad": -1, "unknown": 9})
    less = np.argsort(np.argsort(scores[:, 0] - scores[:, 1])) / 500
    assert shares == pytest.approx(less, abs=0.06)
