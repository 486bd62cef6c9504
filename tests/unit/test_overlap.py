"""Recordings laid over each other: copies, edits, other speeds, other music, and versions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import SR, play

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.match.overlap import (
    SLICE_FRAMES,
    Line,
    Overlap,
    Reference,
    SharedPassage,
    agreeing_runs,
    fit_line,
    low_peaks,
    overlap,
)
from fingerprinter.core.match.policy import DEFAULT_POLICY
from fingerprinter.types import Peaks

Floats = npt.NDArray[np.float32]

HOP_S = DEFAULT.hop_s
PIECE_S = 40
NOTHING = Peaks(*(np.empty(0, np.float32) for _ in range(3)))


def peaks_of(samples: Floats) -> Peaks:
    return limit_density(find_peaks([samples], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)


def piece(seed: int, start_s: float = 0, end_s: float = PIECE_S) -> Floats:
    return play(seed, PIECE_S)[round(start_s * SR) : round(end_s * SR)]


def laid(query: Floats, reference: Floats, *offsets_s: float, speed: float = 1.0) -> Overlap:
    frames = [offset_s / HOP_S for offset_s in offsets_s]
    return overlap(peaks_of(query), Reference(peaks_of(reference)), speed, frames)


def rows(found: Overlap) -> list[tuple[float, float, float]]:
    """(start, end, offset) of each passage, in seconds."""
    return [
        (each.start * HOP_S, each.end * HOP_S, each.line.offset * HOP_S) for each in found.passages
    ]


def test_a_copy_overlaps_as_a_whole() -> None:
    found = laid(piece(1), piece(1), 0)
    assert rows(found) == [pytest.approx((0, PIECE_S, 0), abs=0.6)]
    assert (found.query_share, found.reference_share) == pytest.approx((1, 1), abs=0.02)
    assert found.passages[0].line == Line(0.0)
    assert found.confidence > 0.99


@pytest.mark.parametrize("start_s", [7.003, 12.016, 18.01])
def test_a_part_lies_where_it_was_cut_to_a_fraction_of_a_frame(start_s: float) -> None:
    found = laid(piece(2, start_s, start_s + 15), piece(2), round(start_s / HOP_S) * HOP_S)
    assert rows(found) == [pytest.approx((start_s, start_s + 15, start_s), abs=1.2)]
    assert found.passages[0].line.offset * HOP_S == pytest.approx(start_s, abs=0.004)
    assert found.query_share > 0.85
    assert found.reference_share == pytest.approx(15 / PIECE_S, abs=0.05)
    assert found.confidence > 0.98


def test_a_cut_makes_two_passages() -> None:
    edited = np.concatenate([piece(3, 0, 15), piece(3, 25)])
    found = laid(edited, piece(3), 0, 10)
    assert rows(found) == [
        pytest.approx((0, 15, 0), abs=1.2),
        pytest.approx((25, PIECE_S, 10), abs=1.2),
    ]
    assert (found.query_share, found.reference_share) == pytest.approx((1, 0.75), abs=0.05)


@pytest.mark.slow
def test_repeated_music_counts_once() -> None:
    loop = piece(4, 0, 12)
    found = laid(loop, np.tile(loop, 3), 0, 12, 24, -12)
    assert len(found.passages) == 1
    assert found.reference_share == pytest.approx(1 / 3, abs=0.05)
    threefold = laid(np.tile(loop, 3), np.concatenate([loop, piece(5)]), 0, -12, -24)
    assert len(threefold.passages) == 1
    assert threefold.query_share == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("speed", [0.96, 0.993, 1.008, 1.03])
def test_a_changed_speed_is_measured_exactly(speed: float) -> None:
    faster = play(6, PIECE_S, speed, speed)[round(3 * SR / speed) :]
    found = laid(faster, piece(6), 3, speed=speed * 1.004)
    (passage,) = found.passages
    assert passage.line.speed == pytest.approx(speed, abs=2e-4)
    assert passage.line.offset * HOP_S == pytest.approx(3, abs=0.02)
    assert found.query_share > 0.9
    assert found.confidence > 0.95


def test_an_unchanged_speed_stays_exactly_1() -> None:
    line = fit_line(low_peaks(peaks_of(piece(7))), Reference(peaks_of(piece(7))), Line(2.0, 1.004))
    assert line.speed == 1.0
    assert line.offset == pytest.approx(0.0, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("offset_s", [0.0, 3.2, -8.0])
def test_other_music_has_no_passage(offset_s: float) -> None:
    found = laid(piece(8), piece(9), offset_s)
    assert found == Overlap([], 0.0, 0.0)
    assert found.confidence < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.7, 1.0])
def test_the_same_backing_under_another_melody_is_another_recording(level: float) -> None:
    backing = piece(10)
    found = laid(backing + level * piece(11), backing + level * piece(12), 0)
    assert found.query_share < 0.5
    assert found.confidence < 0.5


def test_silence_overlaps_with_nothing() -> None:
    music = peaks_of(piece(1))
    for query, reference in [(NOTHING, NOTHING), (NOTHING, music), (music, NOTHING)]:
        assert overlap(query, Reference(reference), 1.0, [0.0]) == Overlap([], 0.0, 0.0)


gains = st.lists(st.integers(-30, 30), max_size=14)


@given(gains)
def test_runs_are_the_maximal_scoring_ones(gains: list[int]) -> None:
    """Against the definition: the greatest sum, then the same left and right of it."""
    frames = np.arange(len(gains), dtype=np.float32) * SLICE_FRAMES
    peaks = Peaks(frames, frames, frames)
    found = agreeing_runs(peaks, np.array(gains, np.float64))
    sums = sorted(total(gains, start, end) for start, end in found)
    assert sums == sorted(best_sums(gains))
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(found)))


def total(gains: list[int], start: float, end: float) -> int:
    first, last = (round(frame / SLICE_FRAMES) for frame in (start, end))
    return sum(gains[first:last])


def best_sums(gains: list[int]) -> list[int]:
    spans = [(i, j) for i in range(len(gains)) for j in range(i + 1, len(gains) + 1)]
    best = max(spans, key=lambda span: (sum(gains[slice(*span)]), -span[1], span[0]), default=None)
    if best is None or sum(gains[slice(*best)]) < DEFAULT_POLICY.overlap.min_passage_nats:
        return []
    return [sum(gains[slice(*best)]), *best_sums(gains[: best[0]]), *best_sums(gains[best[1] :])]


PASSAGE = SharedPassage(Line(0.0), 0.0, 900.0, nats=150.0, cells=60, bad_cells=0)


@given(st.integers(0, 59), st.floats(0.0, 0.99))
def test_confidence_falls_with_cells_that_disagree_and_rises_with_the_share(
    bad: int, share: float
) -> None:
    worse = Overlap([replace(PASSAGE, bad_cells=bad + 1)], share, share)
    same = Overlap([replace(PASSAGE, bad_cells=bad)], share, share)
    more = replace(same, query_share=share + 0.01)
    assert 0 < worse.confidence <= same.confidence < more.confidence < 1


@pytest.mark.slow
def test_pairs_agree_with_plain_loops() -> None:
    query, reference = low_peaks(peaks_of(piece(13, 0, 3))), Reference(peaks_of(piece(14, 0, 3)))
    pairs = reference.pairs_with(query)
    plain = [
        (i, float(frame - query.frames[i]))
        for i in range(len(query))
        for frame, bin_ in zip(reference.peaks.frames, reference.peaks.bins, strict=True)
        if abs(bin_ - query.bins[i]) <= 1 and abs(frame - query.frames[i]) <= 3
    ]
    assert plain
    assert sorted(zip(pairs.query.tolist(), pairs.lag_frames.tolist(), strict=True)) == sorted(
        plain
    )
