"""Parts add up to the mix, and hold the sounds that they are named after.

All of it is slow, because librosa compiles its functions in each process that calls them first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.mir.separation import (
    SR,
    FrameSample,
    Masks,
    component_masks,
    harmonic_percussive,
    learn_templates,
    separated,
)

Floats = npt.NDArray[np.float32]
pytestmark = pytest.mark.slow


def tone(hz: float, duration_s: float = 3.0) -> Floats:
    return (0.2 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * SR)) / SR)).astype("f4")


def clicks(duration_s: float = 3.0) -> Floats:
    samples = np.zeros(round(duration_s * SR), np.float32)
    rng = np.random.default_rng(0)
    for start in range(SR // 4, len(samples) - 500, SR // 2):
        samples[start : start + 400] = rng.normal(0, 0.3, 400) * np.exp(-np.arange(400) / 80)
    return samples


def parts_of(samples: Floats, masks: Masks, chunk_s: float = 20.0, fade_s: float = 1.0) -> Floats:
    blocks = (samples[start : start + 50_000] for start in range(0, len(samples), 50_000))
    return np.concatenate(list(separated(blocks, masks, chunk_s, fade_s)), axis=1)


def rms(samples: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def test_harmonic_and_percussive_parts() -> None:
    harmonic, percussive = parts_of(tone(440) + clicks(), harmonic_percussive)
    np.testing.assert_allclose(harmonic + percussive, tone(440) + clicks(), atol=1e-5)
    assert rms(harmonic - tone(440)) < 0.2 * rms(tone(440))
    assert rms(percussive - clicks()) < 0.7 * rms(clicks())


@pytest.mark.parametrize("seconds", [0.01, 1.0, 2.0, 5.3, 9.0])
def test_chunks_fade_into_each_other(seconds: float) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, round(seconds * SR)).astype(np.float32)
    parts = parts_of(samples, harmonic_percussive, chunk_s=2.0, fade_s=0.5)
    assert parts.shape == (2, len(samples))
    np.testing.assert_allclose(parts.sum(axis=0), samples, atol=1e-5)


def test_components_are_the_recurring_sounds() -> None:
    first, second = tone(300), tone(2000)
    first[SR : 2 * SR] = 0
    second[: SR // 2] = 0
    mix = first + 0.5 * second
    sample = FrameSample()
    sample.push(mix)
    rng = np.random.default_rng(0)
    masks = component_masks(learn_templates(sample.magnitude(), 2, rng))
    parts = parts_of(mix, masks)
    np.testing.assert_allclose(parts.sum(axis=0), mix, atol=1e-5)
    assert rms(parts[0] - first) < 0.2 * rms(first)
    assert rms(parts[1] - 0.5 * second) < 0.4 * rms(0.5 * second)


def test_a_sample_is_spread_and_bounded() -> None:
    sample = FrameSample(max_frames=50)
    for hz in (200, 400, 800, 1600):
        sample.push(tone(hz, 2.0))
    found = sample.magnitude()
    assert 25 <= found.shape[1] <= 51
    assert len(np.unique(found.argmax(axis=0))) == 4


def test_silence_is_separated_into_silence() -> None:
    silent = np.zeros(SR, np.float32)
    assert not parts_of(silent, harmonic_percussive).any()
    sample = FrameSample()
    sample.push(silent)
    templates = learn_templates(sample.magnitude(), 3, np.random.default_rng(0))
    assert not parts_of(silent, component_masks(templates)).any()
