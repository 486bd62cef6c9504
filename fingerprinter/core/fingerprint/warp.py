"""Changes of tempo and pitch, which are undone on the peaks of a clip instead of its audio."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.types import Peaks


@dataclass(frozen=True, slots=True)
class Warp:
    """The change of a clip relative to its recording.

    Attributes
    ----------
    tempo, pitch : float
        Factors (1.04 is 4 % faster or higher). They are equal for a change of speed.
    """

    tempo: float = 1.0
    pitch: float = 1.0


UNCHANGED = Warp()


def unwarp(peaks: Peaks, warp: Warp) -> Peaks:
    """Move the peaks of a clip to where they lie in the unchanged recording.

    Examples
    --------
    >>> one = np.array([10.0], np.float32)
    >>> faster = Peaks(one, one, one)
    >>> unwarp(faster, Warp(tempo=1.25)).frames
    array([12.5], dtype=float32)
    """
    return replace(
        peaks,
        frames=peaks.frames * np.float32(warp.tempo),
        bins=peaks.bins / np.float32(warp.pitch),
    )


def offset_in_seconds(offset: float, tempo: float, params: LandmarkParams) -> float:
    """Return the second of a recording at the start of a clip, given the frames of both.

    The time of a frame is the middle of its transform, in the clip as in the recording.

    Examples
    --------
    >>> params = LandmarkParams()
    >>> offset_in_seconds(10.0, 1.0, params), offset_in_seconds(10.0, 2.0, params)
    (0.32, 0.256)
    """
    return offset * params.hop_s + (1 - tempo) * _middle_s(params)


def offset_in_frames(offset_s: float, tempo: float, params: LandmarkParams) -> float:
    """Return the inverse of `offset_in_seconds`."""
    return (offset_s - (1 - tempo) * _middle_s(params)) / params.hop_s


def _middle_s(params: LandmarkParams) -> float:
    return params.n_fft / params.sr / 2


def _factors(low: float, high: float, step: float) -> tuple[float, ...]:
    """Factors from low to high, evenly spaced in ratio, without 1."""
    below = np.arange(-step, np.log(low) - step / 2, -step)
    above = np.arange(step, np.log(high) + step / 2, step)
    return tuple(np.exp(np.concatenate([below, above])).tolist())


_PITCH_STEP = 0.012  # half of it moves bin 80 by half a bin
_TEMPO_STEP = 0.04  # half of it moves a target 25 frames away by half a frame


# The warps that a search tries one group after another, the cheapest group first: 14 changes of
# tempo, 38 of speed, 39 of pitch.
ESCALATION: tuple[tuple[Warp, ...], ...] = (
    tuple(Warp(factor, 1.0) for factor in _factors(0.75, 1.33, _TEMPO_STEP)),
    tuple(Warp(factor, factor) for factor in _factors(0.80, 1.25, _PITCH_STEP)),
    tuple(Warp(1.0, factor) for factor in _factors(0.79, 1.26, _PITCH_STEP)),
)


@dataclass(frozen=True, slots=True)
class WarpGrid:
    """Every tempo of a range with every pitch of another.

    Parameters
    ----------
    tempos, pitches
        Factors, sorted.
    """

    tempos: tuple[float, ...]
    pitches: tuple[float, ...]


# The search for any tempo with any pitch, an octave down and up: 9 tempos by 29 pitches. A sketch
# covers a second. So half a step of tempo moves its ends by a frame and a half, which takes 5 % of
# its likeness. Half a step of pitch, half a band, takes 20 %.
WARP_GRID = WarpGrid(
    tuple(sorted((1.0, *_factors(0.5, 2.0, math.log(4) / 8)))),
    tuple(sorted((1.0, *_factors(0.5, 2.0, math.log(4) / 28)))),
)

# Tempos that are tried on a recording that was found. The step is fine enough to align 10 s. The
# range is wider than that of the search: landmarks also agree at a tempo that is a little off, and
# the answer must tell the true one.
TEMPOS: tuple[float, ...] = (1.0, *_factors(0.42, 2.4, 0.02))
