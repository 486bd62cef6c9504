"""From postings to a scored match: votes, alignment, null model, confidence.

1. *Vote.* Each posting of a hash of the clip proposes a place of the clip in the library: its
   position minus the frame of the landmark in the clip. Many landmarks agree on a true place
   [1]_.
2. *Align.* The clip's peaks are laid over the stored peaks of each candidate track at every
   offset at once. The curve of coincidences has its maximum where the clip belongs. This is
   stricter than the vote, because it uses all peaks and their places to a fraction of a frame.
3. *Score.* The same curve at all other offsets of the track is an empirical null model, with
   sustained tones and repeated beats included. The score of an alignment is the log-likelihood
   of its maximum against that model. Votes and closeness of the peaks
   (`fingerprinter.core.match.closeness`) are added. Confidence compares the sum with the score
   that chance reaches in a clip of this length.

References
----------
.. [1] A. Wang, "An industrial-strength audio search algorithm", ISMIR 2003.
.. [2] P. McCullagh and J. A. Nelder, "Generalized Linear Models", 1989 (quasi-Poisson models).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Floats, Ints, Longs
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.match.policy import DEFAULT_POLICY, AlignmentPolicy, ScorePolicy, VotePolicy
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.entropy import effective_number
from fingerprinter.core.numeric.median import median
from fingerprinter.core.numeric.peak_pairs import covered_passage, near_pairs, near_points, ranges
from fingerprinter.types import Landmarks, Peaks

# A vote key is the variant of the clip, then the position in the library plus `_ORIGIN`, so that
# positions before the first track stay within the range of their variant.
_VARIANT_SHIFT = 44
_ORIGIN = 1 << (_VARIANT_SHIFT - 1)
# A landmark code is hash, variant, and frame in the clip plus `_EARLY_FRAMES`: interpolation may
# place a peak before frame 0.
_CLIP_FRAME_BITS, _VARIANT_BITS = 24, 13
_HASH_SHIFT = _CLIP_FRAME_BITS + _VARIANT_BITS
_EARLY_FRAMES = 1 << 8


Reach = Literal["unchanged", "warped", "wide"]
"""Under what a clip is searched for: nothing; usual changes of one kind; far or joint changes."""


@dataclass(frozen=True, slots=True)
class HashQuery:
    """The landmarks of several variants of a clip, as one look-up.

    Parameters
    ----------
    hashes
        (n,) uint32, sorted and distinct.
    first, counts
        (n,) int64, the range of ``shifts`` that belongs to each hash.
    shifts
        (m,) int64. Added to the position of a posting, a shift gives the vote key of the place
        of the clip.
    """

    hashes: npt.NDArray[np.uint32]
    first: Longs
    counts: Longs
    shifts: Longs


def build_query(variants: Sequence[Sequence[Landmarks]]) -> HashQuery:
    """Join the landmarks of all variants of a clip into one look-up.

    Parameters
    ----------
    variants
        Landmarks of each variant (a warp of the clip) at several phases. A landmark that two
        phases share counts once.
    """
    marks = [(variant, each) for variant, phases in enumerate(variants) for each in phases]
    hashes = np.concatenate([each.hashes for _, each in marks])
    numbers = np.repeat([variant for variant, _ in marks], [len(each.hashes) for _, each in marks])
    return join_landmarks(hashes, numbers, np.concatenate([each.frames for _, each in marks]))


def join_landmarks(
    hashes: npt.NDArray[np.uint32], variants: Longs, frames: Ints | Longs
) -> HashQuery:
    """Join landmarks of many variants into one look-up.

    Parameters
    ----------
    hashes, variants, frames
        (n,), of each landmark its hash, the variant that it belongs to, and its frame in it.
    """
    codes = (hashes.astype(np.int64) << _HASH_SHIFT) + (variants << _CLIP_FRAME_BITS)
    codes += frames.astype(np.int64) + _EARLY_FRAMES
    codes.sort()  # np.unique makes a hash table first, which costs more than the sort
    codes = codes[np.diff(codes, prepend=-1) > 0]
    hashes = (codes >> _HASH_SHIFT).astype(np.uint32)
    first = np.flatnonzero(np.diff(hashes.astype(np.int64), prepend=-1))
    variant_of = (codes >> _CLIP_FRAME_BITS) & ((1 << _VARIANT_BITS) - 1)
    frame = (codes & ((1 << _CLIP_FRAME_BITS) - 1)) - _EARLY_FRAMES
    counts = np.diff(first, append=len(codes))
    return HashQuery(hashes[first], first, counts, (variant_of << _VARIANT_SHIFT) + _ORIGIN - frame)


def vote_keys(query: HashQuery, hash_index: Longs, position: Longs) -> Longs:
    """Return the keys of the places that postings vote for, sorted, one key for each vote.

    Parameters
    ----------
    query
        The hashes that were looked up.
    hash_index
        (p,) int64, index into ``query.hashes`` of each posting.
    position
        (p,) int64, position of each posting on the axis of the whole library, in frames.
    """
    repeats = query.counts[hash_index]
    kernels = compiled.kernels()
    if kernels:
        keys = np.empty(int(repeats.sum()), np.int64)
        kernels.votes(hash_index, position, query.first, query.counts, query.shifts, keys)
        return kernels.sorted_keys(keys)
    which = ranges(repeats) + np.repeat(query.first[hash_index], repeats)
    keys = np.repeat(position, repeats) + query.shifts[which]
    keys.sort()
    return keys


@dataclass(frozen=True, slots=True)
class Votes:
    """Places of a clip in the library, the most votes first.

    Parameters
    ----------
    position
        (n,) int64, position of the clip's frame 0 on the axis of the whole library, in frames.
    votes
        (n,) int64, landmarks that agree on the place.
    variant
        (n,) int64, the variant of the clip that lies there.
    """

    position: Longs
    votes: Longs
    variant: Longs


def count_votes(keys: Longs, variants: range, limit: int) -> Votes:
    """Return the places of some variants with the most votes, of equal ones the first.

    Parameters
    ----------
    keys
        Result of `vote_keys`.
    limit
        Number of places at most, of all these variants together.
    """
    ends = variants.start << _VARIANT_SHIFT, variants.stop << _VARIANT_SHIFT
    own_keys = keys[slice(*np.searchsorted(keys, ends))]
    kernels = compiled.kernels()
    if kernels:
        position, votes = np.empty((2, limit), np.int64)
        n = kernels.best_places(own_keys, position, votes)
        position, votes = position[:n], votes[:n]
    else:
        heads = np.flatnonzero(np.diff(own_keys, prepend=own_keys[:1] - 1))
        position, votes = own_keys[heads], np.diff(heads, append=len(own_keys))
        # a clip that begins between two frames votes for both
        votes[:-1] += votes[1:] * (np.diff(position) == 1)
        capped = np.minimum(votes, np.iinfo(np.int16).max).astype(np.int16)  # sorted by radix
        best = np.argsort(-capped, kind="stable")[:limit]
        position, votes = position[best], votes[best]
    variant = position >> _VARIANT_SHIFT
    return Votes(position - ((variant << _VARIANT_SHIFT) + _ORIGIN), votes, variant)


def best_per_track(
    track_ids: Longs, frames: Longs, deleted: int, policy: VotePolicy = DEFAULT_POLICY.votes
) -> Longs:
    """Return the indices of the places to keep: a few for each track, well apart.

    Parameters
    ----------
    track_ids, frames
        (n,) int64, the places, best first.
    deleted
        The id that stands for a deleted track; its places are dropped.
    """
    kept = np.zeros(len(track_ids), np.bool_)
    gap, limit = policy.min_gap_frames, policy.places_per_track
    kernels = compiled.kernels()
    if kernels:
        kernels.best_of_each(track_ids, frames, gap, limit, deleted, kept)
        return np.flatnonzero(kept)
    places: dict[int, list[int]] = {deleted: []}
    for i, (track_id, frame) in enumerate(zip(track_ids.tolist(), frames.tolist(), strict=True)):
        others = places.setdefault(track_id, [])
        fits = len(others) < limit and all(abs(frame - other) > gap for other in others)
        if fits and track_id != deleted:
            others.append(frame)
            kept[i] = True
    return np.flatnonzero(kept)


def vote_excess(
    votes: Longs, track_ids: Longs, policy: VotePolicy = DEFAULT_POLICY.votes
) -> Doubles:
    """Return by how many standard deviations the votes of places exceed those of other tracks.

    Parameters
    ----------
    votes, track_ids
        (n,) int64, of places, the most votes first.

    Notes
    -----
    The best places of the tracks after the first one tell what chance reaches with this clip. No
    formula knows it beforehand.
    """
    _, first = np.unique(track_ids, return_index=True)
    others = votes[np.sort(first)[1 : 1 + policy.rivals]]
    chance = max(1.0, float(others.mean())) if len(others) else 1.0
    return (votes - chance) / np.sqrt(chance)


def rate_places(
    track_ids: Longs,
    frames: Longs,
    votes: Longs,
    starts: Longs,
    deleted: int,
    policy: VotePolicy = DEFAULT_POLICY.votes,
) -> tuple[Longs, Doubles]:
    """Return (indices, vote excess) of the places to keep of many variants, each by itself.

    Parameters
    ----------
    track_ids, frames, votes
        (n,) int64, the places of all variants, best first within each.
    starts
        (variants + 1,) int64, where the places of each variant begin, and n.
    deleted
        The id that stands for a deleted track.

    Notes
    -----
    It does `best_per_track` and `vote_excess` for each variant.
    """
    kernels = compiled.kernels()
    if kernels:
        kept, excess = np.zeros(len(votes), np.bool_), np.empty(len(votes))
        limits = policy.min_gap_frames, policy.places_per_track, deleted, policy.rivals
        kernels.rated_places(track_ids, frames, votes, starts, *limits, kept, excess)
        return np.flatnonzero(kept), excess[kept]
    found, rated = [np.empty(0, np.int64)], [np.empty(0)]
    for start, end in itertools.pairwise(starts.tolist()):
        best = start + best_per_track(track_ids[start:end], frames[start:end], deleted, policy)
        found.append(best)
        rated.append(vote_excess(votes[best], track_ids[best], policy))
    return np.concatenate(found), np.concatenate(rated)


@dataclass(frozen=True, slots=True)
class Alignment:
    """A clip laid over a track where they agree best.

    Parameters
    ----------
    offset
        Frame of the track at the clip's frame 0.
    coincidences
        Weighted number of peaks that agree.
    score
        Log-likelihood ratio of the agreement against chance, in nats, at least 0.
    """

    offset: float
    coincidences: float
    score: float


class AlignmentCurve:
    """The number of coinciding peaks of a clip and a track, at every offset.

    Parameters
    ----------
    clip
        Peaks sorted by frame.
    track
        Peaks sorted by bin.

    Notes
    -----
    A score is the log-likelihood ratio of a Poisson count against the mean of all offsets where
    clip and track overlap fully. It is divided by the overdispersion of these offsets, as in a
    quasi-Poisson model [2]_.
    """

    def __init__(
        self, clip: Peaks, track: Peaks, policy: AlignmentPolicy = DEFAULT_POLICY.alignment
    ) -> None:
        self._clip, self._track, self._policy = clip, track, policy
        self._lowest, counts = _coinciding(clip, track, policy)
        self._curve = np.convolve(counts, np.array(policy.kernel), "same")
        clip_steps = int(np.ptp(clip.frames)) * policy.steps_per_frame if len(clip) else 0
        inside = self._curve[clip_steps : len(self._curve) - clip_steps]
        if len(inside) < policy.min_context:
            inside = self._curve
        self._mean = max(float(inside.mean()), policy.chance_floor)
        self._dispersion = max(1.0, float(inside.var()) / self._mean)

    def near(self, offset: float) -> Alignment:
        """Return the best alignment within two frames of a proposed offset."""
        reach = self._policy.search_steps
        start = round(offset * self._policy.steps_per_frame) - self._lowest - reach
        window = self._curve[max(0, start) : max(0, start + 2 * reach + 1)]
        if len(window) == 0 or not self._curve.any():
            return Alignment(offset, 0.0, 0.0)
        return self._aligned(max(0, start) + int(window.argmax()))

    def best(self) -> Alignment:
        """Return the best alignment at any offset."""
        return self._aligned(int(self._curve.argmax()))

    def _aligned(self, top: int) -> Alignment:
        count, score = float(self._curve[top]), 0.0
        if count > self._mean:
            ratio = count * np.log(count / self._mean) - (count - self._mean)
            score = float(ratio / self._dispersion)
        # the offset is the median of the pairs within a frame of the best step
        steps, margin = self._policy.steps_per_frame, self._policy.passage_margin
        rough = (top + self._lowest) / steps
        length = float(self._clip.frames.max(initial=0.0))
        passage = covered_passage(self._track, rough, length, margin)
        near, clip_index = near_points(passage, self._clip, margin, self._policy.bin_tolerance)
        lags = passage.frames[near] - self._clip.frames[clip_index]
        close = lags[np.abs(np.rint(lags * steps)) <= steps]
        offset = rough + float(median(close)) if len(close) else rough
        return Alignment(offset, count, score)


def _coinciding(
    clip: Peaks, track: Peaks, policy: AlignmentPolicy = DEFAULT_POLICY.alignment
) -> tuple[int, Longs]:
    """Return (lowest, counts): the number of pairs of near bins at each lag, from the lowest on."""
    steps_per_frame, tolerance = policy.steps_per_frame, policy.bin_tolerance
    kernels = compiled.kernels()
    if kernels:
        places = clip.frames, clip.bins, track.frames, track.bins
        lowest, counts = kernels.coinciding(*places, np.float32(tolerance), steps_per_frame)
    else:
        clip_index, track_index = near_pairs(clip.bins, track.bins, tolerance)
        lags = track.frames[track_index] - clip.frames[clip_index]
        steps = np.rint(lags * steps_per_frame).astype(np.int64)
        lowest = int(steps.min()) if len(steps) else 0
        counts = np.bincount(steps - lowest)
    if len(counts) < len(policy.kernel):  # np.convolve would swap them
        counts = np.concatenate([counts, np.zeros(len(policy.kernel), np.int64)])
    return lowest, counts


def align(
    clip: Peaks,
    track: Peaks,
    offset: float,
    policy: AlignmentPolicy = DEFAULT_POLICY.alignment,
) -> Alignment:
    """Lay a clip over a track within two frames of a proposed offset; see `AlignmentCurve`."""
    return AlignmentCurve(clip, track, policy).near(offset)


def refine_warp(
    clip: Peaks,
    track: Peaks,
    warp: Warp,
    offset: float,
    policy: AlignmentPolicy = DEFAULT_POLICY.alignment,
) -> Warp:
    """Fit tempo and pitch exactly, by a robust line through the coinciding peaks.

    Parameters
    ----------
    clip
        Peaks as they are in the clip, sorted by frame.
    track
        Peaks in any order.
    warp
        The proposed warp. It is returned where too few peaks coincide, or where the line belongs
        to another warp.
    offset
        Frame of the track at the clip's frame 0, under the proposed warp.
    """
    unwarped, reach = unwarp(clip, warp), policy.drift_frames
    passage = covered_passage(track, offset, float(unwarped.frames.max(initial=0.0)), reach)
    track_index, clip_index = near_points(passage, unwarped, reach, policy.bin_tolerance)
    clip_frames, track_frames = clip.frames[clip_index], passage.frames[track_index]
    clip_bins, track_bins = clip.bins[clip_index], passage.bins[track_index]
    tempo, start = warp.tempo, 0.0
    for reach in policy.line_reaches:
        near = np.abs(track_frames - (start + tempo * clip_frames)) <= reach
        enough = near.sum() >= policy.min_line_pairs
        if not enough or np.ptp(clip_frames[near]) < policy.min_line_frames:
            return warp
        tempo, start = _fit_line(clip_frames[near], track_frames[near])
    pitch = float(
        np.dot(clip_bins[near], track_bins[near]) / np.dot(track_bins[near], track_bins[near])
    )
    drift = max(abs(np.log(tempo / warp.tempo)), abs(np.log(pitch / warp.pitch)))
    return warp if drift > policy.max_drift else Warp(tempo, pitch)


def refine_pitch(
    clip: Peaks,
    track: Peaks,
    warp: Warp,
    offset: float,
    policy: AlignmentPolicy = DEFAULT_POLICY.alignment,
) -> Warp:
    """Return a warp at the pitch near its own at which most peaks lie on peaks of the track.

    Parameters
    ----------
    clip
        Peaks as they are in the clip, sorted by frame.
    track
        Peaks in any order.
    warp
        Its tempo is right to a frame or two along the clip.
    offset
        Frame of the track at the clip's frame 0, under the warp.

    Notes
    -----
    Two peaks at about the same frame whose bins have about the right ratio vote for that ratio,
    those of high bins most precisely. The pitch is the mode of the votes.
    """
    unwarped, most = unwarp(clip, warp), policy.pitch_reach
    last, margin = float(unwarped.frames.max(initial=0.0)), policy.passage_margin
    passage = covered_passage(track, offset, last, margin)
    widest = most * float(passage.bins.max(initial=0.0))
    track_index, clip_index = near_points(passage, unwarped, margin, widest)
    bins = passage.bins[track_index]
    ratio = np.log(np.maximum(unwarped.bins[clip_index], 1) / np.maximum(bins, 1))
    near = (np.abs(ratio) <= most) & (bins >= policy.pitch_min_bin)
    if not near.any():
        return warp
    tried = np.arange(-most, most, policy.pitch_step)
    apart = (ratio[near, None] - tried) * bins[near, None] / policy.pitch_spread_bins
    best = tried[int(np.exp(-0.5 * apart**2).sum(axis=0).argmax())]
    return Warp(warp.tempo, warp.pitch * float(np.exp(best)))


def _fit_line(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return (slope, value at 0) of the least squares line."""
    centred = x - x.mean(dtype=np.float64)
    slope = float(centred @ y / (centred @ centred))
    return slope, float(y.mean(dtype=np.float64)) - slope * float(x.mean(dtype=np.float64))


def refit_tempo(
    clip: Peaks,
    track: Peaks,
    warp: Warp,
    offset: float,
    tempos: Sequence[float],
    policy: AlignmentPolicy = DEFAULT_POLICY.alignment,
) -> tuple[Warp, float]:
    """Return the (warp, offset) among many tempos on whose line most peaks coincide.

    Parameters
    ----------
    clip
        Peaks as they are in the clip.
    track
        Peaks sorted by bin.
    warp, offset
        Where a part of the clip fits, at the right pitch.
    tempos
        Factors to try.
    """
    bins = clip.bins / np.float32(warp.pitch)
    clip_index, track_index = near_pairs(bins, track.bins, policy.bin_tolerance)
    clip_frames, track_frames = clip.frames[clip_index], track.frames[track_index]
    reach = policy.max_tempo_drift * float(clip.frames.max(initial=0.0)) + policy.line_reaches[0]
    near = np.abs(track_frames - (offset + warp.tempo * clip_frames)) <= reach
    best = warp.tempo, offset, 0.0
    for tempo in tempos if near.any() else ():
        lags = track_frames[near] - tempo * clip_frames[near]
        steps = np.rint(lags * policy.steps_per_frame).astype(np.int64)
        lowest = int(steps.min()) - len(policy.kernel)
        curve = np.convolve(np.bincount(steps - lowest), np.array(policy.kernel), "same")
        top = int(curve.argmax())
        if curve[top] > best[2]:
            best = tempo, (top + lowest) / policy.steps_per_frame, float(curve[top])
    return Warp(best[0], warp.pitch), best[1]


def combined_score(
    alignment: float,
    excess: float,
    closeness: float = 0.0,
    likeness: float = 0.0,
    policy: ScorePolicy = DEFAULT_POLICY.score,
) -> float:
    """Combine what is known of a candidate into one score.

    Parameters
    ----------
    alignment
        `Alignment.score`, in nats.
    excess
        Result of `vote_excess`.
    closeness
        Score of `fingerprinter.core.match.closeness`; 0 before it is known.
    likeness
        Likeness of the sketches; 0 where they are not compared.

    Notes
    -----
    Root and logarithm keep any one value from deciding alone. A few loud beats align well, and a
    sustained tone, which repeats its hashes, has hundreds of votes too many.

    Examples
    --------
    >>> combined_score(alignment=100.0, excess=0.0)
    20.0
    """
    votes = float(np.log1p(max(excess, 0.0)))
    weighted_votes = policy.votes_weight * votes
    weighted_closeness = policy.closeness_weight * closeness
    peaks = policy.scale * (alignment**0.5 + weighted_votes + weighted_closeness)
    return peaks + policy.likeness_weight * likeness


def supported_likeness(
    likeness: float,
    alignment: float,
    peaks_score: float,
    policy: ScorePolicy = DEFAULT_POLICY.score,
) -> float:
    """Return how much of the likeness of sketches counts, given the evidence of the peaks.

    Sketches are a second opinion. Where no peak coincides, or where the peaks speak clearly
    against a recording, they say nothing: those of clicks are like those of any steady drum.

    Parameters
    ----------
    likeness
        Likeness of the sketches.
    alignment
        `Alignment.score`, in nats.
    peaks_score
        `combined_score` without likeness.

    Examples
    --------
    >>> supported_likeness(12.0, 16.0, peaks_score=0.0)
    12.0
    >>> supported_likeness(12.0, 16.0, peaks_score=-6.0), supported_likeness(12.0, 0.0, 6.0)
    (0.0, 0.0)
    """
    most = policy.max_likeness + policy.likeness_per_point * peaks_score
    return min(likeness, policy.likeness_per_root_nat * alignment**0.5, max(most, 0.0))


def null_score(
    clip_s: float,
    library_s: float,
    peaks_per_s: float,
    *,
    reach: Reach,
    sketched: bool,
    bins: float = np.inf,
    patterns: float | None = None,
    policy: ScorePolicy = DEFAULT_POLICY.score,
) -> float:
    """Return the score at which a match is as likely a false positive as correct.

    Parameters
    ----------
    clip_s
        Seconds of the clip. In a short one the same few notes may belong to many recordings.
    library_s
        Seconds of music that it was compared with. More music gives more chances of a false match.
    peaks_per_s
        Peaks per second that the library keeps of a recording.
    reach
        Whether it was searched for unchanged, under usual changes of one kind, or under far or
        joint ones, which are less likely.
    sketched
        Whether the score includes the likeness of sketches.
    bins
        The effective number of bins of the clip's peaks, see `effective_bins`.
    patterns
        What `fingerprinter.core.fingerprint.sketch.effective_patterns` says of the clip. None
        where its contrast is not known; then the number of bins counts, under changes only.
    """
    if sketched:
        level, per_e = policy.sketched_null_level, policy.sketched_null_per_e
        warp_cost, wide_cost = policy.sketched_warp_cost, policy.sketched_wide_cost
    else:
        level, per_e = policy.null_level, policy.null_per_e
        warp_cost, wide_cost = policy.warp_cost, policy.wide_cost
    changes = {"unchanged": 0.0, "warped": warp_cost, "wide": wide_cost}[reach]
    brevity = per_e * np.log(min(max(clip_s, policy.min_clip_s), policy.settled_s))
    size = policy.library_cost * np.log(max(library_s / policy.usual_library_s, 1.0))
    sparsity = policy.sparse_cost * np.log(max(policy.usual_peaks_per_s / peaks_per_s, 1.0))
    if patterns is not None:
        cost = policy.pattern_cost if reach == "unchanged" else policy.changed_pattern_cost
        changes += cost * np.log(max(policy.usual_patterns / patterns, 1.0))
    elif reach != "unchanged":
        changes += policy.narrow_cost * np.log(max(policy.usual_bins / bins, 1.0))
    return float(level - brevity + size + sparsity + changes)


def effective_bins(bins: Floats) -> float:
    """Return in how many bins peaks lie, see `effective_number`.

    Parameters
    ----------
    bins
        (n,) Bins of peaks.

    Examples
    --------
    >>> round(effective_bins(np.array([3.0, 3.25, 80.0, 80.0])), 6)
    2.0
    """
    _, counts = np.unique(np.rint(bins), return_counts=True)
    return effective_number(counts)


def confidence(
    score: float, null_score: float, policy: ScorePolicy = DEFAULT_POLICY.score
) -> float:
    """Return the probability that a match of this score is right.

    The curve is logistic, fitted to clips of known and of unknown music.

    Examples
    --------
    >>> confidence(8.0, null_score=8.0)
    0.5
    """
    return float(1 / (1 + np.exp(-policy.slope * (score - null_score))))
