"""Rebuilds the golden files of `tests/golden`: peaks and landmarks of one test recording.

    python scripts/make_golden.py

Run it in the project's environment after a change that is meant to change the analysis: other
parameters, or a corrected error. The commit says which.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fingerprinter.audio import read_samples
from fingerprinter.core.fingerprint.constellation import pack_peaks, unpack_peaks
from fingerprinter.core.fingerprint.landmarks import make_landmarks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import find_peaks, limit_density

TESTS = Path(__file__).resolve().parent.parent / "tests"
GOLDEN = TESTS / "golden"
SOURCE = "kenta_cho-stg3.ogg"
DURATION_S = 10


def constellation_of_source() -> bytes:
    """The packed peaks of the recording's first seconds, as a library would keep them."""
    samples = read_samples(TESTS / "music" / SOURCE, DEFAULT.sr)[: DURATION_S * DEFAULT.sr]
    return pack_peaks(limit_density(find_peaks([samples], DEFAULT), DEFAULT.peaks_per_s, DEFAULT))


def landmarks_of_constellation(constellation: bytes) -> np.ndarray[tuple[int, int], np.dtype]:
    """(n, 2) uint32: hash and frame of each landmark, sorted."""
    marks = make_landmarks(unpack_peaks(constellation), DEFAULT, DEFAULT.fan_out)
    order = np.lexsort((marks.frames, marks.hashes))
    return np.stack([marks.hashes, marks.frames.astype(np.uint32)], axis=1)[order]


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    constellation = constellation_of_source()
    (GOLDEN / "constellation.bin").write_bytes(constellation)
    np.save(GOLDEN / "landmarks.npy", landmarks_of_constellation(constellation))
    facts = {"source": SOURCE, "duration_s": DURATION_S, "params_id": DEFAULT.id}
    text = json.dumps({**facts, "params": asdict(DEFAULT)}, indent=2)
    (GOLDEN / "golden.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
