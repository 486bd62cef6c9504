"""How fast and how exactly the vector index answers, as a library grows.

    python scripts/bench/vectors.py SOURCE.db --out RESULTS.json [--tracks 10000 100000 1000000]

The vectors are made of a real library's: between a track and one of its neighbours, moved as far
as parts of one track lie apart. Questions are made likewise, and are no track's own vector.
Recall is measured against all comparisons at full precision. Memory: resident size with the
index mapped after the questions, less than before it was loaded.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding import VectorIndex, load_model
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import sections, vectors

Floats = npt.NDArray[np.float32]

K = 10
QUESTIONS = 200
NEIGHBOURS = 10  # of a track, towards which others lie
PARTS = 4  # windows whose mean is a made track: as far apart as halves of two minutes
PORTION = 50_000
ADDED = 100  # tracks, when a library grows a little


class Maker:
    """Makes vectors like those of a library."""

    def __init__(self, database: Database, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        model = load_model().digest
        with database.connect() as connection:
            matrix = vectors.vector_matrix(connection, model)
            parts = sections.get_many(connection, matrix.ids.tolist(), model)
        self._tracks = matrix.rows
        self._moves = np.concatenate(
            [each.vectors - each.vectors.mean(0) for each in parts.values()]
        )
        z = (matrix.rows - matrix.rows.mean(0)) / matrix.rows.std(0)
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        self._neighbours = np.argsort(-(z @ z.T), axis=1)[:, 1 : NEIGHBOURS + 1]

    def make(self, n: int) -> Floats:
        rows = np.empty((n, self._tracks.shape[1]), np.float32)
        for start in range(0, n, PORTION):
            rows[start : start + PORTION] = self._some(len(rows[start : start + PORTION]))
        return rows

    def _some(self, n: int) -> Floats:
        one = self._rng.integers(len(self._tracks), size=n)
        other = self._neighbours[one, self._rng.integers(NEIGHBOURS, size=n)]
        share = self._rng.random((n, 1), np.float32)
        between = self._tracks[one] * (1 - share) + self._tracks[other] * share
        moved = self._rng.integers(len(self._moves), size=(PARTS, n))
        for each in moved:
            between += self._moves[each] / PARTS
        return between


def exact(index: VectorIndex, rows: Floats, questions: Floats) -> npt.NDArray[np.int64]:
    """The first K of each question by all comparisons, as numbers of rows."""
    space = index.space
    asked = np.stack([space.query_vector(unit) for unit in space.standardise(questions)])
    best_ids = np.empty((len(asked), 0), np.int64)
    best = np.empty((len(asked), 0), np.float32)
    for start in range(0, len(rows), PORTION):
        products = asked @ space.entries(space.standardise(rows[start : start + PORTION])).T
        ids = np.broadcast_to(np.arange(start, start + products.shape[1]), products.shape)
        best, best_ids = np.hstack([best, products]), np.hstack([best_ids, ids])
        order = np.argsort(-best, axis=1)[:, :K]
        best, best_ids = np.take_along_axis(best, order, 1), np.take_along_axis(best_ids, order, 1)
    return best_ids


def timed(index: VectorIndex, questions: Floats, **options: Any) -> tuple[dict[str, float], list]:
    index.search(questions[0], K, **options)
    found, seconds = [], []
    for question in questions:
        started = time.perf_counter()
        ids, _ = index.search(question, K, **options)
        seconds.append(time.perf_counter() - started)
        found.append(ids)
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50_ms": 1000 * p50, "p95_ms": 1000 * p95}, found


def recall(found: list, expected: npt.NDArray[np.int64]) -> float:
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, expected, strict=True))
    return hits / expected.size


def resident() -> int:
    """Bytes of this process in memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def measure(maker: Maker, n: int) -> dict[str, Any]:
    rows, questions, new = maker.make(n), maker.make(QUESTIONS), maker.make(ADDED)
    started = time.perf_counter()
    built = VectorIndex.build(np.arange(n), rows)
    build_s = time.perf_counter() - started
    expected = exact(built, rows, questions)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        built.save(Path(folder), "bench", 1, "bench")
        save_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        del built
        before = resident()
        started = time.perf_counter()
        index = VectorIndex.load(Path(folder), "bench", "bench")
        load_s = time.perf_counter() - started
        assert index is not None
        times, found = timed(index, questions)
        memory = resident() - before
        among = np.sort(np.random.default_rng(0).choice(n, n // 100, replace=False))
        filtered, few = timed(index, questions[:50], candidate_ids=among)
        within = exact_among(index, rows, questions[:50], among)
        started = time.perf_counter()
        grown = index.update(np.arange(n + ADDED), lambda _: new)
        if grown:
            grown.save(Path(folder), "bench", 2, "bench")
        follow_s = time.perf_counter() - started
    return {
        "tracks": n,
        "dim": rows.shape[1],
        "exact": index.is_exact,
        **times,
        "recall_at_10": recall(found, expected),
        "one_in_100": {**filtered, "recall_at_10": recall(few, within)},
        "build_s": build_s,
        "save_s": save_s,
        "load_s": load_s,
        "follow_100_s": follow_s if grown else None,
        "file_mb": size / 1e6,
        "memory_mb": memory / 1e6,
    }


def exact_among(
    index: VectorIndex, rows: Floats, questions: Floats, among: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    return among[exact(index, rows[among], questions)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", help="library of real music, indexed with embeddings")
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with Database.open(given.source, read_only=True) as database:
        maker = Maker(database, given.seed)
    results = []
    for n in given.tracks:
        results.append(measure(maker, n))
        print(json.dumps(results[-1], indent=1), flush=True)
        given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
