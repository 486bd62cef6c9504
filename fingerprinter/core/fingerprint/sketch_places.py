"""The sketches of recordings in memory, and the places among them that a clip is most like.

See `fingerprinter.core.fingerprint.sketch` for what a sketch is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.core.arrays import Doubles, Floats, Longs, Mask
from fingerprinter.core.fingerprint.clip_sketch import ClipSketch, ClipSpectrum, lay_on_windows
from fingerprinter.core.fingerprint.params import DEFAULT_SKETCH_SEARCH, SketchSearchParams
from fingerprinter.core.fingerprint.sketch import HOP, WORD, Codes, Projections, signs
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.core.numeric import compiled


@dataclass(frozen=True, slots=True)
class Place:
    """A place where a clip may lie.

    Parameters
    ----------
    number
        Number of the recording among those of `Sketches`.
    offset
        Frame of the recording at the clip's frame 0.
    warp
        Tempo and pitch of the clip, relative to the recording.
    score
        Likeness of the clip and the place, in standard deviations of what chance gives at one
        place; 0 before it is known.
    """

    number: int
    offset: float
    warp: Warp = UNCHANGED
    score: float = 0.0


_GAP = 24  # empty sketches between recordings: a line of 20 s ends before the next recording
_BATCH = 1 << 16  # sketches that are compared at once: their sums, 256 KB, stay in a cache


class Sketches:
    """The sketches of many recordings, in memory.

    Parameters
    ----------
    recordings
        (windows, words) uint64 for each recording, all of equally many words.
    """

    def __init__(self, recordings: Sequence[Codes]) -> None:
        words = recordings[0].shape[1] if recordings else 0
        gap = np.zeros((_GAP, words), np.uint64)
        parts = [gap, *(part for codes in recordings for part in (codes, gap))]
        self._codes = np.ascontiguousarray(np.concatenate(parts).T)  # (words, n)
        lengths = np.array([len(codes) for codes in recordings], np.int64)
        self._starts, self._lengths = np.cumsum(lengths + _GAP) - lengths, lengths
        self._valid: Mask = np.any(self._codes, axis=0)

    def recordings(self) -> list[Codes]:
        """Return (windows, words) uint64 of each recording."""
        return [
            self._codes[:, start : start + length].T
            for start, length in zip(self._starts, self._lengths, strict=True)
        ]

    def nearest(
        self, clip: ClipSketch, limit: int, policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH
    ) -> list[Place]:
        """Return the places most like a clip, the best first; those of a recording well apart."""
        if not self._valid.any():
            return []
        phase, at = self._likely_lines(clip, min(HOP, len(clip.starts)), policy)
        number, offset, score = self._compare_lines(clip, phase, at)
        best: list[Place] = []
        for i in np.argsort(-score, kind="stable").tolist():
            place = Place(int(number[i]), int(offset[i]), score=float(score[i]))
            if place.number < 0 or place.score <= 0 or len(best) == limit:
                continue
            if all(
                other.number != place.number or abs(other.offset - place.offset) > HOP
                for other in best
            ):
                best.append(place)
        return best

    def _likely_lines(
        self, clip: ClipSketch, phases: int, policy: SketchSearchParams
    ) -> tuple[Longs, Longs]:
        """Return (phase, place of the first window) of the likeliest lines, by some of the bits."""
        found = np.empty((3, 0))  # likeness, phase, place
        windows = -(-len(clip.starts) // HOP)
        skipped = max(0, windows - 1 - policy.first_windows) // 2
        codes = self._codes[: max(1, policy.first_words // min(windows, policy.first_windows))]
        firsts = np.arange(phases) + skipped * HOP
        lines = [
            np.arange(first, len(clip.starts), HOP)[: policy.first_windows] for first in firsts
        ]
        rows = [clip.codes[line, : len(codes)] for line in lines]
        weights = []
        for line in lines:
            weight = clip.weights[line]
            weights.append(weight / np.linalg.norm(weight).clip(min=1e-9))
        for start in range(0, len(self._valid), _BATCH):
            n = min(_BATCH, len(self._valid) - start)
            part = codes[:, start:], self._valid[start:]
            for phase in range(phases):
                total = _agreement(*part, rows[phase], weights[phase], n)
                least = found[0, -1] if found.shape[1] == policy.lines else 0.0
                at = _greatest(total, policy.lines, least)
                more = np.stack([total[at], np.full(len(at), phase), start + at])
                found = np.concatenate([found, more], axis=1)
                found = found[:, np.argsort(-found[0], kind="stable")[: policy.lines]]
        return found[1].astype(np.int64), found[2].astype(np.int64) - skipped

    def _compare_lines(
        self, clip: ClipSketch, phase: Longs, at: Longs
    ) -> tuple[Longs, Longs, Doubles]:
        """Return (recording, its frame at the clip's frame 0, score) of lines, by all windows.

        phase: (n,), first window of the clip on each line; the others follow every `HOP` frames
        at: (n,), the sketch that the first window is compared with
        returns: recording -1 where a line touches none
        """
        steps = np.arange(-(-len(clip.starts) // HOP))
        rows, places = phase[:, None] + HOP * steps, at[:, None] + steps
        valid = (rows < len(clip.starts)) & (places >= 0) & (places < len(self._valid))
        rows, places = np.where(valid, rows, 0), np.where(valid, places, 0)
        inside = valid & self._valid[places]
        agreeing = signs(np.moveaxis(self._codes[:, places], 0, -1))
        weights = clip.weights[rows] * valid
        likeness = np.einsum("nsb,nsb->ns", clip.values[rows], agreeing) * inside
        score = (weights * likeness).sum(axis=1) / np.linalg.norm(weights, axis=1).clip(min=1e-9)
        first = np.take_along_axis(places, inside.argmax(axis=1)[:, None], axis=1)[:, 0]
        number = np.searchsorted(self._starts, first, side="right") - 1
        number[~inside.any(axis=1)] = -1
        offset = (at - self._starts[number]) * HOP - clip.starts[phase]
        return number, offset, score.astype(np.float64)

    def likeness(
        self,
        clip: ClipSpectrum,
        places: Sequence[Place],
        projections: Projections,
        policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
    ) -> Doubles:
        """Return (n,) how like a clip is to places of recordings, in the units of `Place.score`.

        Parameters
        ----------
        clip
            The clip.
        places
            Each under its own warp.
        """
        if not (len(clip) and places):
            return np.zeros(len(places))
        offsets, warps = zip(*((place.offset, place.warp) for place in places), strict=True)
        laid = lay_on_windows(clip, offsets, warps, projections, policy)
        values, weights, of_place = laid.values, laid.weights, laid.place
        number = np.array([place.number for place in places])[of_place]
        valid = (laid.window >= 0) & (laid.window < self._lengths[number])
        at = np.where(valid, self._starts[number] + laid.window, 0)
        stored = signs(self._codes[:, at].T)
        there = valid & self._valid[at]
        alike = np.einsum("nb,nb->n", values, stored) * there
        total = np.bincount(of_place, weights * alike, len(places))
        variance = np.bincount(of_place, weights**2, len(places))
        for place in range(len(places)):
            line = np.flatnonzero(there & (of_place == place))
            repeated = _chance_variance(values[line], stored[line], weights[line])
            variance[place] = max(variance[place], repeated)
        score: Doubles = total / np.sqrt(variance).clip(min=1e-9)
        return score


def _chance_variance(values: Floats, signs: Floats, weights: Floats) -> float:
    """Return the variance of what chance gives along a line of windows.

    Windows that repeat, of a tone or of beeps, say one thing many times. The covariance of two
    windows is the product of how alike they are in the clip and in the recording.

    values, signs: (n, bits) of the clip and of the recording; weights: (n,)
    """
    covariance = (values @ values.T) * (signs @ signs.T / signs.shape[1])
    return float(weights @ covariance @ weights)


def _greatest(values: Floats, limit: int, least: float) -> Longs:
    """Return the indices of the greatest values, at most ``limit``, all greater than ``least``."""
    at = np.flatnonzero(values > least)
    if len(at) > limit:
        at = np.sort(at[np.argpartition(-values[at], limit)[:limit]])
    return at


def _agreement(codes: Codes, valid: Mask, rows: Codes, weights: Floats, n: int) -> Floats:
    """Return (n,) by how many bits more than half each place agrees with a line of windows.

    codes: (words, at least n); valid: which sketches are not 0; rows: (r, words); weights: (r,)
    """
    total = np.zeros(n, np.float32)
    kernels = compiled.kernels()
    if kernels:
        kernels.agreement(codes, valid, rows, weights, total)
        return total
    half = len(codes) * WORD // 2
    for step, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        here = slice(step, step + n)
        agree = np.where(valid[here], np.int16(half), np.int16(0))
        for column, word in zip(codes, row, strict=True):
            agree -= np.bitwise_count(column[here] ^ word).astype(np.int16) * valid[here]
        total[: len(agree)] += weight * agree
    return total
