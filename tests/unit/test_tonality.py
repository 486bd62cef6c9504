"""Keys of chord progressions, in any tuning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.mir.chroma import Chroma, ChromaMeter
from fingerprinter.core.mir.keys import MODES, TONICS
from fingerprinter.core.mir.tonality import find_key

Floats = npt.NDArray[np.float32]

SR = 22_050
CADENCES = {
    "major": ([0, 4, 7], [5, 9, 0], [7, 11, 2], [0, 4, 7]),
    "minor": ([0, 3, 7], [5, 8, 0], [7, 11, 2], [0, 3, 7]),
}


def cadence(tonic: int, mode: str, tuning: float = 0.0) -> Floats:
    """Synthesise a cadence of tones with overtones, one second for each chord."""
    t = np.arange(SR) / SR
    chords = []
    for chord in CADENCES[mode]:
        pitches = [60 + (tonic + step) % 12 for step in chord] + [48 + (tonic + chord[0]) % 12]
        hz = 440 * 2 ** ((np.array(pitches) + tuning - 69) / 12)
        tones = (np.sin(2 * np.pi * f * k * t) / k**1.5 for f in hz for k in range(1, 6))
        chords.append(np.sum(list(tones), axis=0) * np.exp(-2 * t))
    return (0.1 * np.concatenate(chords)).astype(np.float32)


def chroma_of(samples: Floats, block: int = SR) -> Chroma:
    meter = ChromaMeter(SR)
    for start in range(0, len(samples), block):
        meter.push(samples[start : start + block])
    return meter.result()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_has_its_key(tonic: int, mode: str) -> None:
    key = find_key(chroma_of(cadence(tonic, mode)))
    assert key is not None
    assert (key.tonic, key.mode) == (TONICS[tonic], mode)
    assert 0 < key.confidence < 1


@pytest.mark.parametrize("tuning", [-0.4, -0.2, 0.3])
def test_the_tuning_is_found_and_corrected(tuning: float) -> None:
    chroma = chroma_of(cadence(2, "minor", tuning))
    assert chroma.tuning == pytest.approx(tuning, abs=0.05)
    key = find_key(chroma)
    assert key is not None and key.name == "D minor"


def test_chroma_does_not_depend_on_cuts() -> None:
    samples = cadence(5, "major")
    np.testing.assert_allclose(chroma_of(samples, 777).frames, chroma_of(samples).frames, atol=1e-5)
    assert len(chroma_of(samples)) == 40


def test_the_key_does_not_depend_on_the_level() -> None:
    loud, quiet = (
        find_key(chroma_of(cadence(4, "minor"))),
        find_key(chroma_of(0.1 * cadence(4, "minor"))),
    )
    assert loud is not None and quiet is not None
    assert loud.name == quiet.name == "E minor"


@pytest.mark.parametrize("samples", [np.zeros(5 * SR), np.zeros(0), cadence(0, "major")[:SR]])
def test_silence_and_one_second_have_no_key(samples: Floats) -> None:
    assert find_key(chroma_of(samples.astype(np.float32))) is None
