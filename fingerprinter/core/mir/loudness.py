"""Loudness by ITU-R BS.1770-4 and EBU R 128 / Tech 3342, of a stream, in bounded memory.

The K weighting is the two filters of BS.1770 for any sample rate, as De Man ("Evaluation of
implementations of the EBU R128 loudness measurement", AES 2018) derived them from the standard's
coefficients at 48 kHz.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprinter.types import Loudness

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_HOP_S = 0.1
_MOMENTARY, _SHORT_TERM = 4, 30  # hops: 400 ms, 3 s
_OFFSET_LU = -0.691
_SILENCE_LUFS = -70.0  # the absolute gate
_GATE_LU, _RANGE_GATE_LU = -10.0, -20.0  # the relative gates of loudness and of its range
_RANGE_PERCENTS = (10, 95)
# 5.1 in FFmpeg's order: left, right, centre, low frequencies (not heard), surrounds (+1.5 dB)
_SURROUND_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.0, 1.41, 1.41])
_LEAST_SHELF_SR = 4000
_OVERSAMPLING: Final = 4
_TAPS: Final = 12  # of each phase
_PIECE: Final = 4096  # samples whose true peak is looked for together


class LoudnessMeter:
    """Takes samples of all channels, in blocks, and then says how loud they were."""

    def __init__(self) -> None:
        self._sr = self._channels = 0
        self._state: Any = None  # of the filters
        self._rest = np.empty((0, 0))
        self._powers: list[Doubles] = []  # weighted mean square of each hop of 100 ms
        self._peak = 0.0
        self._tail: Floats = np.empty((0, 0), np.float32)

    def push(self, samples: Floats, sr: int) -> None:
        """The next samples, (channels, n) float32 of full scale 1, at a rate that may change."""
        if (sr, len(samples)) != (self._sr, self._channels):
            self._restart(sr, len(samples))
        self._push_powers(samples)
        self._push_peak(samples)

    def _restart(self, sr: int, channels: int) -> None:
        self._sr, self._channels = sr, channels
        self._state = np.zeros((2, channels, 2))
        self._rest = np.empty((channels, 0))
        self._tail = np.zeros((channels, _TAPS), np.float32)

    def _push_powers(self, samples: Floats) -> None:
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(_k_weighting(self._sr), samples, zi=self._state)
        waiting = np.concatenate([self._rest, weighted], axis=1)
        hop = round(_HOP_S * self._sr)
        count = waiting.shape[1] // hop
        self._rest = waiting[:, count * hop :]
        hops = waiting[:, : count * hop].reshape(self._channels, count, hop)
        self._powers.append(_channel_weights(self._channels) @ np.mean(np.square(hops), axis=2))

    def _push_peak(self, samples: Floats) -> None:
        """Looks between the samples only where a peak can be higher than the one that is known."""
        joined = np.concatenate([self._tail, samples], axis=1)
        for start in range(0, samples.shape[1], _PIECE):
            piece = joined[:, start : start + _PIECE + _TAPS]
            highest = float(np.abs(piece).max())
            self._peak = max(self._peak, highest)
            if highest * _interpolation_gain() > self._peak:
                self._peak = max(self._peak, _between(piece))
        self._tail = joined[:, -_TAPS:]

    def result(self) -> Loudness:
        """Integrated loudness, its range and the true peak of all that was taken."""
        powers = np.concatenate([np.empty(0), *self._powers])
        return Loudness(
            integrated_lufs=_integrated(_means(powers, _MOMENTARY)),
            range_lu=_range(_means(powers, _SHORT_TERM)),
            true_peak_dbtp=round(float(20 * np.log10(self._peak)), 2) if self._peak > 0 else None,
        )

    def curve(self) -> Doubles:
        """Momentary loudness at each tenth of a second, (n,) float64 LUFS, -70 at least."""
        means = _means(np.concatenate([np.empty(0), *self._powers]), _MOMENTARY)
        return np.maximum(_lufs(means), _SILENCE_LUFS)


def _means(powers: Doubles, count: int) -> Doubles:
    """The mean of each run of so many hops."""
    if len(powers) < count:
        return np.empty(0)
    return np.lib.stride_tricks.sliding_window_view(powers, count).mean(axis=1)


def _lufs(powers: Doubles) -> Doubles:
    return _OFFSET_LU + 10 * np.log10(np.maximum(powers, 1e-20))


def _gated(powers: Doubles, relative_lu: float) -> Doubles:
    """What is louder than silence, and not far quieter than the mean of that."""
    audible = powers[_lufs(powers) > _SILENCE_LUFS]
    if not len(audible):
        return audible
    return audible[_lufs(audible) > _lufs(audible.mean()) + relative_lu]


def _integrated(momentary: Doubles) -> float | None:
    loud = _gated(momentary, _GATE_LU)
    return round(float(_lufs(loud.mean())), 2) if len(loud) else None


def _range(short_term: Doubles) -> float | None:
    loud = _gated(short_term, _RANGE_GATE_LU)
    if not len(loud):
        return None
    low, high = np.percentile(_lufs(loud), _RANGE_PERCENTS)
    return round(float(high - low), 2)


def _channel_weights(channels: int) -> Doubles:
    return _SURROUND_WEIGHTS if channels == len(_SURROUND_WEIGHTS) else np.ones(channels)


@lru_cache(maxsize=8)
def _k_weighting(sr: int) -> Doubles:
    """Second-order sections: a shelf (the head), then a high pass."""
    shelf_hz, shelf_q, gain = 1681.974450955533, 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    k = np.tan(np.pi * shelf_hz / sr)
    middle = gain**0.4996667741545416
    a0 = 1 + k / shelf_q + k * k
    b = (
        gain + middle * k / shelf_q + k * k,
        2 * (k * k - gain),
        gain - middle * k / shelf_q + k * k,
    )
    shelf = [*(each / a0 for each in b), 1, 2 * (k * k - 1) / a0, (1 - k / shelf_q + k * k) / a0]
    pass_hz, pass_q = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * pass_hz / sr)
    a0 = 1 + k / pass_q + k * k
    high_pass = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / pass_q + k * k) / a0]
    # Below 4 kHz all of the sound lies under the shelf, whose filter would not be stable.
    return np.array([shelf if sr >= _LEAST_SHELF_SR else [1, 0, 0, 1, 0, 0], high_pass])


def _between(piece: Floats) -> float:
    """The highest magnitude at and between samples, four times as dense, without the ends."""
    from scipy.signal import upfirdn

    dense = upfirdn(_interpolator(), piece, up=_OVERSAMPLING, axis=1)
    end = len(_interpolator()) - 1
    return float(np.abs(dense[:, end:-end]).max(initial=0.0))


@lru_cache(maxsize=1)
def _interpolator() -> Floats:
    """A windowed sinc of 48 taps, the length that BS.1770 has in its annex 2."""
    n = _OVERSAMPLING * _TAPS
    t = (np.arange(n + 1) - n / 2) / _OVERSAMPLING
    return (np.sinc(t) * np.kaiser(n + 1, 5.0)).astype(np.float32)


@lru_cache(maxsize=1)
def _interpolation_gain() -> float:
    """No peak between samples is higher than this many times the highest sample."""
    return max(
        float(np.abs(_interpolator()[phase::_OVERSAMPLING]).sum()) for phase in range(_OVERSAMPLING)
    )
