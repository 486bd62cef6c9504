"""What one recording is analysed to, kept as files: `python scripts/make_golden.py` writes them.

The constellation without salience is as libraries had it first; nothing writes such ones any more.
Libraries hold such bytes for years. They may change only with the parameters' id, with a
corrected error, or with a new layout beside which the old one is read; see CONTRIBUTING.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fingerprinter.audio import read_samples
from fingerprinter.core.fingerprint.constellation import unpack_peaks
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density
from fingerprinter.types import Peaks

GOLDEN = Path(__file__).parent
MUSIC = GOLDEN.parent / "music"
FACTS = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
CONSTELLATION = (GOLDEN / "constellation.bin").read_bytes()
WITHOUT_SALIENCE = (GOLDEN / "constellation-without-salience.bin").read_bytes()


def places(peaks: Peaks) -> set[tuple[float, float]]:
    return set(zip(peaks.frames.tolist(), peaks.bins.tolist(), strict=True))


def test_the_files_are_of_these_parameters() -> None:
    assert LandmarkParams(**FACTS["params"]) == DEFAULT
    assert FACTS["params_id"] == DEFAULT.id


def test_audio_makes_the_golden_constellation() -> None:
    """But for peaks that the last bits of FFmpeg or of a processor decide."""
    samples = read_samples(MUSIC / FACTS["source"], DEFAULT.sr)
    samples = samples[: FACTS["duration_s"] * DEFAULT.sr]
    found = places(limit_density(find_peaks([samples], DEFAULT), DEFAULT.peaks_per_s, DEFAULT))
    golden = places(unpack_peaks(CONSTELLATION))
    assert len(golden) > 100
    assert len(found & golden) > 0.98 * len(found | golden)


@pytest.mark.parametrize("constellation", [CONSTELLATION, WITHOUT_SALIENCE])
def test_the_golden_constellation_makes_the_golden_landmarks(constellation: bytes) -> None:
    marks = make_landmarks(unpack_peaks(constellation), DEFAULT, DEFAULT.fan_out)
    order = np.lexsort((marks.frames, marks.hashes))
    golden = np.load(GOLDEN / "landmarks.npy")
    assert np.array_equal(marks.hashes[order], golden[:, 0])
    assert np.array_equal(marks.frames[order], golden[:, 1])
