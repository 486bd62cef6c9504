"""Beats and tempo of generated activations: steady, changing, absent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.mir.rhythm import FPS, find_beats, tempo_of, tempogram

Floats = npt.NDArray[np.float32]


def activation_at(
    times_s: npt.NDArray[np.float64], duration_s: float, height: float = 0.8
) -> Floats:
    """Make an activation with a peak at each time, and a little noise everywhere."""
    frames = np.arange(round(duration_s * FPS))
    bumps = np.exp(-0.5 * np.square((frames[:, np.newaxis] / FPS - times_s) / 0.02))
    noise = np.random.default_rng(0).uniform(0, 0.1, len(frames))
    return np.minimum(0.95, height * bumps.sum(axis=1) + noise).astype(np.float32)


@pytest.mark.parametrize("bpm", [58.3, 77.0, 98.6, 120.0, 143.9, 171.2, 205.0])
def test_a_steady_tempo(bpm: float) -> None:
    times_s = np.arange(0.3, 20, 60 / bpm)
    beats = find_beats(activation_at(times_s, 20.0))
    tempo, steady = tempo_of(beats.times_s)
    assert tempo == pytest.approx(bpm, rel=0.005)
    assert steady > 0.95
    assert len(beats) == pytest.approx(len(times_s), abs=1)
    away_s = np.abs(beats.times_s[:, np.newaxis] - times_s).min(axis=1)
    assert away_s.max() < 0.015
    assert beats.strength > 0.5


def test_a_changing_tempo_is_followed() -> None:
    times_s = np.cumsum(60 / np.linspace(100, 140, 50))
    beats = find_beats(activation_at(times_s, 26.0))
    away_s = np.abs(beats.times_s[:, np.newaxis] - times_s).min(axis=1)
    assert np.mean(away_s < 0.03) > 0.95


def test_missing_beats_are_filled_in() -> None:
    times_s = np.arange(0.5, 20, 0.5)
    given_s = np.delete(times_s, [7, 8, 20])
    beats = find_beats(activation_at(given_s, 20.0))
    away_s = np.abs(beats.times_s - times_s[:, np.newaxis]).min(axis=1)
    assert away_s.max() < 0.06


@pytest.mark.parametrize("frames", [0, 1, 99])
def test_short_audio_has_no_beats(frames: int) -> None:
    assert len(find_beats(np.full(frames, 0.9, np.float32))) == 0


def test_unsteady_beats() -> None:
    tempo, steady = tempo_of(np.cumsum([0, 1, 1, 1, 1, 2, 2, 2, 2]) / 4)
    assert 40 <= tempo <= 240
    assert 0 <= steady < 1
    tempo, steady = tempo_of(np.array([0, 1, 2, 3, 4, 9.0]))
    assert steady == 0
    assert np.isfinite(tempo)


@pytest.mark.parametrize("bpm", [75.0, 120.0, 150.0])
def test_a_tempogram_has_its_ridge_at_the_tempo(bpm: float) -> None:
    tempos = np.geomspace(54, 216, 97)
    shown = tempogram(activation_at(np.arange(0.3, 20, 60 / bpm), 20.0), tempos)
    assert shown.shape == (40, 97)
    middle = shown[20]
    assert middle[np.abs(tempos / bpm - 1).argmin()] > 0.9 * middle.max()


def test_weak_offbeats_are_dropped() -> None:
    strong = activation_at(np.arange(0.3, 20, 0.8), 20.0, 0.9)
    weak = activation_at(np.arange(0.7, 20, 0.8), 20.0, 0.35)
    tempo, _ = tempo_of(find_beats(np.maximum(strong, weak)).times_s)
    assert tempo == pytest.approx(75, rel=0.01)
