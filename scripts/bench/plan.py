"""What is left of identification when a library is so many times as large, on paper.

    python scripts/bench/plan.py LIBRARY.db MUSIC [--times 1 10 100]

A question reads so many postings at most, the rarest hashes first (`MOST_POSTINGS`). A library
of N times the tracks has N times the postings of each hash: which hashes are left, and how many
votes chance gives to a place, is what this library has with a bound of one Nth. So it is asked
with that. Clips are ten seconds of the files in MUSIC (which the library holds), clean and under
white noise as loud as the music. What is too good in this: chance has N times the places.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, create_engine

from fingerprinter.audio import find_audio, read_samples
from fingerprinter.core.fingerprint.params import DEFAULT, DEFAULT_QUERY
from fingerprinter.core.fingerprint.peaks import find_peaks
from fingerprinter.library import MIN_CONFIDENCE
from fingerprinter.library.identify.identifier import Identifier
from fingerprinter.store.index.lookup import MAX_POSTINGS, PostingIndex, Postings
from fingerprinter.types import Peaks

STARTS_S, LENGTH_S = (3, 12, 21), 10


class BoundedIndex(PostingIndex):
    """Reads fewer postings; notes how many hashes were asked and how many of them had some."""

    most = MAX_POSTINGS

    def lookup(
        self, connection: Connection, hashes: npt.NDArray[np.uint32], most: int = MAX_POSTINGS
    ) -> Postings:
        found = super().lookup(connection, hashes, min(most, self.most))
        self.asked.append(len(hashes))
        self.kept.append(len(np.unique(found.query)))
        return found

    def begin(self, times: int) -> None:
        self.most = MAX_POSTINGS // times
        self.asked: list[int] = []
        self.kept: list[int] = []


def clips(music: Path, number: int, noise: float) -> Iterator[Peaks]:
    rng = np.random.default_rng(1)
    for path in islice(find_audio([music], lambda _: None), number):
        samples = read_samples(path, DEFAULT.sr)
        for start_s in STARTS_S:
            clip = samples[start_s * DEFAULT.sr :][: LENGTH_S * DEFAULT.sr]
            hiss = rng.standard_normal(len(clip)).astype(np.float32)
            level = noise * np.sqrt(np.mean(clip**2))
            yield find_peaks([clip + level * hiss], DEFAULT, DEFAULT_QUERY.narrower)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("music", type=Path)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--files", type=int, default=10)
    options = parser.parse_args()
    kinds = {"clean": 0.0, "noise 0 dB": 1.0}
    drawn = {name: list(clips(options.music, options.files, n)) for name, n in kinds.items()}
    with create_engine(f"sqlite:///{options.library}").connect() as connection:
        index = BoundedIndex(connection, DEFAULT)
        for times in options.times:
            for name, questions in drawn.items():
                index.begin(times)
                named, first = 0, []
                for peaks in questions:
                    before = len(index.kept)
                    identifier = Identifier(connection, index, DEFAULT, DEFAULT_QUERY)
                    named += bool(identifier.identify(peaks, MIN_CONFIDENCE, every=False))
                    first.append((index.asked[before], index.kept[before]))
                asked, kept = np.median(first, axis=0).tolist()
                line = {"times": times, "clips": name, "of": len(questions), "named": named}
                print(json.dumps(line | {"asked": asked, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
