"""What the trunk hears in each track, as it is and changed: computed once, kept in files."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from changes import changed
from corpus import Track
from trunk import MEAN_POOL, PATCH, STATISTICS, TAGS, Trunk

from fingerprinter.audio import read_samples
from fingerprinter.embedding.facets import mfcc
from fingerprinter.embedding.log_mel import LogMel, log_mel
from fingerprinter.embedding.windows import Sampling, at_level
from fingerprinter.errors import AudioError

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FRONT_END = LogMel()
SAMPLING = Sampling(FRONT_END.samples_for(PATCH[0]))
WINDOW = SAMPLING.window  # samples
LEAST_S = 20.0  # of a track
DENSE = 48  # windows of a track at most, side by side or evenly spread
VERSIONS = 4  # changed versions of a track
SPREAD = 12  # windows of a changed version
PIECE = 17 * 4096  # samples, of which a window of another tempo is cut; transforms of it are fast
BATCH = 16  # patches at a time


@dataclass(frozen=True, slots=True)
class Heard:
    """A track's windows.

    starts: (n,) samples; length: samples of the track
    statistics, tags, mean_pool: (n, width), what the trunk says of each window
    mfcc: (n, 40), mean and mean square of 20 coefficients
    changed: (m, width), statistics of the windows of the changed versions
    version: (m,), which of them each is of
    """

    starts: Ints
    length: Ints
    statistics: Floats
    tags: Floats
    mean_pool: Floats
    mfcc: Floats
    changed: Floats
    version: Ints


def hear_all(
    tracks: Sequence[Track], folder: Path, seed: int, jobs: int
) -> Iterator[tuple[Track, Heard]]:
    """Every track that is long enough, in their order; what the folder holds is not heard again."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool:
        kept = pool.map(partial(keep, folder=folder, seed=seed), tracks, chunksize=1)
        for track, path in zip(tracks, kept, strict=True):
            if path is not None:
                yield track, read(path)


def keep(track: Track, folder: Path, seed: int) -> Path | None:
    """The file with what was heard, made if it is not there; None of short or broken audio."""
    path = folder / f"{track.name.replace('/', '__')}.{seed}.npz"
    if not path.exists():
        try:
            samples = read_samples(track.path)
        except AudioError as error:
            print(error)
            return None
        if len(samples) < LEAST_S * FRONT_END.sr:
            return None
        write(path, hear(samples, not track.held_out, generator(track, seed)))
    return path


def generator(track: Track, seed: int) -> np.random.Generator:
    """The same for a track wherever the corpus lies and whatever else is in it."""
    return np.random.default_rng([seed, zlib.crc32(track.name.encode())])


def write(path: Path, heard: Heard) -> None:
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    with aside.open("wb") as file:
        np.savez(file, **asdict(heard))
    aside.replace(path)


def read(path: Path) -> Heard:
    with np.load(path) as arrays:
        return Heard(**{field.name: arrays[field.name] for field in fields(Heard)})


_trunk: list[Trunk] = []  # of this process


def trunk() -> Trunk:
    if not _trunk:
        _trunk.append(Trunk.load())
    return _trunk[0]


def hear(samples: Floats, also_changed: bool, rng: np.random.Generator) -> Heard:
    starts = audible(samples, dense_starts(len(samples)))
    patches = log_mels(windows_at(samples, starts))
    said = run(patches)
    versions = [
        run(log_mels(version(samples, rng)))[STATISTICS]
        for _ in range(VERSIONS if also_changed else 0)
    ]
    width = said[STATISTICS].shape[1]
    return Heard(
        starts=starts,
        length=np.array(len(samples)),
        statistics=said[STATISTICS],
        tags=said[TAGS],
        mean_pool=said[MEAN_POOL],
        mfcc=moments(mfcc(patches)),
        changed=np.concatenate([np.empty((0, width), np.float32), *versions]),
        version=np.repeat(np.arange(len(versions)), [len(each) for each in versions]),
    )


def dense_starts(length: int) -> Ints:
    """Side by side where they are few, else evenly spread."""
    count = length // WINDOW
    if count <= DENSE:
        return np.arange(count) * WINDOW
    return np.linspace(0, length - WINDOW, DENSE).astype(np.int64)


def windows_at(samples: Floats, starts: Ints, size: int = WINDOW) -> Floats:
    return np.stack([samples[start : start + size] for start in starts])


def audible(samples: Floats, starts: Ints, size: int = WINDOW) -> Ints:
    """Without what is silence beside the loudest, as `WindowSampler` leaves it out."""
    power = np.square(windows_at(samples, starts, size)).mean(axis=1)
    return starts[power >= power.max() * 10 ** (SAMPLING.silence_db / 10)]


def log_mels(windows: Floats) -> Floats:
    """(n, 187, 96): exactly what `EmbeddingModel` makes of windows."""
    loud = at_level(windows, SAMPLING.level_db)
    return np.stack([log_mel(window, FRONT_END) for window in loud])


def version(samples: Floats, rng: np.random.Generator) -> Floats:
    """Windows of a changed version of the track: pieces of it, changed as one recording."""
    last = len(samples) - PIECE
    spread = np.linspace(0, last, SPREAD) + rng.uniform(-WINDOW / 2, WINDOW / 2, SPREAD)
    starts = audible(samples, np.clip(spread, 0, last).astype(np.int64), PIECE)
    pieces = windows_at(samples, starts, PIECE)
    sound = changed(pieces.ravel(), rng)
    middles = (np.arange(len(pieces)) + 0.5) * len(sound) / len(pieces)
    return windows_at(sound, (middles - WINDOW / 2).astype(np.int64))


def run(patches: Floats) -> dict[str, Floats]:
    parts = [trunk().hear(patches[i : i + BATCH]) for i in range(0, len(patches), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def moments(frames: Floats) -> Floats:
    """Mean and mean square over the frames: (n, frames, d) -> (n, 2 d)."""
    return np.concatenate([frames.mean(axis=1), np.square(frames).mean(axis=1)], axis=1)
