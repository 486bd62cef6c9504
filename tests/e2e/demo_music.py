"""The music in `tests/music`: its place, excerpts of it, and a library of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from program import Program

from fingerprinter.audio import read_samples, write_wav

MUSIC = Path(__file__).resolve().parents[1] / "music"
SR = 16_000

Entry = dict[str, Any]


def index_demo(url: str, folder: Path, inside: list[Entry]) -> Program:
    """Indexes the music into a new library."""
    program = Program(url, folder)
    program("index", *[MUSIC / entry["file"] for entry in inside])
    return program


class Clips:
    """Excerpts of the tracks, from `start_s` on."""

    start_s = 12.34

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rng = np.random.default_rng(2)

    def clean(self, entry: Entry, duration_s: float = 5.0) -> Path:
        return self._written(entry, "clean", self._cut(entry, duration_s))

    def noisy(self, entry: Entry, duration_s: float = 10.0) -> Path:
        """Adds white noise as loud as the music."""
        samples = self._cut(entry, duration_s)
        noise = self._rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples**2))
        return self._written(entry, "noisy", (samples + noise) / 3)

    def _cut(self, entry: Entry, duration_s: float) -> Any:
        samples = read_samples(MUSIC / entry["file"], SR)
        return samples[int(self.start_s * SR) :][: int(duration_s * SR)]

    def _written(self, entry: Entry, kind: str, samples: Any) -> Path:
        path = self._folder / f"{Path(entry['file']).stem} {kind} {len(samples)}.wav"
        write_wav(path, samples, SR)
        return path
