"""Measures what a library costs as it grows: insertion, size, latency, vectors, several servers.

    python scripts/benchmark.py scale LIBRARY --from REAL.db --outside MUSIC -o OUT.json
    python scripts/benchmark.py COMMAND --help

Large libraries are made of the stored peaks of a real one (see `benchmark_fillers.py`). Each
command writes one JSON object. LIBRARY is an address as `--db` takes it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.embedding import VectorIndex, load_model
from fingerprinter.evaluation import Sounds, select
from fingerprinter.evaluation.clips import Clip, Recording, draw_clip
from fingerprinter.evaluation.excerpt import SR
from fingerprinter.evaluation.music import inside_music, outside_music
from fingerprinter.library import Library, open_library
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import sections, vectors

COLD_CLIPS = 6  # clips that are identified with nothing of the database in memory

Floats = npt.NDArray[np.float32]
Report = dict[str, Any]


# --- scale


def grow(address: str, options: argparse.Namespace, size: int) -> list[Report]:
    """Adds tracks until there are `size`; what each batch cost."""
    from benchmark_fillers import Growth, read_originals

    with Database.open(options.source, read_only=True) as source:
        originals = read_originals(source)
    batches = []
    with Database.open(address, create=True) as database:
        for batch in Growth(database, originals, options.seed).until(size):
            print(f"{batch.tracks} tracks, {batch.landmarks:,} landmarks", file=sys.stderr)
            batches.append(asdict(batch))
    return batches


def scale(options: argparse.Namespace) -> Report:
    """Grow a library through several sizes; measure bytes and latency at each of them."""
    libraries = []
    for size in sorted(options.sizes):
        batches = grow(options.library, options, size)
        # A process of its own, so that its memory is that of asking alone.
        command = [sys.executable, __file__, "ask", options.library, "--clips", str(options.clips)]
        asked = subprocess.run(
            [*command, "--seed", str(options.seed), "--outside", *map(str, options.outside)],
            stdout=subprocess.PIPE,
            check=True,
        )
        with open_library(options.library, read_only=True) as library:
            stats, disk = library.stats(), library.disk_use()
        libraries.append(
            {
                "tracks": stats.tracks,
                "hours": stats.audio_s / 3600,
                "landmarks": stats.landmarks,
                "segments": stats.segments,
                "bits_per_landmark": 8 * stats.landmark_bytes / max(1, stats.landmarks),
                "disk_bytes": {name: asdict(part) for name, part in (disk.parts or {}).items()},
                "growth": batches,
                "latency": json.loads(asked.stdout),
            }
        )
        write_report({"params_id": DEFAULT.id, "libraries": libraries}, options.output)
    return {"params_id": DEFAULT.id, "libraries": libraries}


# --- ask


def ask(options: argparse.Namespace) -> Report:
    """Measure how long the identification of clips takes, and the memory of the process.

    Clips of ten seconds, decoded already: *known* clips of the library's own files, answered with
    the best recording; *all* the same, answered with every recording in them; *unknown* clips of
    other music, which are searched at all tempos and pitches.
    """
    with open_library(options.library, read_only=True) as library:
        recordings = inside_music(library.tracks(), ())
        known = draw_clips(recordings, "clean-10s", options)
        unknown = draw_clips(outside_music(options.outside), "outside-clean-10s", options)
        kinds = {"known": (known, False), "all": (known, True), "unknown": (unknown, False)}
        report: Report = {name: latency(library, *kind) for name, kind in kinds.items()}
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report["peak_memory_mb"] = peak_kb / 1024
    if Path(options.library).is_file():
        for name, (clips, all_matches) in kinds.items():
            times = [
                cold_latency(options.library, clip, all_matches) for clip in clips[:COLD_CLIPS]
            ]
            report[name]["cold_median_s"] = float(np.median(times))
    return report


def draw_clips(
    recordings: Sequence[Recording], condition: str, options: argparse.Namespace
) -> list[Clip]:
    """Clips of one condition of `evaluate identify`."""
    (found,) = (each for each in select([condition]) if each.name == condition)
    drawn = (draw_clip(found, n, recordings, Sounds(), options.seed) for n in range(options.clips))
    return [clip for clip in drawn if clip]


def latency(library: Library, clips: Sequence[Clip], all_matches: bool) -> Report:
    """Identifies each clip twice; the second time counts."""
    clock, cpu, right = [], [], 0
    for clip in clips:
        for _ in range(2):
            started = time.perf_counter(), time.process_time()
            matches = library.identify((clip.samples, SR), all_matches=all_matches)
            spent = time.perf_counter() - started[0], time.process_time() - started[1]
        clock.append(spent[0])
        cpu.append(spent[1])
        right += bool(matches) and matches[0].track.id == clip.passages[0].recording.track_id
    return {
        "clips": len(clips),
        "right": right,
        "clock_s": spread_of(clock),
        "cpu_s": spread_of(cpu),
    }


def cold_latency(path: str, clip: Clip, all_matches: bool) -> float:
    """Seconds from opening the library to the answer, with nothing of the file in memory."""
    with Path(path).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    with open_library(path, read_only=True) as library:
        library.identify((clip.samples, SR), all_matches=all_matches)
        return time.perf_counter() - started


def spread_of(values: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


# --- vectors

NEIGHBOURS = 10  # of a track, towards which made vectors lie
WINDOWS = 4  # whose mean moves a made vector: as far as halves of two minutes lie apart
PORTION = 50_000  # rows at a time
QUERIES, K, ADDED = 200, 10, 100


def vector_benchmark(options: argparse.Namespace) -> Report:
    """Measure how fast and how exactly the vector index answers as a library grows."""
    with Database.open(options.source, read_only=True) as database:
        maker = VectorMaker(database, options.seed)
    return {"sizes": [measure_vectors(maker, size) for size in options.sizes]}


class VectorMaker:
    """Makes vectors like those of a real library: between neighbours, moved as parts of a track."""

    def __init__(self, database: Database, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        model = load_model().digest
        with database.connect() as connection:
            matrix = vectors.vector_matrix(connection, model)
            parts = sections.get_many(connection, matrix.ids.tolist(), model)
        self._tracks = matrix.rows
        self._moves = np.concatenate([p.vectors - p.vectors.mean(0) for p in parts.values()])
        z = (matrix.rows - matrix.rows.mean(0)) / matrix.rows.std(0)
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        self._neighbours = np.argsort(-(z @ z.T), axis=1)[:, 1 : NEIGHBOURS + 1]

    def make(self, n: int) -> Floats:
        rows = np.empty((n, self._tracks.shape[1]), np.float32)
        for start in range(0, n, PORTION):
            some = rows[start : start + PORTION]
            one = self._rng.integers(len(self._tracks), size=len(some))
            column = self._rng.integers(self._neighbours.shape[1], size=len(some))
            other = self._neighbours[one, column]
            share = self._rng.random((len(some), 1), np.float32)
            some[:] = self._tracks[one] * (1 - share) + self._tracks[other] * share
            for moved in self._rng.integers(len(self._moves), size=(WINDOWS, len(some))):
                some += self._moves[moved] / WINDOWS
        return rows


def measure_vectors(maker: VectorMaker, n: int) -> Report:
    """Building, saving, loading, searching and adding to an index of n vectors."""
    rows, queries = maker.make(n), maker.make(QUERIES)
    built, build_s = timed(lambda: VectorIndex.build(np.arange(n), rows))
    expected = exact_search(built, rows, queries)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, save_s = timed(lambda: built.save(folder, "benchmark", 1, "benchmark"))
        size = sum(path.stat().st_size for path in folder.iterdir())
        index, load_s = timed(lambda: VectorIndex.load(folder, "benchmark", "benchmark"))
        assert index is not None
        answers = [timed(partial(index.search, query, K)) for query in queries]
        new = maker.make(ADDED)
        _, add_s = timed(lambda: index.update(np.arange(n + ADDED), lambda _: new))
    hits = sum(
        len(np.intersect1d(ids, right))
        for ((ids, _), _), right in zip(answers, expected, strict=True)
    )
    return {
        "tracks": n,
        "exact": index.is_exact,
        "search_s": spread_of([elapsed_s for _, elapsed_s in answers]),
        "recall_at_10": hits / expected.size,
        "build_s": build_s,
        "save_s": save_s,
        "load_s": load_s,
        "add_100_s": add_s,
        "file_mb": size / 1e6,
    }


def exact_search(index: VectorIndex, rows: Floats, queries: Floats) -> npt.NDArray[np.int64]:
    """The first K rows of each query, by all comparisons at full precision."""
    space = index.space
    asked = np.stack([space.query_vector(unit) for unit in space.standardise(queries)])
    exact = faiss.IndexFlatIP(asked.shape[1])
    for start in range(0, len(rows), PORTION):
        exact.add(space.entries(space.standardise(rows[start : start + PORTION])))
    return exact.search(asked, K)[1]


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


# --- spread


def spread(options: argparse.Namespace) -> Report:
    """Measure latency with the landmarks on one PostgreSQL server, then on two, and so on.

    Copies the library SOURCE into the empty database --library, and shards it over the first of
    the databases --shards, over the first two, and so on.
    """
    servers: list[Report] = []
    with open_library(options.source, read_only=True) as source:
        clips = draw_clips(inside_music(source.tracks(), ()), "clean-10s", options)
        with tempfile.TemporaryDirectory() as folder:
            source.export_to(Path(folder) / "library.fpx")
            with open_library(options.library) as library:
                library.import_from(Path(folder) / "library.fpx")
    for number in range(len(options.shards) + 1):
        with open_library(options.library) as library:
            shards = options.shards[:number]
            moved_s = timed(partial(library.shard, shards))[1] if shards else 0.0
        with open_library(options.library, read_only=True) as library:
            found = {name: latency(library, clips, name == "all") for name in ("known", "all")}
        servers.append({"shards": number, "moved_s": moved_s, **found})
    return {"servers": servers}


# --- the command line


def write_report(report: Report, output: Path | None) -> None:
    """Writes to a file, or to stdout where none is named."""
    text = json.dumps(report, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], Report]) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=(run.__doc__ or "").partition("\n")[0], description=run.__doc__
        )
        command.set_defaults(run=run)
        command.add_argument("--seed", type=int, default=7)
        command.add_argument("-o", "--output", type=Path, metavar="FILE.json")
        return command

    real: dict[str, Any] = {"metavar": "REAL.db", "help": "library of real music"}
    command = add("scale", scale)
    command.add_argument("library", metavar="LIBRARY")
    command.add_argument("--from", dest="source", required=True, **real)
    command.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000])
    command.add_argument("--clips", type=int, default=24, help="of each kind")
    command.add_argument("--outside", nargs="+", type=Path, required=True, metavar="MUSIC")
    command = add("ask", ask)
    command.add_argument("library", metavar="LIBRARY")
    command.add_argument("--clips", type=int, default=24, help="of each kind")
    command.add_argument("--outside", nargs="+", type=Path, required=True, metavar="MUSIC")
    command = add("vectors", vector_benchmark)
    command.add_argument("source", **real)
    command.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    command = add("spread", spread)
    command.add_argument("source", **real)
    command.add_argument("--library", required=True, metavar="URL")
    command.add_argument("--shards", nargs="+", required=True, metavar="URL")
    command.add_argument("--clips", type=int, default=12)
    return parser


def main() -> None:
    options = make_parser().parse_args()
    write_report(options.run(options), options.output)


if __name__ == "__main__":
    main()
