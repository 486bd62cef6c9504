"""Gain and peak of ReplayGain 2.0, from a loudness by EBU R 128."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fingerprinter.types import Loudness

REFERENCE_LUFS: Final = -18.0  # of ReplayGain 2.0


@dataclass(frozen=True, slots=True)
class ReplayGain:
    """Gain by which players bring a track to the common loudness, and its peak.

    Attributes
    ----------
    gain_db
        What to add to its level, in decibels.
    peak
        Its highest level; 1 is full scale. None if it is not known.
    """

    gain_db: float
    peak: float | None


def replay_gain(loudness: Loudness) -> ReplayGain | None:
    """Return gain and peak of a loudness; None if there is only silence.

    Examples
    --------
    >>> replay_gain(Loudness(-9.5, 4.0, -0.3))
    ReplayGain(gain_db=-8.5, peak=0.966051)
    """
    if loudness.integrated_lufs is None:
        return None
    peak_dbtp = loudness.true_peak_dbtp
    peak = None if peak_dbtp is None else round(10 ** (peak_dbtp / 20), 6)
    return ReplayGain(round(REFERENCE_LUFS - loudness.integrated_lufs, 2), peak)
