"""Separation of a recording into harmonic and percussive parts, or into recurring components.

Harmonic and percussive parts come from median filters [1]_. Components come from a non-negative
matrix factorisation of the magnitude under the Kullback-Leibler divergence [2]_ [3]_. Both give
masks that sum to one at every point, so the parts add up to the mix.

References
----------
.. [1] D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.
.. [2] D. Lee and S. Seung, "Algorithms for non-negative matrix factorization", NIPS 2001.
.. [3] P. Smaragdis and J. Brown, "Non-negative matrix factorization for polyphonic music
   transcription", WASPAA 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np

from fingerprinter.core.arrays import Complexes, Floats

Masks: TypeAlias = Callable[[Floats], Floats]
"""Maps magnitudes (bins, frames) to masks (parts, bins, frames) that sum to one."""

SR: Final = 44_100
CHUNK_S, FADE_S = 20.0, 1.0  # separated together, and faded into the next chunk
MAX_FRAMES = 2000  # that the templates are learned from, spread over the whole recording

_N_FFT, _HOP_LENGTH = 2048, 512
_MEDIAN_LENGTH = 31  # 0.36 s in time, 667 Hz in frequency
_ITERATIONS = 100
_ACTIVATION_ITERATIONS = 40  # with known templates
_EPSILON = np.float32(1e-6)


def harmonic_percussive(magnitude: Floats) -> Floats:
    """Masks of what is smooth in time, and of what is smooth in frequency.

    Parameters
    ----------
    magnitude : (bins, frames) float32

    Returns
    -------
    (2, bins, frames) float32
    """
    from librosa.decompose import hpss

    return np.stack(hpss(magnitude, kernel_size=_MEDIAN_LENGTH, mask=True))


def learn_templates(magnitude: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Learn the spectra that recur in a recording.

    Parameters
    ----------
    magnitude : (bins, frames) float32
        Some frames of the recording, as `FrameSample` collects them.
    count : int
        Number of spectra.
    rng : numpy.random.Generator
        Starts the factorisation.

    Returns
    -------
    (count, bins) float32
        Each spectrum sums to 1. The one with the most energy comes first.
    """
    from sklearn.decomposition import NMF

    model = NMF(
        count,
        init="random",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=_ITERATIONS,
        tol=0,
        random_state=int(rng.integers(1 << 31)),
    )
    activations = model.fit_transform(magnitude.T)
    templates = np.maximum(model.components_, _EPSILON)
    sums = templates.sum(axis=1)
    order = np.argsort(-activations.sum(axis=0) * sums)
    return (templates / sums[:, np.newaxis])[order].astype(np.float32)


def component_masks(templates: Floats) -> Masks:
    """Make masks by how much of each point is explained by each template.

    Parameters
    ----------
    templates : (count, bins) float32
        Spectra that `learn_templates` returns.
    """
    from sklearn.decomposition import non_negative_factorization

    def masks(magnitude: Floats) -> Floats:
        activations, _, _ = non_negative_factorization(
            magnitude.T,
            H=templates,
            n_components=len(templates),
            update_H=False,
            solver="mu",
            beta_loss="kullback-leibler",
            max_iter=_ACTIVATION_ITERATIONS,
            tol=0,
        )
        parts = templates[:, :, np.newaxis] * activations.T[:, np.newaxis] + _EPSILON
        return parts / parts.sum(axis=0)

    return masks


class FrameSample:
    """Collects evenly spread frames of a stream of samples, however long it is.

    Parameters
    ----------
    max_frames : int
        Largest number of frames that are kept.
    """

    def __init__(self, max_frames: int = MAX_FRAMES) -> None:
        self._max_frames = max_frames
        self._kept: list[Floats] = []
        self._stride, self._seen = 1, 0

    def push(self, samples: Floats) -> None:
        """Take the next samples, (n,) float32. Frames across two blocks are left out."""
        if len(samples) < _N_FFT:
            return
        for frame in np.abs(_stft(samples, center=False)).T:
            if self._seen % self._stride == 0:
                self._kept.append(frame.copy())
            self._seen += 1
            if len(self._kept) > self._max_frames:
                self._kept, self._stride = self._kept[::2], 2 * self._stride

    def magnitude(self) -> Floats:
        """Return the frames, (bins, k) float32.

        Raises
        ------
        ValueError
            There is not a single frame.
        """
        return np.stack(self._kept, axis=1)


def separated(
    blocks: Iterable[Floats], masks: Masks, chunk_s: float = CHUNK_S, fade_s: float = FADE_S
) -> Iterator[Floats]:
    """Separate a stream into parts that add up to the mix, in bounded memory.

    Parameters
    ----------
    blocks : iterable of (n,) float32
        Consecutive mono samples at `SR`, in blocks of any length.
    masks : callable
        `harmonic_percussive`, or what `component_masks` returns.
    chunk_s, fade_s : float
        Each chunk is separated by itself, and its end is faded into the next chunk.

    Yields
    ------
    (parts, n) float32
    """
    chunk_length, fade_length = round(chunk_s * SR), round(fade_s * SR)
    rise = np.linspace(0, 1, fade_length, dtype=np.float32)
    tail: Floats | None = None
    for chunk, is_last in _chunks(blocks, chunk_length, fade_length):
        parts = _separate_chunk(chunk, masks)
        if tail is not None:
            fade = min(fade_length, parts.shape[1])
            parts[:, :fade] *= rise[:fade]
            parts[:, :fade] += tail[:, :fade] * (1 - rise[:fade])
        yield parts if is_last else parts[:, :-fade_length]
        tail = parts[:, -fade_length:]


def _chunks(blocks: Iterable[Floats], length: int, overlap: int) -> Iterator[tuple[Floats, bool]]:
    """Yield (samples, whether they are the last); each starts ``overlap`` before the last ends."""
    pending = np.empty(0, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        while len(pending) > length:
            yield pending[:length], False
            pending = pending[length - overlap :]
    yield pending, True


def _separate_chunk(samples: Floats, masks: Masks) -> Floats:
    """Separate samples (n,) into (parts, n)."""
    from librosa import istft

    padded = np.pad(samples, (0, max(0, _N_FFT - len(samples))))
    spectra = _stft(padded)
    parts = masks(np.abs(spectra)) * spectra
    sounds = istft(parts, hop_length=_HOP_LENGTH, n_fft=_N_FFT, length=len(padded))
    return sounds[:, : len(samples)]


def _stft(samples: Floats, center: bool = True) -> Complexes:
    """Spectra of overlapping Hann windows, (bins, frames)."""
    from librosa import stft

    return stft(samples, n_fft=_N_FFT, hop_length=_HOP_LENGTH, center=center)
