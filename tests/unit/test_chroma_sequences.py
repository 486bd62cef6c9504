"""Alignment of chroma sequences: in another key, at another tempo, in other music, by chance."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprinter.core.mir.chroma import Chroma
from fingerprinter.core.mir.versions import (
    PITCH_CLASSES,
    ChromaSequence,
    Harmony,
    align,
    best_scores,
    chroma_sequence,
)

SURE = 0.8
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def harmony(seed: int, frames: int = 160) -> ChromaSequence:
    """Triads of C major that change every one to three seconds."""
    rng = np.random.default_rng(seed)
    rows: list[np.ndarray] = []
    while len(rows) < frames:
        chord = np.zeros(PITCH_CLASSES)
        chord[SCALE[(rng.integers(7) + np.array([0, 2, 4])) % 7]] = 200
        rows += [chord + rng.uniform(0, 50, PITCH_CLASSES) for _ in range(rng.integers(2, 7))]
    return np.array(rows[:frames]).astype(np.uint8)


def played(sequence: ChromaSequence, semitones: int, tempo: float, seed: int) -> ChromaSequence:
    """Another performance: higher, faster, with other overtones."""
    rng = np.random.default_rng(seed)
    places = np.arange(0, len(sequence) - 1, tempo).astype(int)
    version = np.roll(sequence[places], semitones, axis=1)
    return np.minimum(255, version + rng.uniform(0, 55, version.shape)).astype(np.uint8)


@pytest.mark.parametrize(("semitones", "tempo"), [(0, 1.0), (5, 1.3), (-4, 0.75), (6, 1.1)])
def test_a_version_is_aligned_in_its_key_and_tempo(semitones: int, tempo: float) -> None:
    query = harmony(1)
    found = align(query, played(query, semitones, tempo, seed=2))
    assert found.confidence > SURE
    assert found.semitones == semitones
    passage = (found.query_end_s - found.query_start_s) / (found.end_s - found.start_s)
    assert passage == pytest.approx(tempo, rel=0.07)
    assert (found.query_start_s, found.query_end_s) == pytest.approx((0, 80), abs=4)


def test_a_passage_is_found_inside_other_music() -> None:
    query = harmony(1)
    part = played(query[40:120], 0, 1.0, seed=2)
    medley = np.roll(np.concatenate([harmony(3, 100), part, harmony(4)]), 2, axis=1)
    found = align(query, medley)
    assert found.confidence > SURE
    assert found.semitones == 2
    assert (found.query_start_s, found.query_end_s) == pytest.approx((20, 60), abs=4)
    assert (found.start_s, found.end_s) == pytest.approx((50, 90), abs=4)


@pytest.mark.parametrize("seed", range(4))
def test_other_music_is_no_version(seed: int) -> None:
    assert align(harmony(100 + seed), harmony(200 + seed)).confidence < 0.5


def test_repetition_alone_is_no_version() -> None:
    """Two loops of the same few chords align for minutes, and backwards as well."""
    query = np.tile(harmony(1, 12), (20, 1))
    assert align(query, np.roll(query, 7, axis=1)[::-1]).confidence < SURE


@pytest.mark.parametrize("frames", [1, 7, 40])
def test_silence_and_a_second_of_sound_are_no_version(frames: int) -> None:
    silence = np.zeros((frames, PITCH_CLASSES), np.uint8)
    assert align(silence, harmony(1)).confidence < 0.5
    assert align(harmony(1), silence).confidence < 0.5


@pytest.mark.parametrize("detail", ["coarse", "fine"])
def test_many_references_score_as_each_alone(detail: str) -> None:
    query = Harmony.of(harmony(1), detail)
    others = [Harmony.of(harmony(seed, 200 + 60 * seed), detail) for seed in range(12)]
    together, semitones = best_scores(query, others)
    alone = [best_scores(query, [other]) for other in others]
    np.testing.assert_allclose(together, [score for [score], _ in alone], rtol=1e-4)
    assert semitones.tolist() == [int(number) for _, [number] in alone]


def test_a_chroma_sequence_ignores_loudness() -> None:
    rng = np.random.default_rng(0)
    frames = rng.uniform(0.1, 1, (57, PITCH_CLASSES)).astype(np.float32)
    sequence = chroma_sequence(Chroma(frames, 0.0))
    assert sequence.shape == (11, PITCH_CLASSES)
    assert (sequence.max(axis=1) == 255).all()
    assert np.abs(chroma_sequence(Chroma(frames / 8, 0.0)).astype(int) - sequence).max() <= 1
