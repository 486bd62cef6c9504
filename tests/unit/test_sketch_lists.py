"""Sketches sorted by their first bits: the likely lists, and the places found in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint.clip_sketch import ClipSketch, WarpedWindows
from fingerprinter.core.fingerprint.params import DEFAULT_SKETCH_SEARCH
from fingerprinter.core.fingerprint.sketch import (
    HOP,
    WINDOW,
    Codes,
    signs,
)
from fingerprinter.core.fingerprint.sketch_lists import (
    SketchLists,
    likely_lists,
    list_numbers,
    make_lists,
    sort_into_lists,
    usually_likely_lists,
)
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.core.numeric import compiled

WINDOWS = 400  # of each recording


def lists_of(recordings: Codes) -> SketchLists:
    """Lists of (recordings, windows, words)."""
    return make_lists(list(recordings))


def random_codes(recordings: int, words: int = 6) -> Codes:
    rng = np.random.default_rng(5)
    return rng.integers(1, 1 << 64, (recordings, WINDOWS, words), np.uint64, endpoint=False)


def noisy_clip(codes: Codes, first: int, seed: int) -> ClipSketch:
    """Windows of 3 s of a recording, one at each frame; the bits of every 32nd are half right."""
    rng = np.random.default_rng(seed)
    starts = np.arange(-10, 3 * HOP)
    values = rng.standard_normal((len(starts), codes.shape[1] * 64)).astype(np.float32)
    for window in range(3):
        values[10 + window * HOP] += 0.9 * signs(codes[first + window][None])[0]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    packed = np.packbits(values > 0, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return ClipSketch(values, packed, starts, np.ones(len(starts), np.float32))


WARPS = [Warp(1.2, 0.8), Warp(1.2, 0.9), Warp(1.2, 1.0)]


def changed_clip(codes: Codes, first: int, seed: int, warp: int = 1) -> WarpedWindows:
    """Windows of 3 s of a recording under three warps; under one, each 32nd is half right."""
    rng = np.random.default_rng(seed)
    windows = 3 * HOP
    values = rng.standard_normal((3, windows, codes.shape[1] * 64)).astype(np.float32)
    for window in range(3):
        values[warp, window * HOP] += 1.2 * signs(codes[first + window][None])[0]
    values = values.reshape(3 * windows, -1)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    packed = np.packbits(values > 0, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    middles = np.tile(20 + np.arange(windows) / 1.2, 3)
    return WarpedWindows(values, packed, middles, WARPS, np.repeat(np.arange(3), windows))


def test_recordings_are_sorted_into_lists_without_their_silence() -> None:
    recordings = random_codes(3)
    recordings[1, 5:9] = 0
    lists = make_lists([recordings[0], recordings[1], recordings[2, :7]])
    assert lists.starts.tolist() == [0, WINDOWS, 2 * WINDOWS, 2 * WINDOWS + 7]
    assert len(lists.rows) == 2 * WINDOWS + 7 - 4
    joined = np.concatenate([*recordings[:2], recordings[2, :7]])
    assert (lists.codes == joined[lists.rows]).all()
    numbers = list_numbers(lists.codes, len(lists.ends).bit_length() - 1)
    assert (np.diff(numbers) >= 0).all()
    assert (np.searchsorted(lists.ends, np.arange(len(lists.rows)), side="right") == numbers).all()


@given(st.integers(2, 12), st.integers(1, 600), st.integers(0, 99))
def test_usually_likely_lists_are_nearly_the_likely_ones(bits: int, count: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((40, 16)).astype(np.float32)
    found = usually_likely_lists(values, bits, count)
    assert all(len(set(each)) == len(each) for each in found.tolist())
    assert 0.5 * min(count, 1 << bits) - 2 <= found.shape[1] <= max(1, count)
    own = (values[:, :bits] > 0) @ (1 << np.arange(bits - 1, -1, -1))
    assert (found[:, 0] == own).all()
    if found.shape[1] > 1:  # then the least certain bit is turned
        weakest = np.abs(values[:, :bits]).argmin(axis=1)
        assert (found[:, 1] == own ^ (1 << (bits - 1 - weakest))).all()
    shared = [
        len(np.intersect1d(each, likely_lists(value, bits, found.shape[1]))) / found.shape[1]
        for each, value in zip(found, values, strict=True)
    ]
    assert np.mean(shared) > 0.5


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("warp", [0, 2])
def test_a_changed_clip_meets_its_recording_under_its_warp(warp: int, is_compiled: bool) -> None:
    recordings = random_codes(50)
    lists = lists_of(recordings)
    clip = changed_clip(recordings[31], 100, 1, warp)
    compiled.unload()
    if is_compiled:
        compiled.load()
    try:
        best, *others = lists.nearest_warped([clip], 8)
    finally:
        compiled.unload()
    assert (best.number, best.warp) == (31, WARPS[warp])
    # the frame of the recording that plays at a frame of the clip
    assert best.frame == pytest.approx(100 * HOP + WINDOW / 2 + (best.clip_frame - 20) * 1.2)
    assert best.score > 8
    assert all(other.score <= best.score and other.number != 31 for other in others)


def test_compiled_and_plain_searches_under_warps_are_the_same() -> None:
    recordings = random_codes(20)
    lists, clip = lists_of(recordings), changed_clip(recordings[3], 7, 2)
    policy = replace(DEFAULT_SKETCH_SEARCH, warped_score=2.0)
    found = []
    for load in (compiled.unload, compiled.load):
        load()
        found.append(lists.nearest_warped([clip], 50, policy))
    compiled.unload()
    assert found[0] == found[1]
    assert len(found[0]) == 50


def test_a_list_of_all_sketches_does_not_raise_the_number_of_comparisons() -> None:
    recordings = random_codes(20)
    recordings[:, :, 0] = np.uint64(5)
    lists, clip = lists_of(recordings), changed_clip(recordings[3], 7, 2)
    few = replace(
        DEFAULT_SKETCH_SEARCH,
        warped_comparisons=1,
        warped_first_apart=64,
        warped_score=-50.0,
        warped_repeats=1 << 20,
        warped_same_frames=-1.0,
    )
    assert 0 < len(lists.nearest_warped([clip], 10_000, few)) <= len(clip.values)


@given(st.integers(1, 12), st.integers(0, 5000), st.integers(0, 99))
def test_the_likely_lists_are_those_of_least_cost(bits: int, count: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    found = likely_lists(values, bits, count)
    own = sum(int(values[i] > 0) << (bits - 1 - i) for i in range(bits))
    turned = (own ^ np.arange(1 << bits))[:, None] >> np.arange(bits - 1, -1, -1) & 1
    cost = turned @ np.abs(values[:bits].astype(np.float64))
    assert len(set(found.tolist())) == len(found)
    assert max(1, 0.97 * min(count, 1 << bits) - 2) <= len(found) <= max(1, count)
    others = np.setdiff1d(np.arange(1 << bits), found)
    assert cost[found].max() <= cost[others].min(initial=np.inf) + 1e-9


def test_the_first_bit_of_a_sketch_counts_most_in_the_number_of_its_list() -> None:
    codes = np.array([[1, 0], [2, 9], [1 << 9, 0], [(1 << 64) - 1, 0]], np.uint64)
    assert list_numbers(codes, 10).tolist() == [512, 256, 1, 1023]


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("words", [6, 2])
def test_a_noisy_clip_finds_its_place_by_few_comparisons(words: int, is_compiled: bool) -> None:
    recordings = random_codes(50, words)
    lists = lists_of(recordings)
    compiled.unload()
    if is_compiled:
        compiled.load()
    try:
        policy = replace(DEFAULT_SKETCH_SEARCH, list_comparisons=200_000)  # 4,255 of 20,000 each
        clip = noisy_clip(recordings[31], 100, 1)
        best, *others = lists.nearest(clip, 8, policy)
        assert (best.number, best.offset) == (31, 100 * HOP)
        assert best.score > 8 if words == 6 else best.score > 5
        assert [other.score for other in others] == sorted(
            (other.score for other in others), reverse=True
        )
        assert lists.nearest(clip, 1, policy) == [best]
    finally:
        compiled.unload()


def test_compiled_and_plain_comparisons_find_the_same_places() -> None:
    recordings = random_codes(20)
    lists = lists_of(recordings)
    policy = replace(DEFAULT_SKETCH_SEARCH, list_score=2.0)
    found = []
    for load in (compiled.unload, compiled.load):
        load()
        found.append(lists.nearest(noisy_clip(recordings[3], 7, 2), 50, policy))
    compiled.unload()
    assert found[0] == found[1]
    assert len(found[0]) == 50


def test_long_lists_do_not_raise_the_number_of_comparisons() -> None:
    recordings = random_codes(20)
    recordings[:, :, 0] &= np.uint64(0xFFFFFFFFFFFFFF00)
    recordings[:, :, 0] |= np.uint64(5)  # all sketches are in one list
    lists = lists_of(recordings)
    clip = noisy_clip(recordings[3], 7, 2)
    clip.values[:, :8] = 0.1 * signs(recordings[3, :1])[0, :8]  # ... and all windows ask for it
    few = replace(DEFAULT_SKETCH_SEARCH, list_comparisons=10 * len(clip.starts), list_score=-50.0)
    assert 0 < len(lists.nearest(clip, 10_000, few)) <= 10 * len(clip.starts)


def test_damaged_numbers_propose_wrong_places_and_nothing_worse() -> None:
    recordings = random_codes(20)
    lists = lists_of(recordings)
    rng = np.random.default_rng(0)
    for name in ("rows", "ends"):
        wrong = rng.integers(0, 1 << 32, len(getattr(lists, name)), np.uint32)
        damaged = replace(lists, **{name: wrong})
        places = damaged.nearest(noisy_clip(recordings[3], 7, 2), 8)
        meetings = damaged.nearest_warped([changed_clip(recordings[3], 7, 2)], 8)
        assert all(0 <= each.number < 20 for each in (*places, *meetings))


def test_nothing_is_found_without_sketches_or_in_silence() -> None:
    empty = SketchLists(
        np.empty((0, 6), np.uint64), np.empty(0, np.uint32), np.zeros(256, np.uint32), np.zeros(1)
    )
    recordings = random_codes(2)
    clip = noisy_clip(recordings[0], 7, 2)
    assert empty.nearest(clip, 8) == []
    silent = replace(clip, weights=np.zeros_like(clip.weights))
    assert lists_of(recordings).nearest(silent, 8) == []
    assert empty.nearest_warped([changed_clip(recordings[0], 7, 2)], 8) == []
    assert lists_of(recordings).nearest_warped([], 8) == []


def test_batches_are_sorted_into_the_lists_of_all() -> None:
    numbers = np.random.default_rng(3).integers(0, 7, 100)
    counts = np.bincount(numbers, minlength=7)
    cursors, placed = np.cumsum(counts) - counts, np.full(100, -1)
    for start in range(0, 100, 30):
        order, place = sort_into_lists(numbers[start : start + 30], cursors)
        placed[place] = start + order
    assert placed.tolist() == np.argsort(numbers, kind="stable").tolist()
