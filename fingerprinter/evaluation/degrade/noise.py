"""Noise that sounds with the music: ambience and voices, from a user's files or synthetic."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import find_audio, open_audio
from fingerprinter.errors import AudioError, UsageError
from fingerprinter.evaluation.degrade.levels import rms
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt

AnyFloats = npt.NDArray[np.floating[Any]]
Sound = Callable[[int, np.random.Generator], Samples]
"""Gives any number of samples of a kind of sound, another passage each time."""

_TRIES = 32  # passages that may be silent or unreadable before a folder counts as silent
_QUIETEST_RMS = 10 ** (-60 / 20)  # below -60 dB of full scale a passage is silent
_VOICES = 6  # of a babble: more become noise, fewer leave pauses
_CROWD_BANDS_HZ = ((150, 400), (400, 800), (800, 1600), (1600, 3200), (3200, 6400))
_CROWD_FALL = 0.5  # from band to band: 6 dB an octave, as in speech
_FORMANTS_HZ = ((300, 800), (900, 2300), (2300, 3200))  # ranges of the first three
_FORMANT_WIDTH_HZ = 90.0


def synthetic_ambience(n: int, rng: np.random.Generator) -> Samples:
    """White, pink or brown noise, or the murmur of a crowd, whose level varies by some decibels."""
    kind = rng.integers(4)
    noise = _crowd(n, rng) if kind == 3 else coloured_noise(n, float(kind), rng)
    return (noise * _fluctuation(n, 0.5, 4.0, rng)).astype(np.float32)


def coloured_noise(n: int, exponent: float, rng: np.random.Generator) -> AnyFloats:
    """Gaussian noise with a power of 1 / f ** exponent: 0 white, 1 pink, 2 brown; (n,)."""
    frequencies = np.fft.rfftfreq(n, 1 / SR)
    gains = np.maximum(frequencies, 20.0) ** (-exponent / 2)  # flat below what can be heard
    return _filtered(rng.standard_normal(n), gains)


def _filtered(samples: AnyFloats, gains: AnyFloats) -> AnyFloats:
    return np.fft.irfft(np.fft.rfft(samples) * gains, len(samples))


def _fluctuation(n: int, rate_hz: float, depth_db: float, rng: np.random.Generator) -> AnyFloats:
    """Factors whose decibels vary: normal values at a rate, joined by straight lines."""
    steps = int(n / SR * rate_hz) + 2
    decibels = depth_db * rng.standard_normal(steps)
    return 10 ** (np.interp(np.arange(n) * rate_hz / SR, np.arange(steps), decibels) / 20)


def _crowd(n: int, rng: np.random.Generator) -> AnyFloats:
    """Bands of noise with the spectrum of speech, each changing at the pace of syllables."""
    frequencies = np.fft.rfftfreq(n, 1 / SR)
    murmur = np.zeros(n)
    for octave, (low, high) in enumerate(_CROWD_BANDS_HZ):
        inside = (frequencies >= low) & (frequencies < high)
        band = _filtered(rng.standard_normal(n), inside * _CROWD_FALL**octave)
        murmur += band * _fluctuation(n, 5.0, 5.0, rng)
    return murmur


def synthetic_voice(n: int, rng: np.random.Generator) -> Samples:
    """Syllables of one voice: glottal pulses or breath through random formants, with pauses."""
    voice, at, pitch_hz = np.zeros(n + SR), 0, rng.uniform(90.0, 220.0)
    while at < n:
        length = int(rng.uniform(0.12, 0.35) * SR)
        voice[at : at + length] += _syllable(length, pitch_hz, rng)
        at += length if rng.random() < 0.85 else length + int(rng.uniform(0.1, 0.5) * SR)
    return voice[:n].astype(np.float32)


def _syllable(n: int, pitch_hz: float, rng: np.random.Generator) -> AnyFloats:
    frequencies = np.fft.rfftfreq(n, 1 / SR)
    if rng.random() < 0.2:  # a fricative
        gains = _resonance(frequencies, rng.uniform(2500, 5000), 1000.0)
        return _filtered(0.1 * rng.standard_normal(n), gains) * np.hanning(n)
    formants = [rng.uniform(*span) for span in _FORMANTS_HZ]
    gains = np.sum([_resonance(frequencies, f, _FORMANT_WIDTH_HZ) for f in formants], axis=0)
    glide = pitch_hz * 2 ** np.linspace(rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), n)
    pulses = np.cumsum(glide / SR) % 1.0 - 0.5  # a sawtooth falls 6 dB an octave, as the glottis
    return _filtered(pulses, gains) * np.hanning(n)


def _resonance(frequencies: AnyFloats, centre_hz: float, width_hz: float) -> AnyFloats:
    return 1 / np.sqrt(1 + ((frequencies - centre_hz) / width_hz) ** 2)


def folder_sound(folders: Sequence[str | os.PathLike[str]]) -> Sound:
    """A sound that consists of passages of the files in folders.

    A file that is shorter than needed is repeated. Silent passages and files that cannot be read
    are skipped.

    Raises
    ------
    UsageError
        If there is no audio file. The sound itself raises it if no passage is audible.
    """
    files = list(find_audio(folders))
    names = ", ".join(os.fspath(folder) for folder in folders)
    if not files:
        raise UsageError(f"{names}: no audio file in it; name a folder of recorded sound")

    def sound(n: int, rng: np.random.Generator) -> Samples:
        for _ in range(_TRIES):
            passage = _draw_passage(files[int(rng.integers(len(files)))], n, rng)
            if passage is not None and rms(passage) >= _QUIETEST_RMS:
                return passage
        raise UsageError(
            f"{names}: {_TRIES} stretches drawn and none with sound; take the quiet out"
        )

    return sound


def _draw_passage(path: Path, n: int, rng: np.random.Generator) -> Samples | None:
    try:
        with open_audio(path) as audio:
            spare_s = max(0.0, (audio.duration_s or 0.0) - n / SR)
        samples = read_excerpt(path, rng.uniform(0.0, spare_s), n)
    except AudioError:
        return None
    if len(samples) < n:
        samples = np.resize(np.roll(samples, rng.integers(n)), n)
    return samples


def babble(n: int, voice: Sound, rng: np.random.Generator) -> Samples:
    """Several voices at once, equally loud."""
    voices = [voice(n, rng) for _ in range(_VOICES)]
    return np.sum([each / np.float32(rms(each)) for each in voices], axis=0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Sounds:
    """Where noise comes from; synthetic if the user has no files."""

    ambience: Sound = synthetic_ambience
    voice: Sound = synthetic_voice
