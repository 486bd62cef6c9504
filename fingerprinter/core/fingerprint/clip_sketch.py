"""The sketches of a clip: as it is, under many warps, and laid on places of recordings.

See `fingerprinter.core.fingerprint.sketch` for what a sketch is. A clip at another tempo and pitch
is compared as it would sound in its recording:

1. The contrast at a pitch is made of the levels of the clip in the recording's bands, each moved
   by the pitch. To move the contrast of the clip's own bands instead would blur them: 28 instead
   of 22 of 100 bits are wrong at half speed.
2. Its frames are stretched by the tempo.
3. It is cut into windows, or laid on the recording's own windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Floats, Longs
from fingerprinter.core.fingerprint.params import DEFAULT_SKETCH_SEARCH, SketchSearchParams
from fingerprinter.core.fingerprint.sketch import (
    BANDS,
    HOP,
    PATTERNS,
    SILENT,
    TIMES,
    WINDOW,
    Codes,
    Projections,
    contrast_at,
    cosine_basis,
    over_time,
    packed,
)
from fingerprinter.core.fingerprint.warp import Warp, WarpGrid

# 1.2 %. Half of it moves a band by an eighth of its width, and one takes 2 % of the likeness.
_PITCH_STEP = math.log(2) / 56


@dataclass(frozen=True, slots=True)
class PitchedPatterns:
    """The contrast of a clip at a pitch, as the patterns that are projected.

    Parameters
    ----------
    values
        (frames, PATTERNS) float32, the slow cosines over the recording's bands.
    heard
        (PATTERNS,) float32, the pattern of the bands that the clip has, the first as 1. Nothing is
        known of the others, which lie above the bins of the clip.
    """

    values: Floats
    heard: Floats


@dataclass(frozen=True, slots=True)
class ClipSpectrum:
    """What of a clip is compared with sketches.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32, contrast of the unchanged clip.
    log_mag
        (frames, bins) float32, log magnitude of the same frames in nepers.
    """

    contrast: Floats
    log_mag: Floats
    _at_pitch: dict[int, PitchedPatterns] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.contrast)

    @classmethod
    def empty(cls) -> ClipSpectrum:
        """Return the spectrum of no frames."""
        return cls(np.empty((0, BANDS), np.float32), np.empty((0, 0), np.float32))

    def between(self, start: int, end: int) -> ClipSpectrum:
        """Return the frames from one to before another."""
        return ClipSpectrum(self.contrast[start:end], self.log_mag[start:end])

    def followed_by(self, other: ClipSpectrum) -> ClipSpectrum:
        """Return these frames and those that come next."""
        if not len(self):
            return other
        contrast = np.concatenate([self.contrast, other.contrast])
        return ClipSpectrum(contrast, np.concatenate([self.log_mag, other.log_mag]))

    def at_pitch(self, pitch: float) -> PitchedPatterns:
        """Return the patterns of the clip as its recording has them, to a step of pitch."""
        step = round(math.log(pitch) / _PITCH_STEP)
        if step not in self._at_pitch:
            self._at_pitch[step] = self._patterns(step)
        return self._at_pitch[step]

    def _patterns(self, step: int) -> PitchedPatterns:
        pitch = math.exp(step * _PITCH_STEP)
        above = contrast_at(self.log_mag, pitch) if step else self.contrast
        bands = cosine_basis(BANDS, PATTERNS)[: above.shape[1]]
        heard = bands.sum(axis=0)
        return PitchedPatterns(above @ bands, heard / heard[0])


@dataclass(frozen=True, slots=True)
class ClipSketch:
    """The windows of a clip, one at every frame.

    Parameters
    ----------
    values
        (q, bits) float32, each row of length 1.
    codes
        (q, words) uint64, the signs of the values.
    starts
        (q,) int64, frame of the clip at which each window begins; may be negative.
    weights
        (q,) float32, the share of each window that the clip covers; 0 for silence.
    """

    values: Floats
    codes: Codes
    starts: Longs
    weights: Floats


def clip_sketch(
    contrast: Floats,
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> ClipSketch:
    """Return the windows of a clip.

    Parameters
    ----------
    contrast
        (frames, BANDS) float32 of the clip.
    """
    n, least = len(contrast), policy.min_window_frames
    reach = WINDOW - least
    starts = np.arange(-reach, max(-reach, n - least + 1))
    padded = np.pad(contrast @ cosine_basis(BANDS, PATTERNS), ((WINDOW, WINDOW), (0, 0)))
    inside = np.pad(np.ones(n, np.float32), WINDOW)
    rows = starts[:, None] + WINDOW + np.arange(WINDOW)
    heard = np.eye(1, PATTERNS, dtype=np.float32)  # all bands
    values, weights = _project(padded[rows], inside[rows], heard, projections)
    return ClipSketch(values, packed(values), starts, weights)


def _project(
    patterns: Floats, inside: Floats, heard: Floats, projections: Projections
) -> tuple[Floats, Floats]:
    """Return ((n, bits) of length 1, (n,) weights) of the windows of a clip.

    patterns: (n, WINDOW, PATTERNS), 0 beyond the clip; their mean is subtracted in place
    inside: (n, WINDOW), 1 for frames of the clip
    heard: (n or 1, PATTERNS), see `PitchedPatterns`
    """
    share = inside.mean(axis=1)
    # the first pattern is the sum of the bands of a frame, over the root of their number
    mean = patterns[:, :, 0].sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    patterns -= (mean[:, None] * inside)[:, :, None] * heard.reshape(-1, 1, PATTERNS)
    return _projected(over_time(patterns), mean, share, projections)


def _projected(
    slow: Floats, mean: Floats, share: Floats, projections: Projections
) -> tuple[Floats, Floats]:
    """Return ((n, bits) of length 1, (n,) weights) of the cosines of windows.

    slow: (n, TIMES * PATTERNS), without the mean
    mean: (n,) that was subtracted; share: (n,) of each window that the clip covers
    """
    values = slow @ projections.clip
    values -= share[:, None] * projections.clip_mean
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return values, np.where(mean < SILENT * np.sqrt(BANDS), 0, share).astype(np.float32)


def _at_frames(rows: Floats, at: npt.NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Return (rows of a clip at places between its frames, 1 for places inside the clip)."""
    last = len(rows) - 1
    inside = ((at >= 0) & (at <= last)).astype(np.float32)
    before = np.floor(at).clip(0, last).astype(np.int64)
    part = (at - before).astype(np.float32)[:, None]
    between = rows[before] * (1 - part) + rows[np.minimum(before + 1, last)] * part
    between *= inside[:, None]
    return between, inside


@dataclass(frozen=True, slots=True)
class WarpedWindows:
    """Windows of a clip under many warps, as they would be in the unchanged recording.

    Parameters
    ----------
    values
        (n, bits) float32, each row of length 1.
    codes
        (n, words) uint64, the signs of the values.
    middles
        (n,) frame of the clip in the middle of each window.
    warps
        The warps.
    warp
        (n,) int64, index of the warp of each window.
    """

    values: Floats
    codes: Codes
    middles: Doubles
    warps: Sequence[Warp]
    warp: Longs


def warped_windows(
    clip: ClipSpectrum,
    middle: float,
    grid: WarpGrid,
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> Iterator[WarpedWindows]:
    """Yield the windows of some seconds of a clip under every tempo with every pitch.

    The windows of one tempo come together, which bounds the memory.

    Parameters
    ----------
    clip
        The clip.
    middle
        Frame of the clip around which the windows lie.
    grid
        The tempos and pitches.
    """
    if not len(clip):
        return
    half, n = policy.warped_frames // 2, len(grid.pitches)
    at_pitch = [clip.at_pitch(pitch) for pitch in grid.pitches]
    patterns = np.concatenate([each.values for each in at_pitch], axis=1)
    heard = np.stack([each.heard for each in at_pitch])
    for tempo in grid.tempos:
        rows, inside = _at_frames(patterns, middle + np.arange(-half, half + 1) / tempo)
        starts = np.arange(0, len(rows) - WINDOW + 1, policy.warped_step)
        covered = np.lib.stride_tricks.sliding_window_view(inside, WINDOW)[starts]
        share = covered.mean(axis=1)
        kept = share >= policy.warped_weight
        starts = starts[kept]
        frames = starts[:, None] + np.arange(WINDOW)
        slow, means = _slow_over_time(rows[frames], covered[kept], heard)
        values, weights = _projected(slow, means, np.tile(share[kept], n), projections)
        middles = np.tile(middle + (starts + WINDOW / 2 - half) / tempo, n)
        of_pitch = np.repeat(np.arange(n), len(starts))
        warps = [Warp(tempo, pitch) for pitch in grid.pitches]
        sounds = weights > 0
        values = values[sounds]
        yield WarpedWindows(values, packed(values), middles[sounds], warps, of_pitch[sounds])


def _slow_over_time(rows: Floats, inside: Floats, heard: Floats) -> tuple[Floats, Floats]:
    """Return the slow cosines of windows at each pitch, for `_projected`.

    rows: (n, WINDOW, pitches * PATTERNS), 0 beyond the clip
    inside: (n, WINDOW), 1 for frames of the clip
    heard: (pitches, PATTERNS), see `PitchedPatterns`
    returns: (pitches * n, TIMES * PATTERNS) without the mean, and (pitches * n,) means
    """
    basis, (pitches, _) = cosine_basis(WINDOW, TIMES), heard.shape
    slow = (basis.T @ rows).reshape(len(rows), TIMES, pitches, PATTERNS)
    # the first cosine is the sum over time, over the root of the number of frames
    mean = slow[:, 0, :, 0] * np.float32(WINDOW**0.5) / inside.sum(axis=1)[:, None].clip(min=1)
    covered = inside @ basis
    slow -= (covered[:, :, None] * mean[:, None, :])[..., None] * heard
    of_pitch = np.ascontiguousarray(slow.transpose(2, 0, 1, 3))
    return of_pitch.reshape(pitches * len(rows), TIMES * PATTERNS), mean.T.reshape(-1)


@dataclass(frozen=True, slots=True)
class LaidWindows:
    """The windows of a clip that is laid on the windows of recordings at some places.

    Parameters
    ----------
    values
        (n, bits) float32, each row of length 1.
    weights
        (n,) float32, the share of each window that the clip covers; 0 for silence.
    place, window
        (n,) int64, the number of the place, and that of the window in its recording.
    """

    values: Floats
    weights: Floats
    place: Longs
    window: Longs


def lay_on_windows(
    clip: ClipSpectrum,
    offsets: Sequence[float],
    warps: Sequence[Warp],
    projections: Projections,
    policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
) -> LaidWindows:
    """Lay a clip on the windows of recordings.

    Parameters
    ----------
    clip
        The clip.
    offsets
        Frame of the recording at the clip's frame 0, for each place; at least one.
    warps
        Tempo and pitch of the clip at each place.
    """
    at_pitch = [clip.at_pitch(warp.pitch) for warp in warps]
    laid = [
        _lay_on_windows(each.values, offset, warp.tempo)
        for each, offset, warp in zip(at_pitch, offsets, warps, strict=True)
    ]
    patterns, inside = (np.concatenate([each[part] for each in laid]) for part in (1, 2))
    number = [len(part) for _, part, _ in laid]
    heard = np.repeat([each.heard for each in at_pitch], number, axis=0)
    values, weights = _project(patterns, inside, heard, projections)
    weights[inside.sum(axis=1) < policy.min_window_frames] = 0
    place = np.repeat(np.arange(len(laid)), number)
    window = np.concatenate([first + np.arange(len(part)) for first, part, _ in laid])
    return LaidWindows(values, weights, place, window)


def _lay_on_windows(patterns: Floats, offset: float, tempo: float) -> tuple[int, Floats, Floats]:
    """Lay the patterns of a clip on the windows of a recording.

    patterns: (frames, PATTERNS), at the pitch of the place
    offset: frame of the recording at the clip's frame 0
    returns: (number of the first window, (n, WINDOW, PATTERNS) and (n, WINDOW) for `_project`)
    """
    last = len(patterns) - 1
    first = math.floor(offset / HOP)
    end = math.floor((offset + last * tempo) / HOP) + 1
    rows, inside = _at_frames(patterns, (np.arange(first * HOP, end * HOP) - offset) / tempo)
    return first, rows.reshape(-1, WINDOW, PATTERNS), inside.reshape(-1, WINDOW)
