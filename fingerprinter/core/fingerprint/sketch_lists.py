"""An inverted file of sketches: the places most like a clip, without comparing all sketches.

The sketches of a library are sorted by their first bits, which noise and rooms change least. All
sketches with equal first bits are a *list*. A window of a clip tells of each bit how likely it is
wrong: the nearer its projection is to 0. So the lists that most likely hold the right sketch are
known, and only these are compared in full [1]_. How many are compared does not depend on the size
of the library.

A clip whose tempo and pitch may be anything has thousands of windows: a few for each tempo with
each pitch of a grid. One window that agrees with a sketch tells tempo, pitch and place at once. So
each window is looked up in a few hundred lists only. The tempo and pitch of the windows that agree
best are known to a step of the grid.

References
----------
.. [1] Q. Lv et al., "Multi-probe LSH: efficient indexing for high-dimensional similarity search",
   VLDB 2007.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from fingerprinter.core.arrays import Doubles, Floats, Longs
from fingerprinter.core.fingerprint.clip_sketch import ClipSketch, WarpedWindows
from fingerprinter.core.fingerprint.params import DEFAULT_SKETCH_SEARCH, SketchSearchParams
from fingerprinter.core.fingerprint.sketch import HOP, WINDOW, WORD, Codes, signs
from fingerprinter.core.fingerprint.sketch_places import Place
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.peak_pairs import ranges

_SKETCHES_PER_LIST = 4  # shorter lists cost more to look up, longer ones hold more wrong sketches
_MIN_BITS, _MAX_BITS = 8, 24
_BISECTIONS = 18  # of the cost up to which lists are taken: right to a thousandth of their number
_ROWS_AT_A_TIME = 1 << 16  # sketches that NumPy compares at once


def list_bits(count: int) -> int:
    """Return how many first bits of a sketch number its list, for so many sketches.

    Examples
    --------
    >>> list_bits(16_000_000)
    21
    """
    return min(max((count // _SKETCHES_PER_LIST).bit_length() - 1, _MIN_BITS), _MAX_BITS)


def list_numbers(codes: Codes, bits: int) -> Longs:
    """Return (n,) int64, the number of the list of each sketch; the first bit counts most."""
    octets = np.ascontiguousarray(codes[:, 0], "<u8").view(np.uint8).reshape(-1, WORD // 8)
    first = np.unpackbits(octets[:, : -(-bits // 8)], axis=1, count=bits, bitorder="little")
    numbers: Longs = first @ _powers(bits)
    return numbers


def likely_lists(values: Floats, bits: int, count: int) -> Longs:
    """Return the numbers of the lists that most likely hold the sketch of a window, in any order.

    To turn a bit costs the distance of its value from 0. The lists of least total cost are
    returned.

    Parameters
    ----------
    values
        (at least ``bits``,) values of the window; their signs are the bits of its own list.
    count
        Number of lists; about as many are returned.

    Examples
    --------
    >>> sorted(likely_lists(np.array([0.9, -0.1, 0.5]), bits=3, count=2).tolist())
    [5, 7]
    """
    powers, costs = _powers(bits), np.abs(values[:bits].astype(np.float64))
    own = int((values[:bits] > 0) @ powers)
    half = bits // 2
    some, some_turned = _turned(costs[:half], powers[:half])
    others, others_turned = _turned(costs[half:], powers[half:])
    low, high = 0.0, float(costs.sum()) + 1e-6
    if count < 1 << bits:
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            few = np.searchsorted(others, middle - some, side="right").sum() <= count
            low, high = (middle, high) if few else (low, middle)
    else:
        low = high
    counts = np.searchsorted(others, low - some, side="right")
    found: Longs = own ^ (np.repeat(some_turned, counts) | others_turned[ranges(counts)])
    return found


def usually_likely_lists(values: Floats, bits: int, count: int) -> Longs:
    """Return the numbers of lists that likely hold the sketches of many windows.

    Which bits are turned depends on their ranks by distance from 0, and not on the distances. So
    the same sets of ranks serve for all windows, those that are usually likeliest.

    Parameters
    ----------
    values
        (n, at least ``bits``), values of the windows.
    count
        Number of lists for each window; about as many are returned.

    Returns
    -------
    Longs
        (n, lists) int64; the likeliest come first.

    Examples
    --------
    >>> values = np.array([[0.9, -0.1, 0.5], [-0.2, 0.3, 0.9]])
    >>> usually_likely_lists(values, bits=3, count=2).tolist()
    [[5, 7], [3, 7]]
    """
    own = (values[:, :bits] > 0) @ _powers(bits)
    order = np.argsort(np.abs(values[:, :bits]), axis=1, kind="stable")
    power = _powers(bits)[order].astype(np.float64)  # products of integers take ten times as long
    turned = (power @ _usual_turns(bits, count)).astype(np.int64)
    return np.asarray(own[:, None] ^ turned)


@lru_cache(maxsize=8)
def _usual_turns(bits: int, count: int) -> Doubles:
    """Return (bits, lists), 1 where the bit of a rank is turned; the usually likeliest come first.

    The distances of normal values from 0 are taken as those of their ranks.
    """
    normal = NormalDist()
    costs = [normal.inv_cdf(0.5 + 0.5 * (rank + 0.5) / bits) for rank in range(bits)]
    distance = np.array(costs, np.float32)
    turned = likely_lists(distance, bits, count) ^ ((1 << bits) - 1)
    ranks = (turned[:, None] & _powers(bits) > 0).astype(np.float64)
    return np.asarray(ranks[np.argsort(ranks @ distance, kind="stable")].T)


def _powers(bits: int) -> Longs:
    """Return what each of the first bits counts in the number of a list."""
    powers: Longs = 1 << np.arange(bits - 1, -1, -1, dtype=np.int64)
    return powers


def _turned(costs: Doubles, powers: Longs) -> tuple[Doubles, Longs]:
    """Return (cost, bits) of all ways to turn some bits, the cheapest first."""
    cost, turned = np.zeros(1), np.zeros(1, np.int64)
    for one, power in zip(costs, powers, strict=True):
        cost = np.concatenate([cost, cost + one])
        turned = np.concatenate([turned, turned | power])
    order = np.argsort(cost, kind="stable")
    return cost[order], turned[order]


@dataclass(frozen=True, slots=True)
class Meeting:
    """A frame of a clip at which a frame of a recording plays.

    Parameters
    ----------
    number
        Number of the recording.
    frame
        Frame of the recording.
    clip_frame
        Frame of the clip.
    warp
        About the tempo and pitch of the clip, relative to the recording.
    score
        Likeness of a second around it, in standard deviations of chance.
    """

    number: int
    frame: float
    clip_frame: float
    warp: Warp
    score: float


@dataclass(frozen=True, slots=True)
class SketchLists:
    """The sketches of many recordings, sorted by list. The arrays may be mapped files.

    Damage to the arrays only proposes wrong places.

    Parameters
    ----------
    codes
        (n, words) uint64.
    rows
        (n,) uint32, number of each sketch among all windows of all recordings in their order.
    ends
        (2 ** bits,) uint32, the end of each list.
    starts
        (recordings + 1,) int64, number of the first window of each recording, and of the end.
    """

    codes: Codes
    rows: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.uint32]
    starts: Longs

    def nearest(
        self, clip: ClipSketch, limit: int, policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH
    ) -> list[Place]:
        """Return the places of which one window is most like an unchanged clip, the best first."""
        windows = _asked_windows(clip, policy)
        if not len(self.rows) or not len(windows):
            return []
        comparisons = max(1, policy.list_comparisons // len(windows))
        found, count = [], len(self.ends)
        for each in windows.tolist():
            first, end, count = self._likely_ranges(clip.values[each], comparisons, count)
            rows = clip.codes[each : each + 1]
            found.append(self._alike(first[None], end[None], rows, WORD, policy.list_score)[1])
        window = np.repeat(windows, [len(each) for each in found])
        at = np.concatenate(found)
        score = np.einsum("nb,nb->n", clip.values[window], signs(self.codes[at]))
        number, frame = self._recordings(at)
        offset = frame - clip.starts[window]
        best: list[Place] = []
        for i in np.argsort(-score, kind="stable").tolist():
            place = Place(int(number[i]), int(offset[i]), score=float(score[i]))
            if len(best) == limit:
                break
            if not any(_is_same(place, other, policy) for other in best):
                best.append(place)
        return best

    def nearest_warped(
        self,
        windows: Iterable[WarpedWindows],
        limit: int,
        policy: SketchSearchParams = DEFAULT_SKETCH_SEARCH,
    ) -> list[Meeting]:
        """Return where windows of a changed clip are most like recordings, the best first.

        Parameters
        ----------
        windows
            Of the clip, in batches.
        limit
            Number of places at most; those of a recording lie apart.
        """
        found = [each for some in windows for each in self._meetings(some, limit, policy)]
        best: list[Meeting] = []
        for meeting in sorted(found, key=lambda each: -each.score):
            if len(best) == limit:
                break
            if not any(_is_one_place(meeting, other, policy) for other in best):
                best.append(meeting)
        return best

    def _meetings(
        self, windows: WarpedWindows, limit: int, policy: SketchSearchParams
    ) -> list[Meeting]:
        """Return some windows that are most like sketches, the best first."""
        if not len(self.rows) or not len(windows.values):
            return []
        bits = len(self.ends).bit_length() - 1
        numbers = usually_likely_lists(windows.values, bits, policy.warped_lists)
        first, end = self._ranges(numbers)
        before = np.cumsum(end - first, axis=1) - (end - first)
        end = np.minimum(end, first + (policy.warped_comparisons - before).clip(min=0))
        window, at = self._alike(
            first, end, windows.codes, policy.warped_first_apart, policy.warped_score
        )
        score = np.einsum("nb,nb->n", windows.values[window], signs(self.codes[at]))
        kept = np.argsort(-score, kind="stable")[: limit * policy.warped_repeats]
        number, frame = self._recordings(at[kept])
        return [
            Meeting(n, f + WINDOW / 2, float(windows.middles[w]), windows.warps[v], s)
            for n, f, w, v, s in zip(
                number.tolist(),
                frame.tolist(),
                window[kept],
                windows.warp[window[kept]],
                score[kept].tolist(),
                strict=True,
            )
        ]

    def _recordings(self, at: Longs) -> tuple[Longs, Longs]:
        """Return (recording, its frame at the start of the window) of some sketches."""
        row = np.minimum(self.rows[at].astype(np.int64), self.starts[-1] - 1)
        number = np.searchsorted(self.starts, row, side="right") - 1
        return number, (row - self.starts[number]) * HOP

    def _alike(
        self, first: Longs, end: Longs, rows: Codes, first_apart: int, least: float
    ) -> tuple[Longs, Longs]:
        """Return (number of the window, place of the sketch) of those that agree beyond chance.

        first, end: (n, ranges) of each window; rows: (n, words) of the windows
        first_apart: more bits of the first word that differ than this leave a sketch out
        least: standard deviations of chance by which sketches agree
        """
        bits = rows.shape[1] * WORD
        most_apart = int((bits - least * bits**0.5) / 2)
        kernels = compiled.kernels()
        if kernels:
            found = np.empty((2, int((end - first).clip(min=0).sum())), np.int64)
            n = kernels.alike(self.codes, first, end, rows, first_apart, most_apart, found)
            return found[0, :n].copy(), found[1, :n].copy()
        counts = (end - first).clip(min=0)
        window = np.repeat(np.arange(len(rows)), counts.sum(axis=1))
        counts = counts.reshape(-1)
        at = ranges(counts) + np.repeat(first.reshape(-1), counts)
        parts = [np.empty((2, 0), np.int64)]
        for start in range(0, len(at), _ROWS_AT_A_TIME):
            of, some = window[start : start + _ROWS_AT_A_TIME], at[start : start + _ROWS_AT_A_TIME]
            near = np.bitwise_count(self.codes[some, 0] ^ rows[of, 0]) <= first_apart
            of, some = of[near], some[near]
            apart = np.bitwise_count(self.codes[some] ^ rows[of]).sum(axis=1, dtype=int)
            parts.append(np.stack([of, some])[:, apart <= most_apart])
        window, at = np.concatenate(parts, axis=1)
        return window, at

    def _ranges(self, numbers: Longs) -> tuple[Longs, Longs]:
        """Return (first, end) of the sketches in lists."""
        end = np.minimum(self.ends[numbers], len(self.rows)).astype(np.int64)
        first = np.where(numbers > 0, self.ends[numbers - 1], 0).astype(np.int64)
        return np.minimum(first, end), end

    def _likely_ranges(
        self, values: Floats, comparisons: int, count: int
    ) -> tuple[Longs, Longs, int]:
        """Return (first, end) of likely lists that hold at most so many sketches together.

        count: the number of lists for the window before; also returned for the next one
        """
        lists = len(self.ends)
        usual = max(1, comparisons * lists // len(self.rows))
        count = min(lists, usual, 2 * count)
        while True:
            numbers = np.sort(likely_lists(values, lists.bit_length() - 1, count))
            first, end = self._ranges(numbers)
            held = int((end - first).sum())
            if held <= comparisons or len(numbers) == 1:
                filled = first < end
                return first[filled], np.minimum(end, first + comparisons)[filled], count
            count = max(1, min(len(numbers) - 1, count * comparisons // held))


def _asked_windows(clip: ClipSketch, policy: SketchSearchParams) -> Longs:
    """Return the windows of the middle of a clip that are looked up."""
    most = policy.first_windows * HOP
    skipped = max(0, len(clip.starts) - most) // 2
    windows = np.arange(skipped, min(len(clip.starts), skipped + most), policy.list_step)
    return windows[clip.weights[windows] >= policy.list_weight]


def _is_same(one: Place, other: Place, policy: SketchSearchParams) -> bool:
    near = abs(one.offset - other.offset) <= policy.same_place_frames
    return one.number == other.number and near


def _is_one_place(one: Meeting, other: Meeting, policy: SketchSearchParams) -> bool:
    """Whether two meetings lie on one line, as far as their tempo is known."""
    frame = other.frame + (one.clip_frame - other.clip_frame) * other.warp.tempo
    return one.number == other.number and abs(one.frame - frame) <= policy.warped_same_frames


def make_lists(recordings: Sequence[Codes]) -> SketchLists:
    """Sort the sketches of recordings into lists.

    Parameters
    ----------
    recordings
        (windows, words) uint64 for each recording, all of equally many words; at least one.
    """
    starts = np.cumsum([0, *map(len, recordings)])
    codes = np.concatenate(recordings)
    rows = np.flatnonzero(codes.any(axis=1))
    bits = list_bits(len(rows))
    numbers = list_numbers(codes[rows], bits)
    rows = rows[np.argsort(numbers, kind="stable")]
    ends = np.cumsum(np.bincount(numbers, minlength=1 << bits))
    return SketchLists(codes[rows], rows.astype(np.uint32), ends.astype(np.uint32), starts)


def sort_into_lists(numbers: Longs, cursors: Longs) -> tuple[Longs, Longs]:
    """Return where some sketches go among all that are sorted by list, and move the cursors.

    Parameters
    ----------
    numbers
        (n,) int64, the list of each sketch.
    cursors
        (lists,) int64, the next free place of each list. They are moved behind the sketches.

    Returns
    -------
    (order, place)
        Sketch ``order[i]`` goes to ``place[i]``; (n,) int64 each, places ascend.
    """
    order = np.argsort(numbers, kind="stable")
    heads = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    counts = np.diff(heads, append=len(order))
    found = numbers[order[heads]]
    place = np.repeat(cursors[found], counts) + ranges(counts)
    cursors[found] += counts
    return order, place
