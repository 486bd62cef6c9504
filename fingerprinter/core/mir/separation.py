"""A recording taken apart: into what rings and what is struck, or into components that recur.

Harmonic and percussive parts by median filters (Fitzgerald, "Harmonic/percussive separation using
median filtering", DAFx 2010); components by non-negative matrix factorisation of the magnitude
under the Kullback-Leibler divergence (Lee & Seung 2001; for music Smaragdis & Brown 2003). Both are
masks that sum to one at every point, so that the parts add up to the mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Complexes = npt.NDArray[np.complex64]
Masks = Callable[[Floats], Floats]
"""Magnitudes (frames, bins) -> masks (parts, frames, bins) that sum to one."""

SR: Final = 44_100
_N_FFT, _HOP = 2048, 512
_MEDIAN_FRAMES, _MEDIAN_BINS = 31, 31  # 0.36 s, 667 Hz
_CHUNK, _FADE = 20 * SR, SR  # samples taken apart together, and faded into the next ones
_ITERATIONS = 100
_ACTIVATION_ITERATIONS = 40  # with templates that are known
_MOST_FRAMES = 2000  # that the templates are learned from, spread over the whole
_LEAST = np.float32(1e-6)


def harmonic_percussive(magnitude: Floats) -> Floats:
    """Masks of what is smooth in time, and of what is smooth in frequency: (2, frames, bins)."""
    from scipy.ndimage import median_filter

    harmonic = np.square(median_filter(magnitude, size=(_MEDIAN_FRAMES, 1))) + _LEAST**2
    percussive = np.square(median_filter(magnitude, size=(1, _MEDIAN_BINS))) + _LEAST**2
    share = harmonic / (harmonic + percussive)
    return np.stack([share, 1 - share])


def component_masks(templates: Floats, rng: np.random.Generator) -> Masks:
    """Masks by how much of each point is explained by each template: see `learn_templates`."""

    def masks(magnitude: Floats) -> Floats:
        activations = rng.uniform(0.5, 1.5, (len(magnitude), len(templates))).astype(np.float32)
        for _ in range(_ACTIVATION_ITERATIONS):
            activations = _better(activations, templates, magnitude)
        parts = activations.T[:, :, np.newaxis] * templates[:, np.newaxis] + _LEAST
        return parts / parts.sum(axis=0)

    return masks


def learn_templates(magnitude: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Spectra that recur: (count, bins) float32, each of sum 1, the one that is heard most first.

    magnitude: (frames, bins) float32, some frames of the whole
    """
    templates = rng.uniform(0.5, 1.5, (count, magnitude.shape[1])).astype(np.float32)
    activations = rng.uniform(0.5, 1.5, (len(magnitude), count)).astype(np.float32)
    for _ in range(_ITERATIONS):
        activations = _better(activations, templates, magnitude)
        templates = _better(templates.T, activations.T, magnitude.T).T
    sums = templates.sum(axis=1) + _LEAST
    heard = activations.sum(axis=0) * sums
    order = np.argsort(-heard)
    ordered: Floats = (templates / sums[:, np.newaxis])[order]
    return ordered


def _better(left: Floats, right: Floats, target: Floats) -> Floats:
    """One multiplicative step of the left factor, so that left @ right comes closer to target."""
    ratio = target / (left @ right + _LEAST)
    step: Floats = left * (ratio @ right.T) / (right.sum(axis=1) + _LEAST)
    return np.maximum(step, _LEAST)


class FrameSample:
    """Keeps evenly spread frames of a stream of samples, at most so many whatever its length."""

    def __init__(self) -> None:
        self._kept: list[Floats] = []
        self._stride, self._seen = 1, 0

    def push(self, samples: Floats) -> None:
        """The next samples, (n,) float32; frames across two blocks are left out."""
        for frame in np.abs(_spectra(samples)):
            if self._seen % self._stride == 0:
                self._kept.append(frame.copy())
            self._seen += 1
            if len(self._kept) > _MOST_FRAMES:
                self._kept, self._stride = self._kept[::2], 2 * self._stride

    def magnitude(self) -> Floats:
        """The frames, (k, bins) float32."""
        return np.stack(self._kept)


def separated(blocks: Iterable[Floats], masks: Masks) -> Iterator[Floats]:
    """The parts of a stream, (parts, n) float32 each time, which add up to the mix.

    blocks: (n,) float32, mono at `SR`; twenty seconds are taken apart together, and the last of
    them faded into the next twenty, so that memory has a bound
    """
    rise = np.linspace(0, 1, _FADE, dtype=np.float32)
    tail: Floats | None = None
    for chunk, is_last in _chunks(blocks):
        parts = _taken_apart(chunk, masks)
        if tail is not None:
            fade = min(_FADE, parts.shape[1])
            parts[:, :fade] *= rise[:fade]
            parts[:, :fade] += tail[:, :fade] * (1 - rise[:fade])
        yield parts if is_last else parts[:, :-_FADE]
        tail = parts[:, -_FADE:]


def _chunks(blocks: Iterable[Floats]) -> Iterator[tuple[Floats, bool]]:
    """(samples, whether they are the last); each begins `_FADE` before the one before ends."""
    waiting = np.empty(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) > _CHUNK:
            yield waiting[:_CHUNK], False
            waiting = waiting[_CHUNK - _FADE :]
    yield waiting, True


def _taken_apart(samples: Floats, masks: Masks) -> Floats:
    """(parts, n) of samples (n,)."""
    padded = np.pad(samples, (_N_FFT, 2 * _N_FFT))
    spectra = _spectra(padded)
    sounds = [_sound(mask * spectra) for mask in masks(np.abs(spectra))]
    return np.stack(sounds)[:, _N_FFT : _N_FFT + len(samples)]


@lru_cache(maxsize=1)
def _window() -> Floats:
    """The root of a Hann window, for analysis and synthesis: overlapping frames add up to one."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_N_FFT) / _N_FFT)
    return np.sqrt(hann / 2).astype(np.float32)


def _spectra(samples: Floats) -> Complexes:
    """The spectrum of each whole frame, (frames, bins)."""
    from scipy.fft import rfft

    if len(samples) < _N_FFT:
        return np.empty((0, _N_FFT // 2 + 1), np.complex64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _N_FFT)[::_HOP]
    transformed: Complexes = rfft(frames * _window(), axis=1)
    return transformed


def _sound(spectra: Complexes) -> Floats:
    """The samples of overlapping frames."""
    from scipy.fft import irfft

    pieces = irfft(spectra, _N_FFT, axis=1) * _window()
    per_frame = _N_FFT // _HOP
    rows = np.zeros((len(pieces) + per_frame - 1, _HOP), np.float32)
    for part in range(per_frame):
        rows[part : part + len(pieces)] += pieces[:, part * _HOP : (part + 1) * _HOP]
    return rows.reshape(-1)
