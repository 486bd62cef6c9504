"""Distances of tempo and key between tracks."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprinter.core.mir.harmonic_mixing import circle_position, key_distances, tempo_distances


def test_tempos_are_compared_in_octaves() -> None:
    tempos = np.array([120, 60, 240, 120 * np.sqrt(2), 126, np.nan], np.float32)
    assert tempo_distances(tempos)[0] == pytest.approx([0, 0, 0, 1, 0.141, 0.5], abs=1e-3)
    assert np.array_equal(tempo_distances(tempos), tempo_distances(tempos).T)


def test_keys_are_compared_along_the_circle_of_fifths() -> None:
    names = ["C major", "A minor", "G major", "F# major", "B major", "Eb minor", None]
    places = np.array([circle_position(name) for name in names])
    assert key_distances(places)[0] == pytest.approx([0, 0, 1 / 6, 1, 5 / 6, 1, 0.5])
    assert np.array_equal(key_distances(places), key_distances(places).T)
