"""Stored peaks are fresh peaks, to the quarter, and make the same landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import play

from fingerprinter.core.constellation import DamagedBlockError, pack_peaks, unpack_peaks
from fingerprinter.core.landmarks import landmarks_of
from fingerprinter.core.params import DEFAULT
from fingerprinter.core.peaks import densest, find_peaks
from fingerprinter.types import Peaks

HALF_A_FRAME, LAST_BIN = -2, 4095  # in quarters: the least frame and the greatest bin there can be

places = st.lists(
    st.tuples(st.integers(HALF_A_FRAME, 1 << 22), st.integers(0, LAST_BIN)), max_size=50
)


def peaks_at(quarters: list[tuple[int, int]]) -> Peaks:
    where = np.array(quarters, np.float32).reshape(-1, 2) / 4
    return Peaks(where[:, 0], where[:, 1], np.ones(len(where), np.float32))


def music_peaks(seed: int) -> Peaks:
    return densest(find_peaks([play(seed, 10)], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)


@given(places)
def test_places_come_back_sorted_and_salience_does_not(quarters: list[tuple[int, int]]) -> None:
    kept = unpack_peaks(pack_peaks(peaks_at(quarters)))
    assert list(zip(kept.frames * 4, kept.bins * 4, strict=True)) == sorted(quarters)
    assert {array.dtype for array in (kept.frames, kept.bins, kept.salience)} == {np.dtype("f4")}
    assert not kept.salience.any()


@pytest.mark.parametrize("seed", range(3))
def test_stored_peaks_make_the_landmarks_of_fresh_ones(seed: int) -> None:
    fresh = music_peaks(seed)
    stored = unpack_peaks(pack_peaks(fresh))
    assert np.array_equal(stored.frames, fresh.frames)
    assert np.array_equal(stored.bins, fresh.bins)
    a, b = (landmarks_of(peaks, DEFAULT, DEFAULT.fan_out) for peaks in (fresh, stored))
    assert np.array_equal(a.hashes, b.hashes)
    assert np.array_equal(a.frames, b.frames)


def test_no_peaks_are_no_bytes() -> None:
    assert pack_peaks(peaks_at([])) == b""
    assert len(unpack_peaks(b"")) == 0


def test_a_peak_takes_about_two_bytes() -> None:
    peaks = music_peaks(0)
    assert len(pack_peaks(peaks)) < 2.1 * len(peaks)


def test_damage_is_noticed() -> None:
    data = bytearray(pack_peaks(music_peaks(0)))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedBlockError, match="checksum"):
        unpack_peaks(bytes(data))
