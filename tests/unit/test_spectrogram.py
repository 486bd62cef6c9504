"""The spectrogram agrees with SciPy and librosa, and a frame depends on its samples alone."""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams
from fingerprinter.core.fingerprint.spectrogram import frame_count, log_spectrogram

SMALL = LandmarkParams(sr=8000, n_fft=256, hop_length=80, max_bin=100)

Doubles = npt.NDArray[np.float64]


def noise(n: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.5, 0.5, n).astype(np.float32)


def assert_same_levels(log_mag: npt.NDArray[np.float32], magnitude: Doubles) -> None:
    """Compare to a thousandth of a neper; magnitude: (bins, frames), full scale 1."""
    expected = np.log(magnitude[: log_mag.shape[1]].T)
    assert log_mag.shape == expected.shape
    assert np.allclose(log_mag, expected, atol=1e-3)


@pytest.mark.parametrize("params", [SMALL, DEFAULT])
def test_agrees_with_scipy(params: LandmarkParams) -> None:
    samples = noise(20 * params.n_fft + 17)
    _, _, spectrum = scipy.signal.stft(
        samples.astype(np.float64),
        nperseg=params.n_fft,
        noverlap=params.n_fft - params.hop_length,
        boundary=None,
        padded=False,
    )
    assert_same_levels(log_spectrogram(samples, params), 2 * np.abs(spectrum))


@pytest.mark.slow  # the first call of librosa takes seconds
@pytest.mark.parametrize("params", [SMALL, DEFAULT])
def test_agrees_with_librosa(params: LandmarkParams) -> None:
    samples = noise(20 * params.n_fft + 17)
    spectrum = librosa.stft(
        samples.astype(np.float64), n_fft=params.n_fft, hop_length=params.hop_length, center=False
    )
    assert_same_levels(log_spectrogram(samples, params), np.abs(spectrum) * 4 / params.n_fft)


@given(st.integers(0, 5000))
def test_counts_whole_frames(n_samples: int) -> None:
    starts = range(0, n_samples - SMALL.n_fft + 1, SMALL.hop_length)
    assert frame_count(n_samples, SMALL) == len(starts)
    assert log_spectrogram(noise(n_samples), SMALL).shape == (len(starts), SMALL.max_bin + 1)


@given(st.integers(0, 30), st.integers(1, 8))
def test_a_frame_is_bit_equal_wherever_the_audio_begins(first: int, frames: int) -> None:
    samples = noise(40 * SMALL.hop_length + SMALL.n_fft)
    whole = log_spectrogram(samples, SMALL)
    start = first * SMALL.hop_length
    end = start + (frames - 1) * SMALL.hop_length + SMALL.n_fft
    part = log_spectrogram(samples[start:end], SMALL)
    assert part.tobytes() == whole[first : first + frames].tobytes()


@pytest.mark.parametrize("level", [1.0, 0.1, 1e-3])
def test_a_sine_has_its_maximum_at_its_bin_and_level(level: float) -> None:
    sine = level * np.sin(2 * np.pi * 50 * SMALL.bin_hz / SMALL.sr * np.arange(4000))
    log_mag = log_spectrogram(sine.astype(np.float32), SMALL)
    assert (log_mag.argmax(axis=1) == 50).all()
    assert np.allclose(log_mag[:, 50], np.log(level), atol=1e-3)


def test_silence_is_finite_and_below_every_sound() -> None:
    log_mag = log_spectrogram(np.zeros(2000, np.float32), SMALL)
    assert np.isfinite(log_mag).all()
    assert (log_mag < np.log(2.0**-16)).all()  # the last bit of 16-bit audio
