"""Facets against librosa, and on sounds that differ in one facet only."""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
import pytest
from synthetic import play

from fingerprinter.embedding.facets import ROW_WIDTH, SR, Facets, facets, facets_from_rows, mfcc
from fingerprinter.embedding.log_mel import LogMel, log_mel

Floats = npt.NDArray[np.float32]

WINDOW_S = 3


def facets_of(samples: Floats) -> Facets:
    n = WINDOW_S * SR
    return facets(samples[: len(samples) // n * n].reshape(-1, n))


def clicks(beats_per_minute: float, hz: float = 880.0) -> Floats:
    """Decaying notes of one pitch on every beat."""
    t = np.arange(12 * SR) / SR
    since = t % (60 / beats_per_minute)
    return (0.3 * np.sin(2 * np.pi * hz * t) * np.exp(-since * 12)).astype(np.float32)


def chord(*semitones: int) -> Floats:
    """Sustained tones, in semitones from C4."""
    t = np.arange(6 * SR) / SR
    tones = [np.sin(2 * np.pi * 261.63 * 2 ** (each / 12) * t) for each in semitones]
    return (0.2 * np.sum(tones, axis=0)).astype(np.float32)


def cosine(a: Floats, b: Floats) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.slow  # librosa compiles its functions at the first call
def test_mfcc_agree_with_librosa() -> None:
    mels = log_mel(play(0, 3.0), LogMel())
    expected = librosa.feature.mfcc(S=mels.T, n_mfcc=20).T
    np.testing.assert_allclose(mfcc(mels), expected, atol=1e-4)


@pytest.mark.parametrize("notes", [(0, 4, 7), (9, 12, 16), (2, 5, 9)])
def test_harmony_has_the_pitch_classes_of_a_chord(notes: tuple[int, ...]) -> None:
    loudest = np.argsort(facets_of(chord(*notes)).harmony)[-len(notes) :]
    assert set(loudest.tolist()) == {note % 12 for note in notes}


def test_harmony_depends_on_the_chord_and_not_on_the_octave() -> None:
    c_major, other = facets_of(chord(0, 4, 7)), facets_of(chord(1, 5, 8))
    an_octave_up = facets_of(chord(12, 16, 19))
    assert cosine(c_major.harmony, an_octave_up.harmony) > 0.9
    assert cosine(c_major.harmony, other.harmony) < 0.5
    assert np.linalg.norm(c_major.timbre - an_octave_up.timbre) > 0.1


@pytest.mark.parametrize("tempo", [80.0, 100.0, 140.0])
def test_rhythm_peaks_at_the_beat(tempo: float) -> None:
    lags_s, rhythm = np.geomspace(0.2, 1.2, 48), facets_of(clicks(tempo)).rhythm
    up_to_the_beat = lags_s < 1.5 * 60 / tempo  # the lag of two beats correlates as well
    best = lags_s[up_to_the_beat][np.argmax(rhythm[up_to_the_beat])]
    assert best == pytest.approx(60 / tempo, rel=0.05)


def test_rhythm_does_not_depend_on_the_pitch() -> None:
    low, high = facets_of(clicks(100, 440.0)), facets_of(clicks(100, 1200.0))
    assert cosine(low.rhythm, high.rhythm) > 0.9


def test_facets_do_not_depend_on_gain() -> None:
    music = play(1, 6.0)
    loud, quiet = facets_of(music), facets_of(music * np.float32(0.1))
    np.testing.assert_allclose(loud.row(), quiet.row(), atol=0.01)


def test_silence_has_finite_facets() -> None:
    assert np.isfinite(facets_of(np.zeros(WINDOW_S * SR, np.float32)).row()).all()


def test_rows_are_split_into_facets() -> None:
    one, other = facets_of(play(0, 3.0)), facets_of(play(1, 3.0))
    rows = np.stack([one.row(), other.row()])
    assert rows.shape == (2, ROW_WIDTH)
    again = facets_from_rows(rows)
    np.testing.assert_array_equal(again.rhythm, [one.rhythm, other.rhythm])
    np.testing.assert_array_equal(again.harmony[1], other.harmony)
