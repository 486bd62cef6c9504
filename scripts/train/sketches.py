"""Learns the projections of sketches; see `fingerprinter.core.fingerprint.sketch`.

    python scripts/train/sketches.py MUSIC... --noise FOLDER... [--clips 12000] [--seed 12] -o FILE

Draws passages of the music and degrades each by a synthetic room, by noise at -7 to 9 dB (also
slower and faster than recorded), or both, and shifts it by up to 9 ms, because a clip begins
anywhere within a frame. Canonical correlation analysis in closed form then gives the projections of
clean and of degraded windows with the greatest correlation. It takes five minutes without a GPU.
The same seed, files and libraries give the same numbers up to rounding.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.linalg
import soxr

from fingerprinter.audio import find_audio, open_audio, read_samples
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.fingerprint.sketch import BITS, WINDOW, contrast, cosines
from fingerprinter.core.fingerprint.spectrogram import log_spectrogram
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.degrade import add_noise, is_audible, reverberated, rms
from fingerprinter.evaluation.degrade.noise import synthetic_ambience

STRETCH_S, WINDOWS = 5.0, 6  # of each stretch so many windows
EARLY_S = 140 / 16_000
SPEEDS = (1.0, 0.6, 0.8, 1.3, 1.7)  # of noise: it is scarcer than music
SYNTHETIC = 0.12  # share of the noise
RIDGE = 0.01  # of the mean variance, added to each
MOST_AGREEMENT = 0.99  # of two projections; a weight goes to infinity beyond

Samples = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Noise:
    """Noise of any length, from passages."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._sounds = [
            soxr.resample(samples, DEFAULT.sr, DEFAULT.sr * speed)
            for path in sorted(find_audio(folders))
            for samples in [read_samples(path, DEFAULT.sr)]
            if rms(samples) > 1e-3
            for speed in SPEEDS
        ]

    def draw(self, n: int, rng: np.random.Generator) -> Samples:
        while rng.random() >= SYNTHETIC:
            sound = self._sounds[rng.integers(len(self._sounds))]
            drawn: Samples = np.resize(np.roll(sound, -int(rng.integers(len(sound)))), n)
            if rms(drawn) > 1e-3:
                return drawn
        return synthetic_ambience(n, rng)


def degraded(samples: Samples, noise: Noise, rng: np.random.Generator) -> Samples:
    """Adds a room to half of the passages, and noise to nearly all."""
    in_a_room = rng.random() < 0.5
    if in_a_room:
        samples = reverberated(samples, rng)
    if in_a_room and rng.random() < 0.1:
        return samples
    snr_db = rng.uniform(1, 9) if in_a_room else rng.uniform(-7, 8)
    return add_noise(samples, noise.draw(len(samples), rng), snr_db)


def stretches(
    files: Sequence[Path], rng: np.random.Generator, count: int
) -> Iterator[tuple[Samples, Samples]]:
    """The same passage twice, the second shifted a little in time."""
    length, early = round(STRETCH_S * DEFAULT.sr), round(EARLY_S * DEFAULT.sr)
    seconds = np.array([duration_s(path) for path in files])
    chances = np.sqrt(seconds * (seconds > STRETCH_S + 1))  # between each track and each second
    while count:
        path = files[rng.choice(len(files), p=chances / chances.sum())]
        start_s = rng.uniform(0, seconds[files.index(path)] - STRETCH_S - 0.5)
        with open_audio(path, DEFAULT.sr, start_s=start_s) as audio:
            samples = next(audio.blocks(STRETCH_S + 2 * EARLY_S), np.empty(0, np.float32))
        late = int(rng.integers(2 * early))
        pair = samples[early : early + length], samples[late : late + length]
        if len(pair[0]) == len(pair[1]) == length and is_audible(pair[0]) and rms(pair[1]) > 1e-4:
            count -= 1
            yield pair


def duration_s(path: Path) -> float:
    try:
        with open_audio(path, DEFAULT.sr) as audio:
            return audio.duration_s or 0.0
    except AudioError:
        return 0.0


def windows_of(samples: Samples, starts: npt.NDArray[np.int64]) -> Samples:
    """Contrast without its mean, (n, WINDOW, bands)."""
    log_mag = log_spectrogram(samples.astype(np.float32), DEFAULT)
    above = contrast(log_mag, 0, len(log_mag))
    drawn = np.stack([above[start : start + WINDOW] for start in starts])
    return drawn - drawn.mean(axis=(1, 2), keepdims=True)


def correlated(x: Samples, y: Samples) -> tuple[Doubles, Doubles]:
    """The projections of x and y with the greatest correlation, (d, BITS) each (Hotelling 1936).

    Those of y are weighed by what each says of x: they are compared as they are, and x by signs.
    """
    n, width = x.shape
    within = [(each.T @ each) / n for each in (x, y)]
    for covariance in within:
        covariance += np.eye(width) * np.trace(covariance) / width * RIDGE
    roots = [np.linalg.cholesky(covariance) for covariance in within]
    between = scipy.linalg.solve_triangular(roots[1], (x.T @ y / n).T, lower=True).T
    left, agreement, right = np.linalg.svd(
        scipy.linalg.solve_triangular(roots[0], between, lower=True)
    )
    agreement = np.minimum(agreement[:BITS], MOST_AGREEMENT)
    print("agreement of the first, the middle and the last:", agreement[[0, BITS // 2, -1]])
    of_x, of_y = (
        scipy.linalg.solve_triangular(root.T, vectors, lower=False)[:, :BITS]
        for root, vectors in zip(roots, (left, right.T), strict=True)
    )
    return of_x, of_y * np.sqrt(agreement / (1 - agreement**2))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("music", nargs="+", metavar="MUSIC")
    parser.add_argument("--noise", nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    rng, noise = np.random.default_rng(given.seed), Noise(given.noise)
    clean, changed = [], []
    for first, second in stretches(sorted(find_audio(given.music)), rng, given.clips):
        frames = len(log_spectrogram(first, DEFAULT))
        starts = rng.integers(0, frames - WINDOW, WINDOWS)
        clean.append(cosines(windows_of(first, starts)))
        changed.append(cosines(windows_of(degraded(second, noise, rng), starts)))
    x, y = np.concatenate(clean).astype(np.float64), np.concatenate(changed).astype(np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    of_x, of_y = correlated(x - mean_x, y - mean_y)
    np.savez_compressed(
        given.out,
        recording=of_x.astype(np.float16),
        recording_mean=(mean_x @ of_x).astype(np.float32),
        clip=of_y.astype(np.float16),
        clip_mean=(mean_y @ of_y).astype(np.float32),
    )


if __name__ == "__main__":
    main()
