"""Changes of tempo and pitch are undone on the peaks."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import play

from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.core.fingerprint.warp import (
    ESCALATION,
    UNCHANGED,
    WARP_GRID,
    Warp,
    offset_in_frames,
    offset_in_seconds,
    unwarp,
)
from fingerprinter.types import Peaks

WARPS = [Warp(1.06, 1.06), Warp(0.9, 0.9), Warp(1.15, 1.0), Warp(1.0, 1.1)]


def music_peaks(warp: Warp) -> Peaks:
    peaks = find_peaks([play(3, 10, warp.tempo, warp.pitch)], DEFAULT)
    return limit_density(peaks, DEFAULT.peaks_per_s, DEFAULT)


def coarse_landmarks(peaks: Peaks) -> set[tuple[int, int]]:
    """Hashes with their times in units of eight frames."""
    found = make_landmarks(peaks, DEFAULT, DEFAULT.fan_out)
    return set(zip(found.hashes.tolist(), (found.frames // 8).tolist(), strict=True))


def test_the_unchanged_warp_keeps_the_peaks() -> None:
    peaks = music_peaks(UNCHANGED)
    assert np.array_equal(unwarp(peaks, UNCHANGED).frames, peaks.frames)
    assert np.array_equal(unwarp(peaks, UNCHANGED).bins, peaks.bins)


@pytest.mark.parametrize("warp", WARPS)
def test_unwarped_peaks_have_the_landmarks_of_the_recording(warp: Warp) -> None:
    original, changed = music_peaks(UNCHANGED), music_peaks(warp)
    plain = len(coarse_landmarks(original) & coarse_landmarks(changed))
    undone = len(coarse_landmarks(original) & coarse_landmarks(unwarp(changed, warp)))
    assert undone > 3 * plain
    assert undone > 0.05 * len(coarse_landmarks(original))


def test_the_escalation_has_no_duplicates_and_not_the_unchanged_warp() -> None:
    tried = [warp for stage in ESCALATION for warp in stage]
    assert len(set(tried)) == len(tried)
    assert UNCHANGED not in tried


@pytest.mark.parametrize("kind", [Warp(1.03, 1.03), Warp(1.03, 1.0), Warp(1.0, 1.03)])
def test_the_escalation_covers_changes_of_speed_tempo_and_pitch(kind: Warp) -> None:
    """A change by 3 %, up or down, is close to one that is tried."""
    down = Warp(1 / kind.tempo, 1 / kind.pitch)
    tried = np.array([(warp.tempo, warp.pitch) for stage in ESCALATION for warp in stage])
    for wanted in (kind, down):
        away = np.abs(np.log(tried) - np.log([wanted.tempo, wanted.pitch])).max(axis=1)
        assert away.min() < 0.03


def test_the_grid_reaches_an_octave_up_and_down_in_even_steps() -> None:
    for factors, step in ((WARP_GRID.tempos, 0.18), (WARP_GRID.pitches, 0.05)):
        assert (factors[0], factors[-1]) == pytest.approx((0.5, 2.0))
        assert 1.0 in factors
        assert 0.9 * step < np.diff(np.log(factors)).min() <= np.diff(np.log(factors)).max() < step


@pytest.mark.parametrize("tempo", [0.5, 1.0, 1.8])
def test_a_clip_of_the_start_lies_at_the_start_at_any_tempo(tempo: float) -> None:
    """Its first peak is in the middle of the first transform."""
    middle = DEFAULT.n_fft / 2 / DEFAULT.sr
    frame = (tempo * middle - middle) / DEFAULT.hop_s  # of that peak in the recording
    assert offset_in_seconds(frame, tempo, DEFAULT) == pytest.approx(0)
    assert offset_in_frames(0.0, tempo, DEFAULT) == pytest.approx(frame)
