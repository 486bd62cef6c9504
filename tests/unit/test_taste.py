"""Scores by likes and dislikes, and collaborative filtering, on vectors with known neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.vectors.preference import score_by_likes
from fingerprinter.library.discover.collaborative import Plays, fit_factors, predict_factors

Floats = npt.NDArray[np.float32]

NOTHING = np.empty((0, 8), np.float32)


def score(rows: Floats, liked: Floats, disliked: Floats = NOTHING, likes: float = 1) -> Floats:
    """Score rows; the first like has the weight ``likes``, all others 1."""
    weights = np.array([likes, *np.ones(len(liked) - 1)], np.float32)
    return score_by_likes(rows @ liked.T, weights, rows @ disliked.T)


def unit_vectors(seed: int, n: int) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_with_one_like_the_score_is_the_similarity() -> None:
    rows = unit_vectors(0, 20)
    assert score(rows, rows[:1]) == pytest.approx(rows @ rows[0], abs=1e-5)


def test_a_track_near_one_like_is_better_than_one_between_two() -> None:
    liked = np.eye(8, dtype=np.float32)[:2]
    between = liked.sum(axis=0, keepdims=True) / np.sqrt(2)
    near = (liked[:1] + 0.2 * liked[1:]) / np.sqrt(1.04)
    scores = score(np.vstack([between, near]), liked)
    assert scores[1] > scores[0]


def test_a_like_with_more_weight_scores_higher() -> None:
    liked = np.eye(8, dtype=np.float32)[:2]
    scores = score(liked, liked, likes=3)
    assert scores[0] > scores[1]


def test_a_dislike_lowers_the_scores_near_it() -> None:
    rows = unit_vectors(1, 30)
    change = score(rows, rows[:1], rows[1:2]) - rows @ rows[0]
    assert change.argmin() == 1
    assert np.corrcoef(change, rows @ rows[1])[0, 1] < -0.9


def test_predicted_factors_follow_the_vectors() -> None:
    rows = unit_vectors(2, 400)
    factors = rows @ np.random.default_rng(3).standard_normal((8, 3)).astype(np.float32) + 5
    predicted = predict_factors(rows[:300], factors[:300], rows)
    for found, true in zip(predicted[300:].T, factors[300:].T, strict=True):
        assert np.corrcoef(found, true)[0, 1] > 0.95
    assert predicted.std(axis=0) == pytest.approx(factors.std(axis=0), rel=0.1)


def test_factors_find_the_tracks_of_a_group_of_listeners() -> None:
    rng = np.random.default_rng(4)
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:2], 30, axis=0) + 0.1 * unit_vectors(5, 60)
    groups = rng.integers(0, 2, 80)
    played = rng.random((80, 60)) < np.where(
        groups[:, np.newaxis] == np.arange(60) // 30, 0.4, 0.02
    )
    played[:, ::10] = False  # tracks without any plays
    users, tracks = np.nonzero(played)
    counts = rng.integers(1, 9, len(users))
    factors = fit_factors(Plays(users, tracks, counts), 80, vectors)
    scores = factors.users @ factors.tracks.T
    for new in (False, True):
        columns = np.arange(60) % 10 == 0 if new else np.arange(60) % 10 != 0
        first, second = (scores[:, columns & (np.arange(60) // 30 == side)] for side in (0, 1))
        assert np.mean((first.mean(axis=1) > second.mean(axis=1)) == (groups == 0)) > 0.95
    again = fit_factors(Plays(users, tracks, counts), 80, vectors)
    assert np.array_equal(again.tracks, factors.tracks)
