"""Likes, dislikes and factors on places whose neighbours are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.library.discover.collaborative import Plays, fit_factors, predict_factors

Floats = npt.NDArray[np.float32]

NOTHING = np.empty((0, 8), np.float32)


def fitting(rows: Floats, liked: Floats, disliked: Floats = NOTHING, likes: float = 1) -> Floats:
    """How well rows suit; the first like counts ``likes`` times as much as another."""
    weights = np.array([likes, *np.ones(len(liked) - 1)], np.float32)
    return score_by_likes(rows @ liked.T, weights, rows @ disliked.T)


def places(seed: int, n: int) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_with_one_like_it_is_the_likeness() -> None:
    rows = places(0, 20)
    assert fitting(rows, rows[:1]) == pytest.approx(rows @ rows[0], abs=1e-5)


def test_two_likes_are_two_places_and_not_the_one_between() -> None:
    liked = np.eye(8, dtype=np.float32)[:2]
    between = liked.sum(axis=0, keepdims=True) / np.sqrt(2)
    near = (liked[:1] + 0.2 * liked[1:]) / np.sqrt(1.04)
    scores = fitting(np.vstack([between, near]), liked)
    assert scores[1] > scores[0]


def test_a_like_that_counts_more_draws_more() -> None:
    liked = np.eye(8, dtype=np.float32)[:2]
    scores = fitting(liked, liked, likes=3)
    assert scores[0] > scores[1]


def test_a_dislike_repels_what_is_near_it() -> None:
    rows = places(1, 30)
    change = fitting(rows, rows[:1], rows[1:2]) - rows @ rows[0]
    assert change.argmin() == 1
    assert np.corrcoef(change, rows @ rows[1])[0, 1] < -0.9


def test_predicted_factors_follow_the_vectors() -> None:
    rows = places(2, 400)
    factors = rows @ np.random.default_rng(3).standard_normal((8, 3)).astype(np.float32) + 5
    predicted = predict_factors(rows[:300], factors[:300], rows)
    for found, true in zip(predicted[300:].T, factors[300:].T, strict=True):
        assert np.corrcoef(found, true)[0, 1] > 0.95
    assert predicted.std(axis=0) == pytest.approx(factors.std(axis=0), rel=0.1)


def test_factors_find_the_tracks_of_a_circle_of_listeners() -> None:
    rng = np.random.default_rng(4)
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:2], 30, axis=0) + 0.1 * places(5, 60)
    circles = rng.integers(0, 2, 80)
    heard = rng.random((80, 60)) < np.where(
        circles[:, np.newaxis] == np.arange(60) // 30, 0.4, 0.02
    )
    heard[:, ::10] = False  # these nobody has played
    users, tracks = np.nonzero(heard)
    counts = rng.integers(1, 9, len(users))
    factors = fit_factors(Plays(users, tracks, counts), 80, vectors)
    scores = factors.users @ factors.tracks.T
    for new in (False, True):
        columns = np.arange(60) % 10 == 0 if new else np.arange(60) % 10 != 0
        first, second = (scores[:, columns & (np.arange(60) // 30 == side)] for side in (0, 1))
        assert np.mean((first.mean(axis=1) > second.mean(axis=1)) == (circles == 0)) > 0.95
    again = fit_factors(Plays(users, tracks, counts), 80, vectors)
    assert np.array_equal(again.tracks, factors.tracks)
