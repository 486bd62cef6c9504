"""Synthetic recordings with the landmark statistics of real ones, to fill large libraries.

A *filler* is made of the stored peaks of real tracks of one group (a folder: an album, the
music of a game): passages of ten seconds, drawn from several tracks and put end to end, played
backwards, at another tempo and another pitch. Backwards, because nothing else is safe: a clip
that is itself changed in pitch may differ from a filler by its tempo alone, and that would be
found. So no clip of a real track lies in a filler but by chance; yet tones, beats and repeats are
those of music, and so are the hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.peaks import concat_peaks
from fingerprinter.core.fingerprint.sketch import HOP, Codes
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import decode_peaks
from fingerprinter.library.indexing.extract import AudioFeatures, ExtractedTrack
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import constellations, sketches, tracks
from fingerprinter.types import Peaks, Tags, Track

PASSAGE_S = 10.0
PARTS = 3  # tracks that a filler is made of, at most
REPEATS = 0.1  # of the passages sounded before; with it, tracks repeat their hashes as real ones do
TEMPO = 0.15  # at most so much faster or slower, as a logarithm
# Pitches move by whole semitones. Music is tuned to one scale: moved by anything else, its notes
# fall between the bins where those of all other music are, and a clip meets half of the postings.
SEMITONES = 2


@dataclass(frozen=True, slots=True)
class Original:
    """A real track and what is stored of it; ``group`` is the folder of its file."""

    track: Track
    constellation: bytes
    peaks: Peaks
    sketches: Codes

    @property
    def group(self) -> str:
        """Tracks of one folder are of one kind."""
        return str(Path(self.track.path or "").parent)

    @property
    def analysis(self) -> ExtractedTrack:
        """As `index` had it from the file."""
        tags = {name: getattr(self.track, name) for name in Tags.__slots__}
        sound = AudioFeatures(
            self.track.duration_s,
            self.track.problem,
            self.constellation,
            None,
            sketches=self.sketches,
        )
        return ExtractedTrack(self.track.content_id, Tags(**tags), sound)


def read_originals(database: Database) -> list[Original]:
    """Every track of a library that has peaks."""
    with database.connect() as connection:
        stored = dict(constellations.iterate(connection))
        version = projections(DEFAULT.sketch_words).digest
        codes = sketches.get_all(connection, version, DEFAULT.sketch_words)
        return [
            Original(track, stored[track.id], peaks, codes[track.id])
            for track in tracks.iterate(connection)
            if len(peaks := decode_peaks(track.id, stored[track.id]))
        ]


class Fillers:
    """Fillers by number: each is the same whatever others are made."""

    def __init__(self, originals: Sequence[Original], seed: int) -> None:
        self._originals, self._seed = list(originals), seed
        self._groups: dict[str, list[Original]] = {}
        for original in originals:
            self._groups.setdefault(original.group, []).append(original)

    def content_id(self, number: int) -> str:
        """What the library knows a filler by."""
        return hashlib.blake2b(f"{self._seed}/{number}".encode(), digest_size=16).hexdigest()

    def group(self, number: int) -> str:
        """The group of the tracks that a filler is made of."""
        return self._model(np.random.default_rng([self._seed, number])).group

    def analysis(self, number: int) -> ExtractedTrack:
        """A filler as if a file had been analysed."""
        peaks = self.peaks(number)
        duration_s = (float(peaks.frames[-1]) + 1) * DEFAULT.hop_s
        tags = Tags(title=f"Filler {number}", album=f"Seed {self._seed}")
        codes = self._sketches(number, round(duration_s / DEFAULT.hop_s) // HOP)
        sound = AudioFeatures(duration_s, None, pack_peaks(peaks), None, sketches=codes)
        return ExtractedTrack(self.content_id(number), tags, sound)

    def _sketches(self, number: int, count: int) -> Codes:
        """Passages of real ones with some of the projections reversed: as like each other as they
        are, and like no real recording."""
        rng = np.random.default_rng([self._seed, number, 1])
        group = self._groups[self.group(number)]
        passages, length = [], round(PASSAGE_S / DEFAULT.hop_s) // HOP
        while sum(map(len, passages)) < count:
            codes = group[rng.integers(len(group))].sketches
            start = int(rng.integers(max(1, len(codes) - length)))
            passages.append(codes[start : start + length])
        made: Codes = np.concatenate(passages)[:count]
        reversed_bits = rng.integers(1 << 64, size=made.shape[1], dtype=np.uint64)
        return np.where(made.any(axis=1, keepdims=True), made ^ reversed_bits, made)

    def peaks(self, number: int) -> Peaks:
        """The peaks of a filler, sorted by frame; about as long as a real track."""
        rng = np.random.default_rng([self._seed, number])
        model = self._model(rng)
        others = self._groups[model.group]
        parts = [model, *(others[i] for i in rng.permutation(len(others))[: PARTS - 1])]
        count = max(1, round(model.track.duration_s / PASSAGE_S))
        return _heard(_backwards(_end_to_end(_passages(parts, count, rng))), _draw_warp(rng))

    def _model(self, rng: np.random.Generator) -> Original:
        """The track whose length a filler has; the first that its generator draws."""
        return self._originals[rng.integers(len(self._originals))]


def _draw_warp(rng: np.random.Generator) -> Warp:
    semitones = int(rng.integers(-SEMITONES, SEMITONES + 1))
    return Warp(float(np.exp(rng.uniform(-TEMPO, TEMPO))), 2 ** (semitones / 12))


def _passages(parts: Sequence[Original], count: int, rng: np.random.Generator) -> list[Peaks]:
    """Drawn passages of the parts, each from frame 0 on; some of them again and again."""
    passages: list[Peaks] = []
    for _ in range(count):
        if passages and rng.random() < REPEATS:
            passages.append(passages[rng.integers(len(passages))])
        else:
            passages.append(_passage(parts[rng.integers(len(parts))].peaks, rng))
    return passages


def _passage(peaks: Peaks, rng: np.random.Generator) -> Peaks:
    length = PASSAGE_S / DEFAULT.hop_s
    start = rng.uniform(0, max(1.0, float(peaks.frames[-1]) - length))
    first, end = np.searchsorted(peaks.frames, [start, start + length])
    cut = peaks.take(np.arange(first, end))
    return replace(cut, frames=cut.frames - np.float32(start))


def _end_to_end(passages: Sequence[Peaks]) -> Peaks:
    length = np.float32(round(PASSAGE_S / DEFAULT.hop_s))
    return concat_peaks(
        [replace(p, frames=p.frames + number * length) for number, p in enumerate(passages)]
    )


def _backwards(peaks: Peaks) -> Peaks:
    flipped = peaks.take(np.arange(len(peaks))[::-1])
    return replace(flipped, frames=peaks.frames[-1] - flipped.frames)


def _heard(peaks: Peaks, warp: Warp) -> Peaks:
    """The peaks at another tempo and pitch, as far as they are in the band."""
    moved = unwarp(peaks, warp)
    inside = (moved.bins >= DEFAULT.min_bin) & (moved.bins <= DEFAULT.max_bin)
    return moved.take(inside)
