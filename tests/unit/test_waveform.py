from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinter.core.numeric.waveform import POINTS, WaveformOutline


def outline(samples: npt.NDArray[np.float32], block: int) -> list[int]:
    found = WaveformOutline()
    for start in range(0, len(samples), block):
        found.push(samples[start : start + block])
    return found.points().tolist()


@pytest.mark.parametrize("seconds", [0.1, 7, 300])
def test_borders_of_blocks_do_not_matter(seconds: float) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, round(seconds * 16_000)).astype(np.float32)
    assert outline(samples, 1000) == outline(samples, 70_001)


def test_a_long_recording_keeps_its_shape() -> None:
    """Its buckets are merged, and the loudest sample of each part stays."""
    samples = np.zeros(6_000_000, np.float32)
    samples[1_500_000] = -0.5
    points = outline(samples, 100_000)
    assert max(points) == 128
    assert points.index(128) == pytest.approx(POINTS / 4, abs=2)


def test_silence_and_nothing_are_zero() -> None:
    assert (
        outline(np.zeros(9, np.float32), 4) == outline(np.empty(0, np.float32), 1) == [0] * POINTS
    )
