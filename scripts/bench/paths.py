"""How small the steps of `path` are, beside those of the straight line.

    python scripts/bench/paths.py LIBRARY.db --out RESULTS.json [--pairs 1000] [--seed 7]
    python scripts/bench/paths.py --made 100000 --out RESULTS.json --pairs 20

Random pairs of tracks, paths of several lengths. The line goes straight through the space from one
track to the other; each of its evenly spaced points takes the nearest track that it has not taken
yet. Both are measured by their largest step: 1 - the likeness of neighbours. With --made, instead
of a library's, so many random places, in clusters, and pools of several sizes: what a
larger pool would gain, and what it costs. Where the tracks were analysed, how much smoother tempo
and key become under several weights, and what that costs in the largest step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter import open_library
from fingerprinter.core.mir.harmonic_mixing import circle_position, key_distances, tempo_distances
from fingerprinter.core.vectors.paths import NO_GROUP, StepGraph, bottleneck
from fingerprinter.library.discover.playlist import (
    KEY_WEIGHT,
    POOL,
    TEMPO_WEIGHT,
    near_the_line,
    steps_between,
)
from fingerprinter.library.similar.vectors import LibraryVectors
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import analyses

LENGTHS = (6, 10, 20)
# Of tempo and of key. The library's own are between the others.
WEIGHTS = ((0, 0), (0.05, 0.05), (TEMPO_WEIGHT, KEY_WEIGHT), (0.2, 0.2), (0.2, 0), (0, 0.2))
POOLS = (250, 500, 1000, 2000, 4000)
MADE_DIM, MADE_RANK, MADE_CLUSTERS = 128, 24, 300

Floats = npt.NDArray[np.float32]
Pair = tuple[int, int]
Stations = list[int]


def straight(space: LibraryVectors, pair: Pair, n: int) -> Stations:
    """The tracks nearest to evenly spaced points of the line."""
    first, last = space.vectors[list(pair)]
    taken = list(pair)
    for weight in np.linspace(0, 1, n)[1:-1]:
        nearness = space.vectors @ ((1 - weight) * first + weight * last)
        nearness[taken] = -np.inf
        taken.append(int(nearness.argmax()))
    return [pair[0], *taken[2:], pair[1]]


def by_small_steps(
    space: LibraryVectors, pair: Pair, n: int, pool: int, jumps: Floats | None = None
) -> tuple[Stations, float]:
    """The path, and the bound below which no path of the pool can be.

    jumps: (tracks, tracks), what is added to a step for its tempo and key
    """
    rows = near_the_line(space, np.array(pair), pool)
    steps = steps_between(space.vectors[rows])
    if jumps is not None:
        steps += jumps[np.ix_(rows, rows)]
    found = StepGraph(steps, np.full(len(rows), NO_GROUP)).path(0, 1, n)
    return rows[found].tolist(), bottleneck(steps, 0, 1, n - 1)


def largest_step(space: LibraryVectors, path: Stations) -> float:
    rows = space.vectors[path]
    return float(1 - np.vecdot(rows[:-1], rows[1:]).min())


def made(n: int, seed: int) -> LibraryVectors:
    """Places in clusters of uneven size, most of their spread along few axes."""
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((MADE_RANK, MADE_DIM), np.float32)
    centres = rng.standard_normal((MADE_CLUSTERS, MADE_RANK), np.float32)
    which = rng.choice(MADE_CLUSTERS, n, p=rng.dirichlet(np.ones(MADE_CLUSTERS)))
    inner = centres[which] + 0.8 * rng.standard_normal((n, MADE_RANK), np.float32)
    rows = inner @ axes + 1.5 * rng.standard_normal((n, MADE_DIM), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return LibraryVectors(np.arange(n), rows, np.empty((n, 0), np.float32), np.ones(n, np.float32))


def pairs_of(space: LibraryVectors, count: int, seed: int) -> list[Pair]:
    rng = np.random.default_rng(seed)
    drawn = (rng.choice(len(space), 2, replace=False).tolist() for _ in range(count))
    return [(first, last) for first, last in drawn]


def summary(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(("p10", "median", "p90"), np.percentile(values, [10, 50, 90]), strict=True))


def angle(distance: float) -> float:
    """In degrees, of a distance of cosines."""
    return float(np.degrees(np.arccos(np.clip(1 - distance, -1, 1))))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def compare(space: LibraryVectors, pairs: Sequence[Pair], n: int, pool: int) -> dict[str, Any]:
    lines = [largest_step(space, straight(space, pair, n)) for pair in pairs]
    answers = [timed(lambda pair=pair: by_small_steps(space, pair, n, pool)) for pair in pairs]
    paths = [path for (path, _), _ in answers]
    ours = [largest_step(space, path) for path in paths]
    bounds = [bound for (_, bound), _ in answers]
    medians = float(np.median(lines)), float(np.median(ours))
    whole = [
        (path[0], path[-1]) == pair and len(path) == len(set(path)) == min(n, len(space))
        for path, pair in zip(paths, pairs, strict=True)
    ]
    return {
        "n": n,
        "pool": min(pool, len(space)),
        "pairs": len(pairs),
        "found": sum(whole),
        "line": summary(lines),
        "path": summary(ours),
        "smaller": 1 - medians[1] / medians[0],
        "smaller_in_degrees": 1 - angle(medians[1]) / angle(medians[0]),
        "at_bound": float(np.mean(np.array(ours) <= np.array(bounds) + 1e-5)),
        "seconds": summary([seconds for _, seconds in answers]),
    }


@dataclass(frozen=True, slots=True)
class Musical:
    """Of all tracks: how far apart tempo and key are, 0..1, and whether both tempos are known."""

    tempo: Floats
    key: Floats
    known: npt.NDArray[np.bool_]


def musical(address: str, space: LibraryVectors) -> Musical | None:
    """None where no track was analysed."""
    with Database.open(address, read_only=True) as database, database.connect() as connection:
        found = analyses.beats(connection, space.ids.tolist())
    beats = [found.get(track_id) for track_id in space.ids.tolist()]
    tempos = np.array([beat and beat.tempo_bpm for beat in beats], np.float32)
    places = np.array([circle_position(beat.key if beat else None) for beat in beats])
    known = np.isfinite(tempos)
    both = known[:, np.newaxis] & known
    print(json.dumps({"analysed": len(found), "with a tempo": int(known.sum())}), flush=True)
    return Musical(tempo_distances(tempos), key_distances(places), both) if found else None


def regard(
    space: LibraryVectors,
    pairs: Sequence[Pair],
    n: int,
    music: Musical,
    weights: tuple[float, float],
) -> dict[str, Any]:
    """Steps of paths under weights of tempo and key."""
    jumps = (weights[0] * music.tempo + weights[1] * music.key).astype(np.float32)
    paths = [by_small_steps(space, pair, n, POOL, jumps)[0] for pair in pairs]
    a, b = np.array([edge for path in paths for edge in pairwise(path)]).T
    known = music.known[a, b]
    return {
        "n": n,
        "weights of tempo and key": weights,
        "largest step": summary([largest_step(space, path) for path in paths]),
        "tempo": float(music.tempo[a, b][known].mean()),
        "tempo known": float(known.mean()),
        "key": float(music.key[a, b].mean()),
    }


def runs(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    space = made(given.made, given.seed) if given.made else space_of(given.library)
    pairs = pairs_of(space, given.pairs, given.seed)
    for pool in POOLS if given.made else (POOL,):
        for n in LENGTHS:
            run = compare(space, pairs, n, pool)
            print(json.dumps(run), flush=True)
            yield run
    music = None if given.made else musical(given.library, space)
    for n, weights in product(LENGTHS, WEIGHTS) if music else ():
        run = regard(space, pairs, n, music, weights)
        print(json.dumps(run), flush=True)
        yield run


def space_of(address: str) -> LibraryVectors:
    with open_library(address, create=False, read_only=True) as library:
        return library.library_vectors()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", nargs="?", help="whose tracks are the places")
    parser.add_argument("--made", type=int, default=0, metavar="N", help="so many places instead")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    given = parser.parse_args()
    if bool(given.library) == bool(given.made):
        parser.error("give a library or --made: one of both")
    report = {"library": given.library, "made": given.made, "seed": given.seed}
    report["runs"] = list(runs(given))
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
