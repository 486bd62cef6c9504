"""The trained projections that sketches are computed with."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from fingerprinter.core.fingerprint.sketch import Projections

_WEIGHTS = Path(__file__).parent / "weights" / "sketch.npz"  # written by scripts/train/sketches.py


@lru_cache(maxsize=2)
def projections(words: int) -> Projections:
    """Return the projections for sketches of a given size. The file is read once.

    Parameters
    ----------
    words : int
        Number of 64-bit words of a sketch, see `LandmarkParams.sketch_words`.

    Returns
    -------
    Projections
        The first ``64 * words`` projections.
    """
    with np.load(_WEIGHTS) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    digest = hashlib.blake2b(_WEIGHTS.read_bytes(), digest_size=8).hexdigest()
    return Projections(**arrays, digest=digest).first(words)
