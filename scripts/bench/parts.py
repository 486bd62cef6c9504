"""Whether a part of a track, as `similar --from --to` asks with it, is known for what it is.

    python scripts/bench/parts.py LIBRARY.db --out RESULTS.json [--seed 7]

Parts of several lengths are drawn from the first half of each track of a minute or more, and asked
for among the second halves of all of them. *Found*: the second half of the same track comes
first. *Kept*: how many of the ten tracks that are nearest to the part are nearest to the whole
track, too. Of all tracks, and of those whose folders were held out from training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from fingerprinter import open_library
from fingerprinter.embedding import VectorIndex, load_model
from fingerprinter.library.similar.queries import Part, QueryBuilder
from fingerprinter.store.engine.database import Database
from fingerprinter.store.tables import vectors
from fingerprinter.types import Track

LENGTHS_S = (3.0, 10.0, 20.0, 30.0)
LEAST_S = 60.0  # of a track
DRAWS = 4  # parts of a length of each track
KEPT = 10
CORPUS = Path(__file__).parents[1] / "train" / "corpus.json"

Floats = npt.NDArray[np.float32]


def parts(questioner: QueryBuilder, tracks: Sequence[Track], spans: Sequence[Part]) -> Floats:
    """(n, dim): a part of each track, as `similar` asks with it."""
    pairs = zip(tracks, spans, strict=True)
    return np.stack([questioner.questions([track], span)[0].vector for track, span in pairs])


def drawn(tracks: Sequence[Track], length_s: float, rng: np.random.Generator) -> list[Part]:
    """A part of the first half of each track; the length is at most that of the half."""
    starts = [rng.uniform(0, max(0, each.duration_s / 2 - length_s)) for each in tracks]
    ends = [
        min(start + length_s, t.duration_s / 2) for start, t in zip(starts, tracks, strict=True)
    ]
    return [Part(start, end) for start, end in zip(starts, ends, strict=True)]


def listed(index: VectorIndex, rows: Floats, own: Sequence[int]) -> list[set[int]]:
    """The ids of the tracks nearest to each row, its own left out."""
    pairs = zip(rows, own, strict=True)
    return [set(index.search(row, KEPT, [track_id])[0].tolist()) for row, track_id in pairs]


def share(rows: Sequence[Sequence[float]], held_out: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The mean over all tracks, and over those that were held out."""
    each = np.array(rows, np.float64)
    return {"all": float(each.mean()), "held out": float(each[:, held_out].mean())}


def measure(
    connection: Connection, tracks: Sequence[Track], rng: np.random.Generator
) -> Iterator[tuple[float, list[bool], list[float]]]:
    """Each length of a part with whether it was found, and what was kept, for every track."""
    model, ids = load_model(), [track.id for track in tracks]
    questioner = QueryBuilder(connection, model)
    matrix = vectors.vector_matrix(connection, model.digest)
    whole = VectorIndex.build(matrix.ids, matrix.rows)
    near_whole = listed(whole, matrix.rows[np.searchsorted(matrix.ids, ids)], ids)
    seconds = parts(questioner, tracks, [Part(each.duration_s / 2) for each in tracks])
    halves = VectorIndex.build(np.array(ids), seconds)
    for length_s in np.repeat(LENGTHS_S, DRAWS).tolist():
        rows = parts(questioner, tracks, drawn(tracks, length_s, rng))
        found = [halves.search(row, 1)[0][0] == own for row, own in zip(rows, ids, strict=True)]
        near = listed(whole, rows, ids)
        kept = [len(a & b) / KEPT for a, b in zip(near, near_whole, strict=True)]
        yield length_s, found, kept


def report(library: str, seed: int) -> dict[str, Any]:
    with open_library(library, create=False, read_only=True) as opened:
        tracks = [track for track in opened.tracks() if track.duration_s >= LEAST_S]
    folders = json.loads(CORPUS.read_text(encoding="utf-8"))["held_out"]
    held_out = np.array([Path(str(track.path)).parent.name in folders for track in tracks])
    with Database.open(library, read_only=True) as database, database.connect() as connection:
        lines = list(measure(connection, tracks, np.random.default_rng(seed)))
    return {"tracks": len(tracks), "held out": int(held_out.sum())} | {
        f"{length_s:g} s": {
            "found": share([found for length, found, _ in lines if length == length_s], held_out),
            "kept": share([kept for length, _, kept in lines if length == length_s], held_out),
        }
        for length_s in LENGTHS_S
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="of real music, with embeddings")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="the results, as JSON")
    given = parser.parse_args()
    found = report(given.library, given.seed)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
