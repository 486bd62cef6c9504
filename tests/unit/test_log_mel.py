"""The log-mel spectrogram agrees with librosa to the precision of float32."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.embedding.log_mel import LogMel, log_mel, mel_filters

Floats = npt.NDArray[np.float32]

PARAMS = LogMel()


def music(seconds: float = 4.0, level: float = 0.1) -> Floats:
    """Two gliding tones in noise."""
    rng = np.random.default_rng(1)
    t = np.arange(int(seconds * PARAMS.sr)) / PARAMS.sr
    tones = np.sin(2 * np.pi * (220 + 40 * t) * t) + np.sin(2 * np.pi * (3000 - 300 * t) * t)
    return (level * (tones + 0.1 * rng.standard_normal(len(t)))).astype(np.float32)


def librosa_log_mel(samples: Floats, center: bool) -> Floats:
    power = librosa.feature.melspectrogram(
        y=samples, sr=PARAMS.sr, n_fft=PARAMS.n_fft, hop_length=PARAMS.hop_length,
        n_mels=PARAMS.n_mels, center=center,
    )  # fmt: skip
    log: Floats = np.log10(1 + PARAMS.gain * power).T
    return log


@pytest.mark.parametrize("params", [PARAMS, LogMel(sr=22_050, n_fft=2048, n_mels=64, f_min=30)])
def test_filters_agree_with_librosa(params: LogMel) -> None:
    expected = librosa.filters.mel(
        sr=params.sr, n_fft=params.n_fft, n_mels=params.n_mels, fmin=params.f_min, fmax=params.f_max
    )
    np.testing.assert_allclose(mel_filters(params), expected, atol=1e-8)


def test_no_filter_is_empty() -> None:
    assert (mel_filters(PARAMS).sum(axis=1) > 0).all()


@pytest.mark.slow  # the first call of librosa takes seconds
@pytest.mark.parametrize("level", [1e-4, 0.1, 1.0])
def test_log_mel_agrees_with_librosa(level: float) -> None:
    samples = music(level=level)
    expected = librosa_log_mel(samples, center=False)
    np.testing.assert_allclose(log_mel(samples, PARAMS), expected, atol=1e-4)


def test_a_window_gives_the_same_frames_as_the_whole_track() -> None:
    """The model was trained on patches of centred spectrograms of whole tracks."""
    samples, first, frames = music(), 20, 187
    start = first * PARAMS.hop_length - PARAMS.n_fft // 2
    window = samples[start : start + PARAMS.samples_for(frames)]
    expected = librosa_log_mel(samples, center=True)[first : first + frames]
    np.testing.assert_allclose(log_mel(window, PARAMS), expected, atol=1e-4)


def test_shapes_and_type() -> None:
    windows = np.zeros((2, PARAMS.samples_for(187)), np.float32)
    assert log_mel(windows, PARAMS).shape == (2, 187, 96)
    assert log_mel(windows[0], PARAMS).shape == (187, 96)
    assert log_mel(windows, PARAMS).dtype == np.float32


def test_silence_is_zero() -> None:
    assert not log_mel(np.zeros(4096, np.float32), PARAMS).any()


def test_every_parameter_changes_the_id() -> None:
    changed = [
        dataclasses.replace(PARAMS, **{field.name: getattr(PARAMS, field.name) + 1})
        for field in dataclasses.fields(PARAMS)
    ]
    assert len({params.id for params in [PARAMS, *changed]}) == len(changed) + 1
