"""Features of the trunk for each track and its changed versions: computed once, kept in files."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from changes import changed
from corpus import Track
from trunk import PATCH, STATISTICS, Trunk

from fingerprinter.audio import read_samples
from fingerprinter.embedding.log_mel import LogMel, log_mel
from fingerprinter.embedding.windows import Sampling, at_level
from fingerprinter.errors import AudioError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FRONT_END = LogMel()
SAMPLING = Sampling(FRONT_END.samples_for(PATCH[0]))
WINDOW = SAMPLING.window  # samples
SHORTEST_S = 20.0  # of a track
DENSE = 48  # windows of a track at most, side by side or evenly spread
VERSIONS = 4  # changed versions of a track
SPREAD = 12  # windows of a changed version
PIECE = 17 * 4096  # samples, of which a window of another tempo is cut; transforms of it are fast
BATCH = 16  # patches at a time


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """A track's windows.

    length: samples of the track
    statistics: (n, width), output of the trunk for each window
    changed: (m, width), statistics of the windows of the changed versions
    version: (m,), the number of the version that each is of
    """

    length: Ints
    statistics: Floats
    changed: Floats
    version: Ints


def extract_all(
    tracks: Sequence[Track], folder: Path, seed: int, jobs: int
) -> Iterator[tuple[Track, TrackFeatures]]:
    """Extracts every track that is long enough; what the folder holds already is read."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool:
        kept = pool.map(partial(keep, folder=folder, seed=seed), tracks, chunksize=1)
        for track, path in zip(tracks, kept, strict=True):
            if path is not None:
                yield track, read(path)


def keep(track: Track, folder: Path, seed: int) -> Path | None:
    """The file with the features, made if it is missing; None for short or broken audio."""
    path = folder / f"{track.name.replace('/', '__')}.{seed}.npz"
    if not path.exists():
        try:
            samples = read_samples(track.path)
        except AudioError as error:
            print(error)
            return None
        if len(samples) < SHORTEST_S * FRONT_END.sr:
            return None
        write(path, extract(samples, not track.held_out, generator(track, seed)))
    return path


def generator(track: Track, seed: int) -> np.random.Generator:
    """A generator that depends on seed and track only, not on the rest of the corpus."""
    return np.random.default_rng([seed, zlib.crc32(track.name.encode())])


def write(path: Path, features: TrackFeatures) -> None:
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    with aside.open("wb") as file:
        np.savez(file, **asdict(features))
    aside.replace(path)


def read(path: Path) -> TrackFeatures:
    with np.load(path) as arrays:
        return TrackFeatures(**{field.name: arrays[field.name] for field in fields(TrackFeatures)})


@cache
def trunk() -> Trunk:
    """The one of this process."""
    return Trunk.load()


def extract(samples: Floats, also_changed: bool, rng: np.random.Generator) -> TrackFeatures:
    starts = audible(samples, dense_starts(len(samples)))
    patches = log_mels(windows_at(samples, starts))
    statistics = run(patches)
    versions = [
        run(log_mels(version(samples, rng))) for _ in range(VERSIONS if also_changed else 0)
    ]
    width = statistics.shape[1]
    return TrackFeatures(
        length=np.array(len(samples)),
        statistics=statistics,
        changed=np.concatenate([np.empty((0, width), np.float32), *versions]),
        version=np.repeat(np.arange(len(versions)), [len(each) for each in versions]),
    )


def dense_starts(length: int) -> Ints:
    """Starts of windows: side by side if they are few, else evenly spread."""
    count = length // WINDOW
    if count <= DENSE:
        return np.arange(count) * WINDOW
    return np.linspace(0, length - WINDOW, DENSE).astype(np.int64)


def windows_at(samples: Floats, starts: Ints, size: int = WINDOW) -> Floats:
    return np.stack([samples[start : start + size] for start in starts])


def audible(samples: Floats, starts: Ints, size: int = WINDOW) -> Ints:
    """The starts without silence relative to the loudest, as `WindowSampler` leaves it out."""
    power = np.square(windows_at(samples, starts, size)).mean(axis=1)
    return starts[power >= power.max() * 10 ** (SAMPLING.silence_db / 10)]


def log_mels(windows: Floats) -> Floats:
    """The patches that `EmbeddingModel` makes of windows, (n, 187, 96)."""
    loud = at_level(windows, SAMPLING.level_db)
    return np.stack([log_mel(window, FRONT_END) for window in loud])


def version(samples: Floats, rng: np.random.Generator) -> Floats:
    """Windows of a changed version of the track: its pieces, changed as one recording."""
    last = len(samples) - PIECE
    spread = np.linspace(0, last, SPREAD) + rng.uniform(-WINDOW / 2, WINDOW / 2, SPREAD)
    starts = audible(samples, np.clip(spread, 0, last).astype(np.int64), PIECE)
    pieces = windows_at(samples, starts, PIECE)
    sound = changed(pieces.ravel(), rng)
    middles = (np.arange(len(pieces)) + 0.5) * len(sound) / len(pieces)
    return windows_at(sound, (middles - WINDOW / 2).astype(np.int64))


def run(patches: Floats) -> Floats:
    parts = [trunk().run(patches[i : i + BATCH]) for i in range(0, len(patches), BATCH)]
    return np.concatenate([part[STATISTICS] for part in parts])
