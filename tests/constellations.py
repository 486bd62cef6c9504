"""Constellations made from seeds, and clips that are put together of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.types import Peaks

PER_S = 1 / DEFAULT.hop_s  # frames


@dataclass(frozen=True)
class Heard:
    """A passage of a recording in a clip, in seconds of the clip.

    from_s: where in the recording it begins; tempo: at its beginning and, drifting, at its end
    share: of the recording's peaks that are there
    """

    recording: Peaks
    start_s: float
    end_s: float
    from_s: float = 0.0
    tempo: tuple[float, float] = (1.0, 1.0)
    share: float = 0.8


def sky(seed: int, duration_s: float, per_s: float = 30.0) -> Peaks:
    """Peaks without any order, at quarters of frames and bins."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * per_s)
    frames = np.sort(rng.integers(0, round(duration_s * PER_S * 4), n)) / 4
    bins = rng.integers(12, 4 * 500, n) / 4
    return Peaks(frames.astype(np.float32), bins.astype(np.float32), np.ones(n, np.float32))


def looped(bar: Peaks, bar_s: float, times: int) -> Peaks:
    """A bar again and again."""
    return joined([moved(bar, number * bar_s) for number in range(times)])


def moved(peaks: Peaks, seconds: float) -> Peaks:
    return Peaks(peaks.frames + np.float32(seconds * PER_S), peaks.bins, peaks.salience)


def joined(parts: Sequence[Peaks]) -> Peaks:
    """All peaks of several, in their order in time."""
    every = Peaks(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.bins for part in parts]),
        np.concatenate([part.salience for part in parts]),
    )
    return every.take(np.lexsort((every.bins, every.frames)))


def passage(heard: Heard, seed: int) -> Peaks:
    """What of a recording is heard in the clip, in frames of the clip."""
    length_s, (at_first, at_last) = heard.end_s - heard.start_s, heard.tempo
    clip_s = np.linspace(0, length_s, 2000)
    recording_s = heard.from_s + at_first * clip_s + (at_last - at_first) * clip_s**2 / length_s / 2
    of = heard.recording
    inside = (of.frames >= recording_s[0] * PER_S) & (of.frames < recording_s[-1] * PER_S)
    inside &= np.random.default_rng(seed).random(len(of)) < heard.share
    there = of.take(inside)
    when = heard.start_s * PER_S + np.interp(there.frames, recording_s * PER_S, clip_s * PER_S)
    frames = (np.rint(when * 4) / 4).astype(np.float32)
    return Peaks(frames, there.bins, there.salience)


def clip_of(duration_s: float, *parts: Heard, noise_per_s: float = 40.0) -> Peaks:
    """A clip in which passages are heard among peaks of other sound."""
    noise = sky(99, duration_s, noise_per_s)
    return joined([noise, *(passage(part, seed) for seed, part in enumerate(parts))])
