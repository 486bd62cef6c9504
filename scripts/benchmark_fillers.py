"""Synthetic tracks with the landmark statistics of real ones, and libraries that grow by them.

A *filler* is made of the stored peaks of real tracks of one folder (an album, the music of a game):
passages of ten seconds, drawn from several tracks, put end to end, and played backwards at another
tempo and pitch. So a clip of a real track lies in a filler by chance only; yet tones, beats and
repeats are those of music, and so are the hashes. Playing backwards is necessary: a clip that is
changed in pitch itself may differ from a filler by its tempo alone, and that would be found.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT, LandmarkParams
from fingerprinter.core.fingerprint.peaks import concat_peaks
from fingerprinter.core.fingerprint.sketch import HOP, Codes
from fingerprinter.core.fingerprint.warp import Warp, unwarp
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.library.base.stored_peaks import decode_peaks
from fingerprinter.library.indexing.extract import AudioFeatures, ExtractedFile, ExtractedTrack
from fingerprinter.library.indexing.ingest import FoundFile, Item, ingest
from fingerprinter.library.indexing.workers import submit_ahead
from fingerprinter.store.engine.database import Database
from fingerprinter.store.index.lookup import PostingIndex
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import constellations, library_metadata, sketches, tracks
from fingerprinter.types import Peaks, Tags, Track

PASSAGE_S = 10.0
PARTS = 3  # tracks that a filler is made of, at most
REPEATS = 0.1  # share of passages that repeat an earlier one, as hashes repeat in real tracks
TEMPO = 0.15  # the greatest change of tempo, as a logarithm
# Pitches move by whole semitones. Music is tuned to one scale: moved by anything else, its notes
# would fall between the bins of all other music, and a clip would meet half of the postings.
SEMITONES = 2
BATCH_S = 15_000.0  # seconds of audio in a batch, as in `index`
AT_ONCE = 64  # fillers that the process that makes them hands over together
AHEAD = 320  # ... and how many such parts it makes ahead


@dataclass(frozen=True, slots=True)
class Original:
    """A real track and what is stored of it."""

    track: Track
    constellation: bytes
    peaks: Peaks
    sketches: Codes

    @property
    def group(self) -> str:
        """The folder of its file: tracks of one folder are of one kind."""
        return str(Path(self.track.path or "").parent)

    @property
    def analysis(self) -> ExtractedFile:
        """What `index` extracted from the file."""
        tags = {name: getattr(self.track, name) for name in Tags.__slots__}
        sound = AudioFeatures(
            self.track.duration_s,
            self.track.problem,
            self.constellation,
            None,
            sketches=self.sketches,
        )
        return ExtractedFile((ExtractedTrack(self.track.content_id, Tags(**tags), sound),))


def read_originals(database: Database, params: LandmarkParams = DEFAULT) -> list[Original]:
    """Every track that has peaks, of a library of these parameters."""
    with database.connect() as connection:
        stored = dict(constellations.iterate(connection))
        version = projections(params.sketch_words).digest
        codes = sketches.get_all(connection, version, params.sketch_words)
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

    def analysis(self, number: int) -> ExtractedFile:
        """A filler, as if it had been extracted from a file."""
        peaks = self.peaks(number)
        duration_s = (float(peaks.frames[-1]) + 1) * DEFAULT.hop_s
        tags = Tags(title=f"Filler {number}", album=f"Seed {self._seed}")
        codes = self._sketches(number, round(duration_s / DEFAULT.hop_s) // HOP)
        sound = AudioFeatures(duration_s, None, pack_peaks(peaks), None, sketches=codes)
        return ExtractedFile((ExtractedTrack(self.content_id(number), tags, sound),))

    def _sketches(self, number: int, count: int) -> Codes:
        """Passages of real sketches with some projections reversed.

        They are as similar to each other as real ones, and similar to no real recording.
        """
        rng = np.random.default_rng([self._seed, number, 1])
        group = self._groups[self.group(number)]
        passages: list[Codes] = []
        length = round(PASSAGE_S / DEFAULT.hop_s) // HOP
        while sum(len(each) for each in passages) < count:
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
        return _change(_backwards(_end_to_end(_passages(parts, count, rng))), _draw_warp(rng))

    def _model(self, rng: np.random.Generator) -> Original:
        """The track whose length a filler has; the first that its generator draws."""
        return self._originals[rng.integers(len(self._originals))]


def _draw_warp(rng: np.random.Generator) -> Warp:
    semitones = int(rng.integers(-SEMITONES, SEMITONES + 1))
    return Warp(float(np.exp(rng.uniform(-TEMPO, TEMPO))), 2 ** (semitones / 12))


def _passages(parts: Sequence[Original], count: int, rng: np.random.Generator) -> list[Peaks]:
    """Drawn passages of the parts, each from frame 0 on; some of them repeat an earlier one."""
    passages: list[Peaks] = []
    for _ in range(count):
        if passages and rng.random() < REPEATS:
            passages.append(passages[rng.integers(len(passages))])
        else:
            passages.append(_passage(parts[int(rng.integers(len(parts)))].peaks, rng))
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


def _change(peaks: Peaks, warp: Warp) -> Peaks:
    """The peaks at another tempo and pitch, as far as they are in the band."""
    moved = unwarp(peaks, warp)
    inside = (moved.bins >= DEFAULT.min_bin) & (moved.bins <= DEFAULT.max_bin)
    return moved.take(inside)


# --- libraries that grow

_making: Fillers  # of the process that makes them


@dataclass(frozen=True, slots=True)
class Batch:
    """What adding one batch cost, and how much the library holds after it.

    insert_s: processor seconds for making landmarks, writing rows and blocks, and the commit
    merge_s: processor seconds for merging segments
    """

    tracks: int
    landmarks: int
    added_landmarks: int
    insert_s: float
    merge_s: float


class Growth:
    """A library that grows: first by the original tracks, then by fillers.

    Tracks are added as `index` adds what its workers extract: in batches, segments and merges. What
    is there already is kept, so an interrupted run can be continued.
    """

    def __init__(
        self,
        database: Database,
        originals: Sequence[Original],
        seed: int,
        params: LandmarkParams = DEFAULT,
        batch_s: float = BATCH_S,
    ) -> None:
        self._database, self._originals = database, originals
        self._params, self._batch_s = params, batch_s
        self._fillers = Fillers(originals, seed)
        with database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, params.id)
        with database.connect() as connection:
            self._known = set(tracks.content_ids(connection))
            self._landmarks = PostingIndex(connection, params).landmark_count

    def until(self, count: int) -> Iterator[Batch]:
        """Adds tracks, a batch at a time, until there are `count`."""
        missing = itertools.islice(self._missing(), max(0, count - len(self._known)))
        for items in _batches(missing, self._batch_s):
            yield self._add(items)
        self._database.reclaim()

    def _missing(self) -> Iterator[Item]:
        known = frozenset(self._known)
        for original in self._originals:
            if original.track.content_id not in known:
                path = Path(original.track.path or "/original")
                yield FoundFile(path, 0, 0), original.analysis
        new = (n for n in itertools.count() if self._fillers.content_id(n) not in known)
        for number, analysis in _made_ahead(self._fillers, new):
            yield FoundFile(Path(f"/filler/{number}"), 0, 0), analysis

    def _add(self, items: Sequence[Item]) -> Batch:
        times = [time.process_time()]
        with self._database.begin() as connection:
            ingest(connection, self._params, None, items)
        times.append(time.process_time())
        merge_segments(self._database, self._params)
        times.append(time.process_time())
        self._known.update(track.content_id for _, file in items for track in file.tracks)
        before = self._landmarks
        with self._database.connect() as connection:
            self._landmarks = PostingIndex(connection, self._params).landmark_count
        added = self._landmarks - before
        return Batch(len(self._known), self._landmarks, added, *np.diff(times).tolist())


def _made_ahead(fillers: Fillers, numbers: Iterator[int]) -> Iterator[tuple[int, ExtractedFile]]:
    """Fillers of some numbers, made by another process while this one stores those before."""
    parts = iter(lambda: list(itertools.islice(numbers, AT_ONCE)), [])
    with ProcessPoolExecutor(1, initializer=_start_making, initargs=(fillers,)) as pool:
        try:
            submitted = submit_ahead(
                lambda part: pool.submit(_make, part).result, parts, lambda: AHEAD
            )
            for part, made in submitted:
                yield from zip(part, made, strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_making(fillers: Fillers) -> None:
    global _making
    _making = fillers


def _make(numbers: Sequence[int]) -> list[ExtractedFile]:
    return [_making.analysis(number) for number in numbers]


def _batches(items: Iterator[Item], batch_s: float) -> Iterator[list[Item]]:
    batch: list[Item] = []
    audio_s = 0.0
    for item in items:
        batch.append(item)
        audio_s += item[1].audio_s
        if audio_s >= batch_s:
            yield batch
            batch, audio_s = [], 0.0
    if batch:
        yield batch
