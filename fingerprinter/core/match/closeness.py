"""How closely the peaks of a clip lie on those of a recording, peak by peak.

A candidate is found by peaks that agree to within a frame and a bin. Where it is right they agree
far better: four in five within a quarter of a frame, while chance spreads them evenly. Each stored
peak of the passage is weighed by the peak of the clip that supports it most. The weight is the
log-likelihood ratio of right alignments against the best ones of other music, and depends on:

- distance in time and frequency;
- grade: under noise half of the stored peaks are no longer the greatest of their surroundings, but
  still of narrower ones;
- salience: noise and gain shift all saliences alike, so that nine in ten true pairs agree to
  within a neper, and fewer than half of the pairs by chance.

A frame of a clip that plays fast holds more than a frame of its recording, and a bin of a clip at a
low pitch more than a bin. So its peaks are known less exactly there, and may lie farther off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.core.match.policy import DEFAULT_POLICY, ClosenessPolicy
from fingerprinter.core.numeric.median import median
from fingerprinter.core.numeric.peak_pairs import covered_passage, near_points
from fingerprinter.types import Peaks

_SHIFT_STEPS = 8  # a frame; the resolution of the offset


@dataclass(frozen=True, slots=True)
class Closeness:
    """How closely a clip lies on a passage of a recording.

    Parameters
    ----------
    offset
        Frame of the recording at the clip's frame 0, to an eighth of a frame.
    score
        Sum of the nats of the passage's peaks over the square root of their number.
    share
        0..1, share of the passage's peaks that the clip has as peaks of grade 0.
    """

    offset: float
    score: float
    share: float


def closeness(
    clip: Peaks,
    track: Peaks,
    offset: float,
    warp: Warp = UNCHANGED,
    policy: ClosenessPolicy = DEFAULT_POLICY.closeness,
) -> Closeness:
    """Lay a clip on a recording within a frame of an offset.

    Parameters
    ----------
    clip
        Peaks of every grade, sorted by frame, moved to where they lie in the recording.
    track
        Peaks in any order.
    offset
        Frame of the recording at the clip's frame 0.
    warp
        Tempo and pitch of the clip.
    """
    # frames and bins of the recording in one of the clip
    in_frame = warp.tempo if warp.tempo > policy.fast_tempo else 1.0
    in_bin = 1 / warp.pitch if warp.pitch < policy.low_pitch else 1.0
    if len(clip) == 0:
        return Closeness(offset, 0.0, 0.0)
    passage = covered_passage(track, offset, float(clip.frames.max()))
    reach = policy.reach_frames * in_frame + policy.max_shift_frames
    stored, in_clip = near_points(passage, clip, reach, policy.reach_bins * in_bin)
    lag = (passage.frames[stored] - clip.frames[in_clip]).astype(np.float64)
    bins_apart = (passage.bins[stored] - clip.bins[in_clip]).astype(np.float64)
    shift = 0.0
    if len(lag):  # where most pairs lie
        steps = round(policy.max_shift_frames * _SHIFT_STEPS)
        shifts = np.arange(-steps, steps + 1) / _SHIFT_STEPS
        weight = np.exp(-0.5 * (bins_apart / (policy.bin_spread * in_bin)) ** 2)
        off = (lag[None] - shifts[:, None]) / (policy.shift_spread * in_frame)
        shift = float(shifts[(np.exp(-0.5 * off**2) * weight).sum(axis=1).argmax()])
    distance = np.hypot(
        (lag - shift) / (policy.frame_spread * in_frame), bins_apart / (policy.bin_spread * in_bin)
    )
    near = distance < policy.distances[-1]
    stored, in_clip, distance = stored[near], in_clip[near], distance[near]
    salience_gap = clip.salience[in_clip] - passage.salience[stored]
    nats = np.full(len(passage), policy.miss_nats)
    np.maximum.at(nats, stored, _pair_nats(distance, clip.grade[in_clip], salience_gap, policy))
    hit = np.zeros(len(passage), np.bool_)
    hit[stored[(clip.grade[in_clip] == 0) & (distance < policy.hit_distance)]] = True
    score = float(nats.sum() / np.sqrt(len(passage) + policy.steadying_peaks))
    return Closeness(offset + shift, score, int(hit.sum()) / max(1, len(passage)))


def _pair_nats(
    distance: Doubles,
    grade: npt.NDArray[np.int8],
    salience_gap: npt.NDArray[np.float32],
    policy: ClosenessPolicy,
) -> Doubles:
    """Return what each pair says; an unknown salience (NaN) says nothing."""
    column = np.searchsorted(policy.distances, distance, side="right")
    nats: Doubles = np.array(policy.distance_nats)[grade, column]
    same = salience_gap[distance < policy.same_distance]
    usual_gap = median(same) if len(same) else np.float32(0)
    limits = np.array(policy.salience_limits)
    found = np.searchsorted(limits, np.abs(salience_gap - usual_gap), side="right")
    nats += np.array(policy.salience_nats)[found]
    return nats
