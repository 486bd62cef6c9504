"""Beat and downbeat activations of a recording, by a small recurrent network.

The network is that of BeatNet (Heydari, Cwitkowitz & Duan 2021), without its particle filter. The
front end is the one on which it was trained, from madmom (Böck et al. 2016): a logarithmic filter
bank of 24 bands per octave, and its rise from frame to frame. The weights were made by
`scripts/train/export_beatnet.py`.
"""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Floats
from fingerprinter.core.mir.frames import CentredFrames
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.errors import ModelError

Halves = npt.NDArray[np.float16]

BEAT_WEIGHTS: Final = Path(__file__).parent / "weights" / "beatnet.onnx"
STATES: Final = ("hidden_0", "cell_0", "hidden_1", "cell_1")  # of the two recurrent layers
SR: Final = 22_050  # sample rate in hertz
BANDS: Final = 136
CHUNK_FRAMES: Final = 3000  # frames that the network processes at a time: one minute

_N_FFT, _HOP = 1411, 441  # 64 and 20 ms
_BINS = _N_FFT // 2
_LOWEST_HZ, _HIGHEST_HZ, _BANDS_PER_OCTAVE, _A4_HZ = 30.0, 17_000.0, 24, 440.0
_TARGET_RMS = 10.0  # RMS of the bands of a mastered track; quiet tracks are raised to it
_INAUDIBLE_RMS = 1e-6
_MAX_BAND = 6e4  # largest value in half precision; a sine of full scale has 350
_HIDDEN = 150  # width of a recurrent layer
_ADVICE = "reinstall fingerprinter"


class BandMeter:
    """Computes the band magnitudes of a stream of mono samples at `SR`."""

    def __init__(self) -> None:
        self._frames = CentredFrames(_N_FFT, _HOP)
        self._bands: list[Halves] = []

    def push(self, block: Floats) -> None:
        """Add the next samples, (n,) float32."""
        self._measure(self._frames.push(block))

    def result(self) -> Halves:
        """End the stream and return all bands.

        Returns
        -------
        (n, 136) float16
            Magnitude in each band of each frame of 20 ms.
        """
        self._measure(self._frames.finish())
        return np.concatenate([np.empty((0, BANDS), np.float16), *self._bands])

    def _measure(self, frames: Floats) -> None:
        """Append the bands of some frames."""
        from scipy.fft import rfft  # that of NumPy takes eight times as long for this odd length

        if len(frames):
            magnitude = np.abs(rfft(frames * _window(), axis=1))[:, :_BINS]
            bands = np.minimum(magnitude @ _filters(), _MAX_BAND)
            # The gain depends on the whole recording, so all bands are kept. Half precision takes
            # 13 kB for each second.
            self._bands.append(bands.astype(np.float16))


@lru_cache(maxsize=1)
def _window() -> Floats:
    return np.hanning(_N_FFT).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """Return overlapping triangular filters, each of sum 1, (bins, bands) float32."""
    edges = _band_edges()
    filters = np.zeros((_BINS, len(edges) - 2), np.float32)
    for band, (start, middle, end) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if end - start < 2:
            middle, end = start, start + 1
        rise = np.linspace(0, 1, middle - start, endpoint=False)
        fall = np.linspace(1, 0, end - middle, endpoint=False)
        triangle = np.concatenate([rise, fall])
        filters[start:end, band] = triangle / triangle.sum()
    return filters


def _band_edges() -> npt.NDArray[np.int64]:
    """Return the distinct FFT bins nearest to quarter tones."""
    hz = np.fft.rfftfreq(2 * _BINS, 1 / SR)[:_BINS]
    first = np.floor(np.log2(_LOWEST_HZ / _A4_HZ) * _BANDS_PER_OCTAVE)
    last = np.ceil(np.log2(_HIGHEST_HZ / _A4_HZ) * _BANDS_PER_OCTAVE)
    quarter_tones = _A4_HZ * 2 ** (np.arange(first, last) / _BANDS_PER_OCTAVE)
    in_range = (quarter_tones >= _LOWEST_HZ) & (quarter_tones <= _HIGHEST_HZ)
    quarter_tones = quarter_tones[in_range]
    above = np.clip(hz.searchsorted(quarter_tones), 1, _BINS - 1)
    return np.unique(above - (quarter_tones - hz[above - 1] < hz[above] - quarter_tones))


def normalizing_gain(bands: Halves) -> float:
    """Return the gain that brings the bands of a recording to the level of a mastered track.

    Parameters
    ----------
    bands
        (n, 136) float16 of the whole recording.

    Returns
    -------
    float
        The gain; 0 for silence.
    """
    total = 0.0
    for start in range(0, len(bands), CHUNK_FRAMES):
        total += float(np.sum(np.square(bands[start : start + CHUNK_FRAMES].astype(np.float32))))
    rms = np.sqrt(total / max(1, bands.size))
    return _TARGET_RMS / rms if rms > _INAUDIBLE_RMS else 0.0


def log_bands(bands: Halves, gain: float) -> Floats:
    """Return ``log10(1 + gain * bands)``, (n, 136) float32."""
    return np.log10(1 + bands.astype(np.float32) * np.float32(gain))


class BeatModel:
    """The network, on one thread. onnxruntime is loaded at the first use.

    Parameters
    ----------
    weights
        ONNX file. Its card has the same name with the ending ``.json``.
    """

    def __init__(self, weights: Path = BEAT_WEIGHTS) -> None:
        self._path = weights

    @cached_property
    def digest(self) -> str:
        """Digest of the weights: 16 hex digits. Raises `ModelError` if they are damaged."""
        return self._file.sha256[:16]

    def activations(self, bands: Halves, *, chunk_frames: int = CHUNK_FRAMES) -> Floats:
        """Compute how likely each frame is a beat or downbeat.

        Parameters
        ----------
        bands
            (n, 136) float16 of a whole recording, from `BandMeter`.
        chunk_frames
            Frames that the network processes at a time. It bounds the memory and does not change
            the result.

        Returns
        -------
        (n,) float32
            Probability of a beat at each frame of 20 ms.

        Raises
        ------
        ModelError
            If the weights are missing or damaged.
        """
        gain = normalizing_gain(bands)
        state = [np.zeros((1, 1, _HIDDEN), np.float32)] * len(STATES)
        outputs = [np.empty((0, 3), np.float32)]
        previous = np.zeros((1, BANDS), np.float32)
        for start in range(0, len(bands), chunk_frames):
            logs = log_bands(bands[start : start + chunk_frames], gain)
            steps = np.diff(logs, axis=0, prepend=previous if start else logs[:1])
            features = np.concatenate([logs, np.maximum(0, steps)], axis=1)
            output, state = self.run(features, state)
            outputs.append(output)
            previous = logs[-1:]
        beat, downbeat, _ = np.concatenate(outputs).T
        return beat + downbeat

    def run(self, features: Floats, state: list[Floats]) -> tuple[Floats, list[Floats]]:
        """Run the network over some frames.

        Parameters
        ----------
        features
            (n, 272) float32, log bands and their rise.
        state
            State of the two layers, in the order of `STATES`; zeros at the start.

        Returns
        -------
        probabilities : (n, 3) float32
            Probabilities of a beat only, of a downbeat, and of neither.
        state : list of float32 arrays
            State after the last frame.
        """
        inputs = dict(zip(STATES, state, strict=True)) | {"bands": features[:, np.newaxis]}
        output, *after = self._session.run(None, inputs)
        return output, after

    @cached_property
    def _file(self) -> NetworkFile:
        """The verified weights."""
        card = self._path.with_suffix(".json")
        try:
            sha256 = json.loads(card.read_text(encoding="utf-8"))["sha256"]
        except OSError as error:
            raise ModelError(f"{card}: {error.strerror}; {_ADVICE}") from error
        file = NetworkFile(self._path, sha256, "card", _ADVICE)
        file.verify()
        return file

    @cached_property
    def _session(self) -> Any:
        return self._file.session()
