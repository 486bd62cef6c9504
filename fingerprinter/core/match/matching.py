"""From postings to an answer: votes, alignment, a null model, confidence.

1. *Vote.* Each posting of a clip's landmark proposes a place of the clip in the
   library: position minus frame. True places collect many (Wang 2003).
2. *Align.* The clip's peaks are laid over the stored peaks of each proposed track,
   at every offset at once; the curve of coincidences has its top where the clip
   belongs. That is far stricter than the vote: it uses all peaks and their places
   to a fraction of a frame.
3. *Judge.* The same curve at all other offsets of the same track says what chance
   does here, sustained tones and repeated beats included: an empirical null model.
   The score is the log-likelihood of the top against it. With the votes, and with how
   closely the peaks lie (`fingerprinter.core.match.closeness`), it makes one score;
   confidence weighs it against what chance reaches in a clip of its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.peak_pairs import covered_passage, near_pairs, near_points, ranges
from fingerprinter.types import Landmarks, Peaks

Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

_VARIANT_SHIFT = 44  # each variant has an axis of places of its own, from variant << 44 on ...
_ORIGIN = 1 << (_VARIANT_SHIFT - 1)  # ... with position 0 in its middle
_CLIP_FRAME_BITS, _VARIANT_BITS = 24, 8  # of a landmark's code, below its hash
_HASH_SHIFT = _CLIP_FRAME_BITS + _VARIANT_BITS
_EARLY_FRAMES = 1 << 8  # a peak's vertex may lie before frame 0
_PLACES_A_TRACK = 3  # noise may move the most votes to another place of the right track
_APART = 4  # frames; closer places are found by the alignment
_STEPS = 2  # offsets are tried at half frames
_KERNEL = np.array([0.5, 1.0, 1.0, 1.0, 0.5])  # coincidence: within one frame, in half frames
_BIN_TOLERANCE = 1.0
_SEARCH_STEPS = 4  # the vote is right to within so many steps
_CHANCE_FLOOR = 0.05  # expected coincidences are never taken as fewer
_CONTEXT = 50  # offsets that a null model needs at least
_REACHES = (3.0, 2.0, 1.2)  # frames off the line that a pair may lie, ever fewer
_LINE_PAIRS, _LINE_FRAMES = 12, 31  # a line takes so many pairs over so many frames
_RUN_AWAY = 0.3  # of its length, how far a clip may run from its recording at the wrong tempo
_MAX_DRIFT = 0.03  # further away lies another warp of the grid
_DRIFT_FRAMES = 12.0  # which is so far off at the end of 12 s
_PASSAGE_MARGIN = 2.0  # frames; more than a pair may be off its line
# Of 768 clips of indexed music of 1 to 5 s in noise, in rooms and changed, and 2,520 of other
# music. Flat: with 0.3 to 1 for votes and 0.5 to 1.4 for closeness at most 1 in 100 is lost.
_SCALE, _VOTES_WEIGHT, _CLOSENESS_WEIGHT, _LIKENESS_WEIGHT = 2.0, 0.7, 0.7, 1.0
# So that one in a thousand clips of other music is answered with confidence 0.95: chance falls off
# by e every 0.7 points, from a height that sinks as clips grow longer. Measured on 2,520 clips of
# other music of 1, 2, 3, 5 and 10 s against 12 h, whose best unchanged ones score 8.9, 5.9, 4.3,
# 2.6 and 2.9, and whose best changed ones 10.6, 10.3, 6.5, 4.6 and -1.2; none is answered. Half a
# point and more stands above them: of 4,800 fresh clips six had been answered without it. With
# likeness on 6,300, clean, at +5 dB and in rooms, whose third best score 10.9, 8.9, 6.9, 5.0 and
# 3.0; two are answered. Of 5,400 fresh ones nine were, five of them of 10 s, with 4.0 instead of
# 3.2 points less for every e times as long a clip.
_SLOPE = 1.4
_MIDDLE, _MIDDLE_PER_E, _SETTLED_S = 8.0, 2.75, 10.0  # of a clip of 1 s; sinks up to 10 s
_LIKE_MIDDLE, _LIKE_PER_E = 10.9, 3.2  # the same with likeness
# Points, where dozens of changes were tried as well. With likeness 2 are not enough: 5 of 3,000
# other clips are answered under a change; of 425 right answers one is within three points of that.
_CHANGED_COST, _LIKE_CHANGED_COST = 2.0, 4.0
_USUAL_LIBRARY_S, _COST_PER_E = 12 * 3600.0, 0.3  # every e times as much music
# Of every e times fewer stored peaks: fewer of them speak against chance. Without it a compact
# library answers 4 of 600 outside clips, with 2 points 3 of 600.
_USUAL_PEAKS_PER_S, _SPARSE_COST = 30.0, 3.5


@dataclass(frozen=True, slots=True)
class HashQuery:
    """What is asked of the postings: the landmarks of several variants of a clip at once.

    hashes: (n,) uint32, sorted and distinct
    first, counts: (n,) int64, which of ``shifts`` belong to each hash
    shifts: (m,) int64, added to a posting's position it gives the key of the clip's place
    """

    hashes: npt.NDArray[np.uint32]
    first: Longs
    counts: Longs
    shifts: Longs


def build_query(variants: Sequence[Sequence[Landmarks]]) -> HashQuery:
    """A question of all variants, each made of landmarks at several phases.

    A landmark that two phases share counts once.
    """
    codes = np.concatenate(
        [_code(marks, key) for key, phases in enumerate(variants) for marks in phases]
    )
    codes.sort()  # np.unique makes a hash table first, which costs more than the sort
    codes = codes[np.diff(codes, prepend=-1) > 0]
    hashes = (codes >> _HASH_SHIFT).astype(np.uint32)
    first = np.flatnonzero(np.diff(hashes.astype(np.int64), prepend=-1))
    variant = (codes >> _CLIP_FRAME_BITS) & ((1 << _VARIANT_BITS) - 1)
    frame = (codes & ((1 << _CLIP_FRAME_BITS) - 1)) - _EARLY_FRAMES
    counts = np.diff(first, append=len(codes))
    return HashQuery(hashes[first], first, counts, (variant << _VARIANT_SHIFT) + _ORIGIN - frame)


def _code(marks: Landmarks, variant: int) -> Longs:
    """One number of hash, variant and frame: sorting it is faster than sorting by three."""
    frames = marks.frames.astype(np.int64) + _EARLY_FRAMES
    return (marks.hashes.astype(np.int64) << _HASH_SHIFT) + (variant << _CLIP_FRAME_BITS) + frames


def vote_keys(question: HashQuery, query: Longs, position: Longs) -> Longs:
    """The keys of the places that postings vote for, sorted, one for each vote.

    query: (p,) index of each posting's hash in the question; position: (p,)
    """
    repeats = question.counts[query]
    kernels = compiled.kernels()
    if kernels:
        keys = np.empty(int(repeats.sum()), np.int64)
        kernels.votes(query, position, question.first, question.counts, question.shifts, keys)
        return kernels.sorted_keys(keys)
    which = ranges(repeats) + np.repeat(question.first[query], repeats)
    keys = np.repeat(position, repeats) + question.shifts[which]
    keys.sort()
    return keys


@dataclass(frozen=True, slots=True)
class Votes:
    """Places of a clip on the library's axis of positions, most votes first.

    position: (n,) int64, where frame 0 of the clip lies; votes: (n,) int64
    """

    position: Longs
    votes: Longs


def count_votes(keys: Longs, variant: int, most: int) -> Votes:
    """The places of one variant with the most votes; of equal ones the first."""
    start, end = np.searchsorted(keys, [variant << _VARIANT_SHIFT, (variant + 1) << _VARIANT_SHIFT])
    mine = keys[start:end]
    kernels = compiled.kernels()
    if kernels:
        position, votes = np.empty((2, most), np.int64)
        n = kernels.best_places(mine, position, votes)
        best = Votes(position[:n], votes[:n])
    else:
        best = _best_places(mine, most)
    return Votes(best.position - ((variant << _VARIANT_SHIFT) + _ORIGIN), best.votes)


def _best_places(keys: Longs, most: int) -> Votes:
    heads = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    position, votes = keys[heads], np.diff(heads, append=len(keys))
    # a clip that begins between two frames votes for both
    votes[:-1] += votes[1:] * (np.diff(position) == 1)
    few = np.minimum(votes, np.iinfo(np.int16).max).astype(np.int16)  # sorted by radix
    best = np.argsort(-few, kind="stable")[:most]
    return Votes(position[best], votes[best])


def best_per_track(track_ids: Longs, frames: Longs, gone: int) -> Longs:
    """Which places to keep, of places best first: a few for each living track, well apart.

    track_ids, frames: (n,); gone: the id that stands for no track
    """
    kept = np.zeros(len(track_ids), np.bool_)
    kernels = compiled.kernels()
    if kernels:
        kernels.best_of_each(track_ids, frames, _APART, _PLACES_A_TRACK, gone, kept)
        return np.flatnonzero(kept)
    places: dict[int, list[int]] = {gone: []}
    for i, (track_id, frame) in enumerate(zip(track_ids.tolist(), frames.tolist(), strict=True)):
        mine = places.setdefault(track_id, [])
        fits = len(mine) < _PLACES_A_TRACK and all(abs(frame - other) > _APART for other in mine)
        if fits and track_id != gone:
            mine.append(frame)
            kept[i] = True
    return np.flatnonzero(kept)


def vote_excess(votes: Longs, track_ids: Longs) -> Doubles:
    """How far each place's votes stand above those of the other tracks, in standard deviations.

    votes, track_ids: (n,) of places, most votes first

    The best places of the tracks after the first tell what chance does with this very
    clip, which no formula knows beforehand.
    """
    _, first = np.unique(track_ids, return_index=True)
    others = votes[np.sort(first)[1:8]]
    chance = max(1.0, float(others.mean())) if len(others) else 1.0
    return (votes - chance) / np.sqrt(chance)


@dataclass(frozen=True, slots=True)
class Alignment:
    """A clip laid over a track where they agree best.

    offset: frames of the recording from its start to the clip's start
    coincidences: weighted peaks that agree
    score: log-likelihood ratio of the agreement against chance, in nats, >= 0
    """

    offset: float
    coincidences: float
    score: float


class AlignmentCurve:
    """A clip laid over a track at every offset at once: how many peaks agree at each.

    clip: peaks sorted by frame, as dense as they come; track: peaks sorted by bin

    A score is that of a Poisson count against the mean of all offsets, divided by
    their overdispersion, as in a quasi-Poisson model (McCullagh & Nelder 1989).
    """

    def __init__(self, clip: Peaks, track: Peaks) -> None:
        self._clip, self._track = clip, track
        self._lowest, counts = _coinciding(clip, track)
        self._curve = np.convolve(counts, _KERNEL, "same")
        clip_steps = int(np.ptp(clip.frames)) * _STEPS if len(clip) else 0
        self._mean, self._dispersion = _null_model(self._curve, clip_steps)

    def near(self, offset: float) -> Alignment:
        """The best alignment within two frames of a proposed offset."""
        start = round(offset * _STEPS) - self._lowest - _SEARCH_STEPS
        window = self._curve[max(0, start) : max(0, start + 2 * _SEARCH_STEPS + 1)]
        if len(window) == 0 or not self._curve.any():
            return Alignment(offset, 0.0, 0.0)
        top = max(0, start) + int(window.argmax())
        count = float(self._curve[top])
        return Alignment(self._exact(top + self._lowest), count, self._score(count))

    def _exact(self, step: int) -> float:
        """The median offset of the pairs at a step and within a frame of it."""
        here = step / _STEPS
        length = float(self._clip.frames.max(initial=0.0))
        passage = covered_passage(self._track, here, length, _PASSAGE_MARGIN)
        near, clip_index = near_points(passage, self._clip, _PASSAGE_MARGIN, _BIN_TOLERANCE)
        apart = passage.frames[near] - self._clip.frames[clip_index]
        close = apart[np.abs(np.rint(apart * _STEPS)) <= _STEPS]
        return here + float(np.median(close)) if len(close) else here

    def _score(self, count: float) -> float:
        if count <= self._mean:
            return 0.0
        ratio = count * np.log(count / self._mean) - (count - self._mean)
        return float(ratio / self._dispersion)


def _coinciding(clip: Peaks, track: Peaks) -> tuple[int, Longs]:
    """(lowest, counts): pairs of near bins by how many steps they are apart, from the lowest on."""
    kernels = compiled.kernels()
    if kernels:
        places = clip.frames, clip.bins, track.frames, track.bins
        lowest, counts = kernels.coinciding(*places, np.float32(_BIN_TOLERANCE), _STEPS)
    else:
        clip_index, track_index = near_pairs(clip.bins, track.bins, _BIN_TOLERANCE)
        apart = track.frames[track_index] - clip.frames[clip_index]
        steps = np.rint(apart * _STEPS).astype(np.int64)
        lowest = int(steps.min()) if len(steps) else 0
        counts = np.bincount(steps - lowest)
    if len(counts) < len(_KERNEL):  # which a convolution would swap them with
        counts = np.concatenate([counts, np.zeros(len(_KERNEL), np.int64)])
    return lowest, counts


def _null_model(curve: Doubles, clip_steps: int) -> tuple[float, float]:
    """(mean, dispersion) of coincidences at the offsets where clip and track overlap fully."""
    inside = curve[clip_steps : len(curve) - clip_steps]
    if len(inside) < _CONTEXT:
        inside = curve
    mean = max(float(inside.mean()), _CHANCE_FLOOR)
    return mean, max(1.0, float(inside.var()) / mean)


def align(clip: Peaks, track: Peaks, near: float) -> Alignment:
    """Lays a clip over a track within two frames of a proposed offset; see `Coincidences`."""
    return AlignmentCurve(clip, track).near(near)


def refine_warp(clip: Peaks, track: Peaks, warp: Warp, offset: float) -> Warp:
    """The warp that fits best near a proposed one: a robust line through what coincides.

    clip: peaks as they are in the clip, sorted by frame; track: peaks in any order
    offset: frame of the track at the clip's start, under the proposed warp
    """
    laid = unwarp(clip, warp)
    passage = covered_passage(track, offset, float(laid.frames.max(initial=0.0)), _DRIFT_FRAMES)
    track_index, clip_index = near_points(passage, laid, _DRIFT_FRAMES, _BIN_TOLERANCE)
    when, then = clip.frames[clip_index], passage.frames[track_index]
    clip_bins, track_bins = clip.bins[clip_index], passage.bins[track_index]
    tempo, start = warp.tempo, 0.0
    for reach in _REACHES:
        near = np.abs(then - (start + tempo * when)) <= reach
        if near.sum() < _LINE_PAIRS or np.ptp(when[near]) < _LINE_FRAMES:
            return warp
        tempo, start = _line(when[near], then[near])
    pitch = float(
        np.dot(clip_bins[near], track_bins[near]) / np.dot(track_bins[near], track_bins[near])
    )
    if abs(np.log(tempo / warp.tempo)) > _MAX_DRIFT or abs(np.log(pitch / warp.pitch)) > _MAX_DRIFT:
        return warp
    return Warp(tempo, pitch)


def _line(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> tuple[float, float]:
    """(slope, value at 0) of the least squares line."""
    across = x - x.mean(dtype=np.float64)
    slope = float(across @ y / (across @ across))
    return slope, float(y.mean(dtype=np.float64)) - slope * float(x.mean(dtype=np.float64))


def refit_tempo(
    clip: Peaks, track: Peaks, warp: Warp, offset: float, tempos: Sequence[float]
) -> tuple[Warp, float]:
    """(warp, offset) of the line, at one of many tempos, on which most peaks coincide.

    clip: peaks as they are in the clip; track: peaks sorted by bin
    offset: where a part of the clip fits, under a warp of the right pitch
    """
    bins = clip.bins / np.float32(warp.pitch)
    clip_index, track_index = near_pairs(bins, track.bins, _BIN_TOLERANCE)
    when, then = clip.frames[clip_index], track.frames[track_index]
    reach = _RUN_AWAY * float(clip.frames.max(initial=0.0)) + _REACHES[0]
    near = np.abs(then - (offset + warp.tempo * when)) <= reach
    best = warp.tempo, offset, 0.0
    for tempo in tempos if near.any() else ():
        steps = np.rint((then[near] - tempo * when[near]) * _STEPS).astype(np.int64)
        lowest = int(steps.min()) - len(_KERNEL)
        curve = np.convolve(np.bincount(steps - lowest), _KERNEL, "same")
        top = int(curve.argmax())
        if curve[top] > best[2]:
            best = tempo, (top + lowest) / _STEPS, float(curve[top])
    return Warp(best[0], warp.pitch), best[1]


def combined_score(
    alignment: float, excess: float, closeness: float = 0.0, likeness: float = 0.0
) -> float:
    """One score of what peaks and landmarks say of a proposal.

    alignment: `Alignment.score`; excess: of `vote_excess`; closeness: of
    `fingerprinter.core.match.closeness`, or 0 before it is known
    likeness: of sketches, 0 where they are not compared

    Root and logarithm keep any one of them from deciding alone: a few loud beats align,
    and a sustained tone, which repeats its hashes, has hundreds of votes too many.
    """
    votes = float(np.log1p(max(excess, 0.0)))
    peaks = _SCALE * (alignment**0.5 + _VOTES_WEIGHT * votes + _CLOSENESS_WEIGHT * closeness)
    return peaks + _LIKENESS_WEIGHT * likeness


def null_score(
    clip_s: float, library_s: float, peaks_per_s: float, *, escalated: bool, sketched: bool
) -> float:
    """The score that is as likely chance as the truth.

    clip_s: of the clip; in a short one the same few notes may be anybody's
    library_s: all music that it was compared with; more of it gives chance more goes
    peaks_per_s: that the library keeps of a recording
    escalated: whether it was searched for under dozens of changes
    sketched: whether it was compared by sketches, whose likeness is a part of the score then
    """
    middle, per_e = (_LIKE_MIDDLE, _LIKE_PER_E) if sketched else (_MIDDLE, _MIDDLE_PER_E)
    changes = (_LIKE_CHANGED_COST if sketched else _CHANGED_COST) * escalated
    brevity = per_e * np.log(min(max(clip_s, 0.5), _SETTLED_S))
    size = _COST_PER_E * np.log(max(library_s / _USUAL_LIBRARY_S, 1.0))
    sparsity = _SPARSE_COST * np.log(max(_USUAL_PEAKS_PER_S / peaks_per_s, 1.0))
    return float(middle - brevity + size + sparsity + changes)


def confidence(score: float, chance: float) -> float:
    """The probability that a match of this score is right, where chance reaches so much.

    A logistic curve, fitted to clips of known and of unknown music.
    """
    return float(1 / (1 + np.exp(-_SLOPE * (score - chance))))
