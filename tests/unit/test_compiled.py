"""Compiled kernels and NumPy give the same numbers; the two Fourier transforms nearly the same.

All of it is slow, because a new checkout compiles each kernel first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.core.fingerprint import landmarks, peaks
from fingerprinter.core.fingerprint.clip_sketch import clip_sketch
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.sketch import BANDS
from fingerprinter.core.fingerprint.sketch_places import Sketches
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.core.match import matching
from fingerprinter.core.mir.versions import Detail, Harmony, best_scores
from fingerprinter.core.numeric import compiled
from fingerprinter.core.numeric.packing import Blocks, encode_blocks
from fingerprinter.core.numeric.peak_pairs import near_pairs, near_points
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.identify import jit
from fingerprinter.types import Landmarks, Peaks

pytest.importorskip("numba", reason="numba does not support this Python yet")
pytestmark = pytest.mark.slow

Answer = TypeVar("Answer")
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def restore_kernels() -> Iterator[None]:
    was_loaded = compiled.kernels() is not None
    yield
    if was_loaded:
        compiled.load()
    else:
        compiled.unload()


def both(function: Callable[[], Answer]) -> tuple[Answer, Answer]:
    """The results of a function with NumPy and with the compiled kernels."""
    compiled.unload()
    plain = function()
    compiled.load()
    assert compiled.kernels() is not None
    return plain, function()


def constellation(rng: np.random.Generator, n: int) -> Peaks:
    frames, bins = rng.integers(0, 1200, n) / 4, rng.integers(12, 2040, n) / 4
    salience = rng.integers(0, 20, n)  # with many equal ones
    unsorted = Peaks(*(values.astype(np.float32) for values in (frames, bins, salience)))
    return peaks.sort_by_frame(unsorted)


@given(SEEDS)
def test_ranges_of_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = [
        np.sort(rng.integers(0, 1 << int(rng.integers(1, 50)), rng.integers(1, 900)))
        for _ in range(20)
    ]
    blocks = Blocks(encode_blocks(np.concatenate(runs), np.array([len(run) for run in runs])))
    steps = [max(1, int(run[-1]) // int(rng.integers(1, 600))) for run in runs]
    starts = [np.unique(rng.integers(0, 700, 30)) * step for step in steps]
    block = np.repeat(np.arange(len(runs)), [len(each) for each in starts])
    low = np.concatenate(starts)
    high = low + np.repeat(steps, [len(each) for each in starts])
    plain, fast = both(lambda: blocks.spans(block, low, high))
    for name in plain.__slots__:
        np.testing.assert_array_equal(getattr(plain, name), getattr(fast, name))
    read, quick = both(lambda: blocks.read(plain))
    np.testing.assert_array_equal(read.query, quick.query)
    np.testing.assert_array_equal(read.value, quick.value)
    wanted = [
        (i, value)
        for i, number in enumerate(block)
        for value in runs[number]
        if low[i] <= value < high[i]
    ]
    assert list(zip(quick.query, quick.value, strict=True)) == wanted


@given(SEEDS)
def test_blocks_packed_and_unpacked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = [
        np.sort(rng.integers(0, 1 << int(rng.integers(1, 63)), rng.integers(1, 500)))
        for _ in range(20)
    ]
    values, counts = np.concatenate(runs), np.array([len(run) for run in runs])
    plain, fast = both(lambda: encode_blocks(values, counts))
    assert plain == fast
    for unpacked in both(lambda: Blocks(plain).values()):
        np.testing.assert_array_equal(unpacked, values)


@given(SEEDS)
def test_votes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 40, (6, 30)).astype(np.uint32)
    frames = rng.integers(0, 50, (6, 30)).astype(np.int32)
    variants = [Landmarks(*each) for each in zip(hashes, frames, strict=True)]
    query = matching.build_query([[marks] for marks in variants])
    row, position = rng.integers(0, len(query.hashes), 3000), rng.integers(0, 400, 3000)
    plain, fast = both(lambda: matching.vote_keys(query, row, position))
    np.testing.assert_array_equal(plain, fast)
    assert len(plain) == query.counts[row].sum()
    assert np.all(np.diff(fast) >= 0)
    landmarks = set(zip(variants[3].hashes.tolist(), variants[3].frames.tolist(), strict=True))
    postings = list(zip(query.hashes[row].tolist(), position.tolist(), strict=True))
    places = {at - frame for hash_, frame in landmarks for met, at in postings if met == hash_}
    for most in (1, 7, 48, 5000):
        slow, quick = both(lambda most=most: matching.count_votes(plain, range(3, 4), most))
        np.testing.assert_array_equal(slow.position, quick.position)
        np.testing.assert_array_equal(slow.votes, quick.votes)
        assert len(slow.votes) == min(most, len(places))
        assert set(slow.position.tolist()) <= places


@given(SEEDS)
def test_overlapping_ranges_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = np.sort(rng.integers(0, 3000, 200))
    blocks = Blocks(encode_blocks(np.concatenate([run, run]), np.array([200, 200])))
    block, low = rng.integers(0, 2, 40), rng.integers(0, 3000, 40)
    high = low + rng.integers(1, 900, 40)
    plain, fast = both(lambda: blocks.read(blocks.spans(block, low, high)))
    np.testing.assert_array_equal(plain.query, fast.query)
    np.testing.assert_array_equal(plain.value, fast.value)
    inside = (run >= low[:, None]) & (run < high[:, None])
    assert np.bincount(fast.query, minlength=40).tolist() == inside.sum(axis=1).tolist()


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
@pytest.mark.parametrize("bits", [0, 1, 9, 10, 62])
def test_keys_of_any_width_are_sorted(count: int, bits: int) -> None:
    numbers = np.random.default_rng(count).integers(0, 1 << bits, count) + 12345
    one_each = np.arange(count)
    question = matching.HashQuery(
        one_each.astype(np.uint32), one_each, np.ones(count, np.int64), numbers
    )
    for keys in both(lambda: matching.vote_keys(question, one_each, np.zeros(count, np.int64))):
        np.testing.assert_array_equal(keys, np.sort(numbers))


def test_no_votes() -> None:
    for found in both(lambda: matching.count_votes(np.empty(0, np.int64), range(1), 5)):
        assert len(found.votes) == 0


@given(SEEDS)
def test_best_places_per_track(seed: int) -> None:
    rng = np.random.default_rng(seed)
    track_ids, frames = rng.integers(0, 5, 60), rng.integers(0, 60, 60)
    plain, fast = both(lambda: matching.best_per_track(track_ids, frames, 0))
    np.testing.assert_array_equal(plain, fast)
    assert 0 not in track_ids[plain]
    assert np.bincount(track_ids[plain]).max() <= 3


@given(SEEDS)
def test_places_of_many_variants_are_rated_each_by_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    track_ids, frames = rng.integers(0, 5, 60), rng.integers(0, 60, 60)
    starts = np.array([0, 7, 7, 40, 60])
    votes = np.concatenate([np.sort(rng.integers(1, 9, n))[::-1] for n in np.diff(starts)])
    (plain, excess), (fast, same) = both(
        lambda: matching.rate_places(track_ids, frames, votes, starts, 0)
    )
    np.testing.assert_array_equal(plain, fast)
    np.testing.assert_array_equal(excess, same)


@given(SEEDS)
def test_near_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clip = constellation(rng, 80).bins / np.float32(rng.uniform(0.8, 1.25))
    track = np.sort(constellation(rng, 200).bins)
    (a, b), (c, d) = both(lambda: near_pairs(clip, track, 1.25))
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    apart = np.abs(clip[:, None] - track[None])
    assert abs(len(a) - (apart <= 1.25).sum()) <= (np.abs(apart - 1.25) < 1e-4).sum()


@given(SEEDS)
def test_near_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clip, track = constellation(rng, 400), peaks.sort_by_bin(constellation(rng, 300))
    (a, b), (c, d) = both(lambda: near_points(track, clip, 2.5, 1.25))
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    near = np.abs(track.frames[:, None] - clip.frames) <= 2.5
    near &= np.abs(track.bins[:, None] - clip.bins) <= 1.25
    np.testing.assert_array_equal(np.argwhere(near), np.stack([a, b], axis=1))


@given(SEEDS, st.integers(0, 200), st.integers(0, 300))
def test_coincidences_at_every_offset(seed: int, n_clip: int, n_track: int) -> None:
    rng = np.random.default_rng(seed)
    warp = Warp(*rng.uniform(0.8, 1.25, 2))
    clip = unwarp(constellation(rng, n_clip), warp)
    track = peaks.sort_by_bin(constellation(rng, n_track))

    def alignments() -> list[matching.Alignment]:
        curve = matching.AlignmentCurve(clip, track)
        return [curve.near(offset) for offset in range(-320, 420, 4)]  # each looks 2 frames around

    plain, fast = both(alignments)
    assert plain == fast


@given(SEEDS, st.integers(1, 12))
def test_landmarks(seed: int, fan_out: int) -> None:
    clip = constellation(np.random.default_rng(seed), 150)
    plain, fast = both(lambda: landmarks.make_landmarks(clip, DEFAULT, fan_out, 0.5))
    np.testing.assert_array_equal(plain.hashes, fast.hashes)
    np.testing.assert_array_equal(plain.frames, fast.frames)


@given(SEEDS)
def test_limit_density(seed: int) -> None:
    clip = constellation(np.random.default_rng(seed), 300)
    plain, fast = both(lambda: peaks.limit_density(clip, 9.0, DEFAULT))
    np.testing.assert_array_equal(plain.frames, fast.frames)
    np.testing.assert_array_equal(plain.bins, fast.bins)
    assert 0 < len(plain) < len(clip)


@given(SEEDS, st.integers(1, 70), st.integers(1, 60))
def test_local_maxima(seed: int, frames: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    log_mag = rng.integers(-20, 4, (frames, bins)).astype(np.float32)  # with many equal ones
    boxes = [(9, 17), (5, 9), (3, 5)]
    plain, fast = both(lambda: peaks.local_maxima(log_mag, boxes, DEFAULT.floor))
    for slow, quick in zip(plain, fast, strict=True):
        np.testing.assert_array_equal(slow, quick)
        assert slow.dtype == quick.dtype


@given(SEEDS, st.integers(1, 100), st.integers(2, 60))
def test_local_means(seed: int, frames: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    log_mag = rng.normal(-5, 4, (frames, bins)).astype(np.float32)
    rows, cols = rng.integers(0, frames, 30), rng.integers(0, bins, 30)
    plain, fast = both(lambda: peaks.local_mean(log_mag, rows, cols, DEFAULT))
    np.testing.assert_array_equal(plain, fast)


def test_spectrograms_of_numpy_and_scipy_agree() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 30_000).astype(np.float32)
    plain, fast = both(lambda: log_spectrogram(noise, DEFAULT))
    assert plain.dtype == fast.dtype == np.float32
    np.testing.assert_allclose(plain, fast, atol=2e-3)  # values that cancel out lose precision
    assert np.median(np.abs(plain - fast)) < 1e-6


def test_a_process_that_searches_long_loads_the_kernels() -> None:
    compiled.unload()
    patient, eager = jit.SearchTimer(load_after_s=60.0), jit.SearchTimer(load_after_s=0.0)
    for timer in (patient, patient, eager):
        with timer.search():
            assert compiled.kernels() is None
    with eager.search():
        assert compiled.kernels() is not None


def test_without_numba_numpy_does_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiled.unload()
    monkeypatch.setitem(__import__("sys").modules, "fingerprinter.core.numeric.kernels", None)
    monkeypatch.delattr("fingerprinter.core.numeric.kernels", raising=False)
    with caplog.at_level(logging.INFO, logger="fingerprinter"):
        compiled.load()
        compiled.load()
    assert compiled.kernels() is None
    assert [record.levelname for record in caplog.records] == ["INFO"]


@given(SEEDS, st.integers(1, 400), st.sampled_from([1, 2, 6]))
def test_nearest_sketches(seed: int, frames: int, words: int) -> None:
    rng = np.random.default_rng(seed)
    recordings = [
        rng.integers(1 << 64, size=(rng.integers(40), words), dtype=np.uint64) for _ in range(8)
    ]
    recordings[3][::5] = 0  # silence
    known = Sketches(recordings)
    above = rng.exponential(size=(frames, BANDS)).astype(np.float32)
    clip = clip_sketch(above, projections(words))
    plain, machine = both(lambda: known.nearest(clip, 6))
    assert plain == machine
    assert [near.score for near in plain] == sorted((n.score for n in plain), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("detail", ["coarse", "fine"])
def test_alignments_of_chroma_sequences(detail: Detail) -> None:
    rng = np.random.default_rng(0)
    held = [rng.integers(0, 256, (n, 12)).astype(np.uint8) for n in (1, 9, 40, 333, 700, 1200, 80)]
    held[2][:] = 0  # silence
    query, *others = (Harmony.of(np.repeat(each, 3, axis=0), detail) for each in held[3:] + held)
    plain, fast = both(lambda: best_scores(query, others))
    assert plain[0].max() > 50
    np.testing.assert_array_equal(plain[0], fast[0])
    np.testing.assert_array_equal(plain[1], fast[1])
