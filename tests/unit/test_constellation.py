"""Stored peaks equal fresh peaks to a quarter, and make the same landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import play

from fingerprinter.core.fingerprint.constellation import DamagedBlockError, pack_peaks, unpack_peaks
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.numeric.packing import encode_blocks
from fingerprinter.types import Peaks

HALF_A_FRAME, LAST_BIN = -2, 4095  # in quarters: the smallest frame and the largest bin

places = st.lists(
    st.tuples(st.integers(HALF_A_FRAME, 1 << 22), st.integers(0, LAST_BIN)), max_size=50
)


def peaks_at(quarters: list[tuple[int, int]]) -> Peaks:
    where = np.array(quarters, np.float32).reshape(-1, 2) / 4
    return Peaks(where[:, 0], where[:, 1], np.ones(len(where), np.float32))


def music_peaks(seed: int) -> Peaks:
    return limit_density(find_peaks([play(seed, 10)], DEFAULT), DEFAULT.peaks_per_s, DEFAULT)


@given(places)
def test_frames_and_bins_are_restored_and_sorted(quarters: list[tuple[int, int]]) -> None:
    kept = unpack_peaks(pack_peaks(peaks_at(quarters)))
    assert list(zip(kept.frames * 4, kept.bins * 4, strict=True)) == sorted(quarters)
    assert {array.dtype for array in (kept.frames, kept.bins, kept.salience)} == {np.dtype("f4")}


def test_salience_is_restored_in_steps_of_half_a_neper() -> None:
    fresh = music_peaks(0)
    kept = unpack_peaks(pack_peaks(fresh))
    off = np.abs(kept.salience - fresh.salience.clip(-4.5, 3.0))
    assert off.max() <= 0.25
    assert len(np.unique(kept.salience)) > 8


def test_the_format_without_salience_is_still_read() -> None:
    """The older layout in section 4 of docs/format.md."""
    old = encode_blocks(
        np.array([(4 * 7 + 2) * 4096 + 4 * 33, (4 * 9 + 2) * 4096 + 1]), np.array([2])
    )
    kept = unpack_peaks(old[0])
    assert kept.frames.tolist() == [7.0, 9.0]
    assert kept.bins.tolist() == [33.0, 0.25]
    assert np.isnan(kept.salience).all()


def test_the_layout() -> None:
    """Section 4 of docs/format.md."""
    peaks = Peaks(*(np.array([x], np.float32) for x in (7.25, 33.5, -0.9)))
    value = ((4 * 7 + 1 + 2) * 4096 + (4 * 33 + 2)) * 16 + 7
    assert pack_peaks(peaks) == b"fpp2" + encode_blocks(np.array([value]), np.array([1]))[0]


@pytest.mark.parametrize("seed", range(3))
def test_stored_peaks_make_the_landmarks_of_fresh_ones(seed: int) -> None:
    fresh = music_peaks(seed)
    stored = unpack_peaks(pack_peaks(fresh))
    assert np.array_equal(stored.frames, fresh.frames)
    assert np.array_equal(stored.bins, fresh.bins)
    a, b = (make_landmarks(peaks, DEFAULT, DEFAULT.fan_out) for peaks in (fresh, stored))
    assert np.array_equal(a.hashes, b.hashes)
    assert np.array_equal(a.frames, b.frames)


def test_no_peaks_pack_to_no_bytes() -> None:
    assert pack_peaks(peaks_at([])) == b""
    assert len(unpack_peaks(b"")) == 0


def test_a_peak_takes_about_twenty_bits() -> None:
    peaks = music_peaks(0)
    assert len(pack_peaks(peaks)) < 2.6 * len(peaks)


def test_damage_is_detected() -> None:
    data = bytearray(pack_peaks(music_peaks(0)))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedBlockError, match="checksum"):
        unpack_peaks(bytes(data))
