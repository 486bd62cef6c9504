"""Which moments of a recording are beats and downbeats: a small recurrent network.

BeatNet (Heydari, Cwitkowitz & Duan 2021), its network without its particle filter. The front end is
the one that it was trained on, of madmom (Böck et al. 2016): a logarithmic filter bank of 24
bands an octave and its rise from frame to frame. `scripts/export_beatnet.py` made the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprinter.core.mir.frames import CentredFrames
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]

BEAT_WEIGHTS: Final = Path(__file__).parent / "weights" / "beatnet.onnx"
STATES: Final = ("hidden_0", "cell_0", "hidden_1", "cell_1")  # of the two recurrent layers
SR: Final = 22_050  # Hz
BANDS: Final = 136

_N_FFT, _HOP = 1411, 441  # 64 and 20 ms
_BINS = _N_FFT // 2
_LOWEST_HZ, _HIGHEST_HZ, _PER_OCTAVE, _A4_HZ = 30.0, 17_000.0, 24, 440.0
_LEVEL = 10.0  # root mean square of the bands of a mastered track; quiet ones are raised to it
_INAUDIBLE = 1e-6
_LOUDEST = 6e4  # what half precision holds; a sine of full scale has 350
_HIDDEN = 150
_CHUNK = 3000  # frames that go through the network together: a minute
_REINSTALL = "reinstall fingerprinter"


class BandMeter:
    """Takes mono samples at `SR` in blocks, and then gives their bands."""

    def __init__(self) -> None:
        self._frames = CentredFrames(_N_FFT, _HOP)
        self._bands: list[Halves] = []

    def push(self, block: Floats) -> None:
        """The next samples, (n,) float32."""
        self._take(self._frames.push(block))

    def result(self) -> Halves:
        """Magnitude in each band of each frame of 20 ms, (n, 136) float16; ends the stream."""
        self._take(self._frames.finish())
        return np.concatenate([np.empty((0, BANDS), np.float16), *self._bands])

    def _take(self, frames: Floats) -> None:
        from scipy.fft import rfft  # NumPy's takes eight times as long for this odd length

        if len(frames):
            magnitude = np.abs(rfft(frames * _window(), axis=1))[:, :_BINS]
            # half precision: 13 kB a second are kept until the level of the whole is known
            bands = np.minimum(magnitude @ _filters(), _LOUDEST)
            self._bands.append(bands.astype(np.float16))


@lru_cache(maxsize=1)
def _window() -> Floats:
    return np.hanning(_N_FFT).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """Triangles between every second of some bins, each of sum 1: (bins, bands) float32."""
    edges = _edges()
    filters = np.zeros((_BINS, len(edges) - 2), np.float32)
    for band, (start, middle, end) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if end - start < 2:
            middle, end = start, start + 1
        rise = np.linspace(0, 1, middle - start, endpoint=False)
        fall = np.linspace(1, 0, end - middle, endpoint=False)
        triangle = np.concatenate([rise, fall])
        filters[start:end, band] = triangle / triangle.sum()
    return filters


def _edges() -> npt.NDArray[np.int64]:
    """The bins next to quarter tones, each once."""
    hz = np.fft.rfftfreq(2 * _BINS, 1 / SR)[:_BINS]
    first = np.floor(np.log2(_LOWEST_HZ / _A4_HZ) * _PER_OCTAVE)
    last = np.ceil(np.log2(_HIGHEST_HZ / _A4_HZ) * _PER_OCTAVE)
    wanted = _A4_HZ * 2 ** (np.arange(first, last) / _PER_OCTAVE)
    wanted = wanted[(wanted >= _LOWEST_HZ) & (wanted <= _HIGHEST_HZ)]
    above = np.clip(hz.searchsorted(wanted), 1, _BINS - 1)
    return np.unique(above - (wanted - hz[above - 1] < hz[above] - wanted))


def levelled(bands: Halves) -> float:
    """The gain that brings the bands of a recording to the level of a mastered one."""
    total = sum(float(np.sum(np.square(part))) for part in _parts(bands))
    level = np.sqrt(total / max(1, bands.size))
    return _LEVEL / level if level > _INAUDIBLE else 0.0


def _parts(bands: Halves) -> Iterator[Floats]:
    for start in range(0, len(bands), _CHUNK):
        yield bands[start : start + _CHUNK].astype(np.float32)


def compressed(bands: Halves, gain: float) -> Floats:
    """Logarithms of bands under a gain, (n, 136) float32."""
    return np.log10(1 + bands.astype(np.float32) * np.float32(gain))


class BeatModel:
    """The network, on one thread; onnxruntime is loaded at the first use."""

    def __init__(self, weights: Path = BEAT_WEIGHTS) -> None:
        self._path = weights

    @cached_property
    def digest(self) -> str:
        """Digest of the weights: 16 hex digits; raises `ModelError`."""
        return self._file.sha256[:16]

    def activations(self, bands: Halves) -> Floats:
        """How likely each frame is a beat, downbeats among them: (n,) float32.

        bands: (n, 136) float16 of a whole recording, as `BandMeter` gives them
        Raises `ModelError`.
        """
        gain = levelled(bands)
        state = [np.zeros((1, 1, _HIDDEN), np.float32)] * len(STATES)
        outputs = [np.empty((0, 3), np.float32)]
        before = np.zeros((1, BANDS), np.float32)
        for start in range(0, len(bands), _CHUNK):
            log_bands = compressed(bands[start : start + _CHUNK], gain)
            steps = np.diff(log_bands, axis=0, prepend=before if start else log_bands[:1])
            features = np.concatenate([log_bands, np.maximum(0, steps)], axis=1)
            output, state = self.run(features, state)
            outputs.append(output)
            before = log_bands[-1:]
        beat, downbeat, _ = np.concatenate(outputs).T
        return beat + downbeat

    def run(self, features: Floats, state: list[Floats]) -> tuple[Floats, list[Floats]]:
        """Probability of (beat only, downbeat, neither), (n, 3), and the state after.

        features: (n, 272) float32; state: of the two layers, zeros at the start
        """
        inputs = dict(zip(STATES, state, strict=True)) | {"bands": features[:, np.newaxis]}
        output, *after = self._session.run(None, inputs)
        return output, after

    @cached_property
    def _file(self) -> NetworkFile:
        """The weights, which are what their card says."""
        card = self._path.with_suffix(".json")
        try:
            sha256 = json.loads(card.read_text(encoding="utf-8"))["sha256"]
        except OSError as error:
            raise ModelError(f"{card}: {error.strerror}; {_REINSTALL}") from error
        file = NetworkFile(self._path, sha256, "card", _REINSTALL)
        file.verify()
        return file

    @cached_property
    def _session(self) -> Any:
        return self._file.session()
