"""The projections that sketches are made by, as they come with the program."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from fingerprinter.core.fingerprint.sketch import Projections

_WEIGHTS = Path(__file__).parent / "weights" / "sketch.npz"  # scripts/train/sketches.py made it


@lru_cache(maxsize=2)
def projections(words: int) -> Projections:
    """The first ones, for sketches of so many words; read once."""
    with np.load(_WEIGHTS) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    digest = hashlib.blake2b(_WEIGHTS.read_bytes(), digest_size=8).hexdigest()
    return Projections(**arrays, digest=digest).first(words)
