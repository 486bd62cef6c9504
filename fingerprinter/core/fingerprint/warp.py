"""Changes of tempo and pitch, undone on the clip's peaks instead of its audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fingerprinter.types import Peaks


@dataclass(frozen=True, slots=True)
class Warp:
    """What was done to a recording before the clip was made of it.

    tempo, pitch: factors; equal for a change of speed
    """

    tempo: float = 1.0
    pitch: float = 1.0


UNCHANGED = Warp()


def unwarp(peaks: Peaks, warp: Warp) -> Peaks:
    """The peaks as they would lie in the unchanged recording."""
    return replace(
        peaks,
        frames=peaks.frames * np.float32(warp.tempo),
        bins=peaks.bins / np.float32(warp.pitch),
    )


def _steps(low: float, high: float, step: float) -> Sequence[float]:
    """Factors from low to high, evenly spaced in ratio, without 1."""
    below = np.arange(-step, np.log(low) - step / 2, -step)
    above = np.arange(step, np.log(high) + step / 2, step)
    return tuple(float(factor) for factor in np.exp(np.concatenate([below, above])))


_PITCH_STEP = 0.012  # half of it moves bin 80 by half a bin
_TEMPO_STEP = 0.04  # half of it moves a target 25 frames away by half a frame

# The cheapest first: there are 14 changes of tempo, 38 of speed, 39 of pitch.
ESCALATION: tuple[tuple[Warp, ...], ...] = (
    tuple(Warp(factor, 1.0) for factor in _steps(0.75, 1.33, _TEMPO_STEP)),
    tuple(Warp(factor, factor) for factor in _steps(0.80, 1.25, _PITCH_STEP)),
    tuple(Warp(1.0, factor) for factor in _steps(0.79, 1.26, _PITCH_STEP)),
)

# To find the tempo of a recording that is known already: fine enough to hold 10 s together.
TEMPOS: tuple[float, ...] = (1.0, *_steps(0.75, 1.33, 0.02))
