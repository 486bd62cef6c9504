"""The sound map of a library, and its plot."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from fingerprinter.library.discover import clusters, sound_map
from fingerprinter.library.discover.clusters import Cluster, Grouping
from fingerprinter.library.discover.sound_map import SoundMap, compute_map
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.plotting import draw_map


def space(seed: int, n: int) -> LibraryVectors:
    """Return vectors of three groups of tracks, in turn."""
    rng = np.random.default_rng(seed)
    rows = np.eye(16)[np.arange(n) % 3] + 0.15 * rng.standard_normal((n, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ones = np.ones(n, np.float32)
    return LibraryVectors(np.arange(n) * 7, rows, np.empty((n, 0), np.float32), ones)


def grouping(n: int, names: tuple[str, ...] = ("one", "two", "three")) -> Grouping:
    groups = tuple(Cluster(i, name, (name,), n // len(names), ()) for i, name in enumerate(names))
    return Grouping(np.arange(n) % len(names), groups)


def separation(found: SoundMap) -> float:
    """Return the distance between groups relative to the distances within them."""
    middles = np.stack([found.places[found.labels == label].mean(axis=0) for label in range(3)])
    own = np.linalg.norm(found.places - middles[found.labels], axis=1).mean()
    return float(min(np.linalg.norm(a - b) for a, b in combinations(middles, 2)) / own)


def test_similar_tracks_lie_together() -> None:
    found = compute_map(space(0, 90), grouping(90))
    assert found.ids.tolist() == (np.arange(90) * 7).tolist()
    assert np.abs(found.places).max() == pytest.approx(1)
    assert separation(found) > 3
    assert np.array_equal(found.places, compute_map(space(0, 90), grouping(90)).places)


def test_principal_directions_have_unit_length() -> None:
    """Otherwise tracks with short projections would form a cluster of their own."""
    rng = np.random.default_rng(0)
    rows = clusters.principal_directions(rng.standard_normal((50, 64)).astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert rows.shape == (50, 32)


def test_tracks_outside_the_sample_are_placed_near_similar_landmarks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sound_map, "LANDMARKS", 60)
    found = compute_map(space(1, 300), grouping(300))
    assert np.isfinite(found.places).all()
    assert np.abs(found.places).max() <= 1 + 1e-6
    assert separation(found) > 3


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6])
def test_maps_of_few_tracks(n: int) -> None:
    found = compute_map(
        space(2, n), Grouping(np.zeros(n, np.int64), grouping(n, ("all",)).clusters)
    )
    assert found.places.shape == (n, 2)
    assert np.isfinite(found.places).all()


def test_cluster_names_do_not_overlap_in_the_plot() -> None:
    n, names = 120, tuple(f"a long name of many words {i}" for i in range(12))
    groups = grouping(n, names)
    figure = draw_map(compute_map(space(3, n), groups))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text().partition("\n")[0] for text in axes.texts] == list(names)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    (dots,) = axes.collections
    assert len(dots.get_offsets()) == n
