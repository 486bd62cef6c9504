"""Measures the service under load: how long requests take, errors, and the memory of the server.

    python scripts/service_load.py make LARGE.db --from REAL.db --tracks 100000
    python scripts/service_load.py run LIBRARY --music FOLDER -o OUT.json

`make` needs a library of real music with embeddings. `run` needs `locust` (from PyPI), which is no
dependency of the project: it starts `fingerprinter serve` and asks it what people ask.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmark import VectorMaker
from benchmark_fillers import Fillers, read_originals

from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.embedding import load_model
from fingerprinter.library.indexing.extract import AudioFeatures, ExtractedFile, ExtractedTrack
from fingerprinter.library.indexing.ingest import FoundFile, ingest
from fingerprinter.store.engine.database import Database
from fingerprinter.store.maintain.merging import merge_segments
from fingerprinter.store.tables import library_metadata, tracks, vectors
from fingerprinter.types import Peaks, Tags

FILLER_S = 30.0  # of sound in a made track
PEAKS_PER_S = 10  # of an original, at least; silence makes no filler
BATCH = 1000  # tracks in a transaction
TRACKS_PER_ALBUM, ALBUMS_PER_ARTIST, WORDS = 12, 3, 30_000
SYLLABLES = "ba be bo da di do fa go ha jo ka ki la le li lo ma mi mo na ne no pa ra re ri ro sa se"
GENRES = ("Rock", "Jazz", "Ambient", "Metal", "Folk", "Classical", "House", "Hip-Hop", "Blues")


class Names:
    """Tags of made tracks, drawn from made words; few words are common, as in real names."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        syllables = SYLLABLES.split()
        lengths = rng.integers(2, 5, WORDS).tolist()
        self._words = ["".join(rng.choice(syllables, n)).capitalize() for n in lengths]
        self._seed = seed

    def tags(self, number: int) -> Tags:
        """The tags of one track, the same whatever others are made."""
        album = number // TRACKS_PER_ALBUM
        artist = album // ALBUMS_PER_ARTIST
        of_artist = np.random.default_rng([self._seed, 1, artist])
        return Tags(
            title=self._name([self._seed, 3, number]),
            artist=self._name([self._seed, 1, artist]),
            album=self._name([self._seed, 2, album]),
            track_number=number % TRACKS_PER_ALBUM + 1,
            year=int(of_artist.integers(1960, 2026)),
            genre=GENRES[int(of_artist.integers(len(GENRES)))],
        )

    def _name(self, seed: Sequence[int]) -> str:
        rng = np.random.default_rng(seed)
        ranks = (WORDS ** rng.random(int(rng.integers(1, 5)))).astype(int) - 1  # as Zipf has it
        return " ".join(self._words[rank] for rank in ranks)


def make(options: argparse.Namespace) -> None:
    """Add made tracks to a library until it has a number of them."""
    with Database.open(options.source, read_only=True) as source:
        originals = read_originals(source)
        maker = VectorMaker(source, options.seed)
        with source.connect() as connection:
            logits = vectors.tag_matrix(connection, load_model().digest).rows
    loud = [each for each in originals if len(each.peaks) > PEAKS_PER_S * each.track.duration_s]
    short = [replace(each, track=replace(each.track, duration_s=FILLER_S)) for each in loud]
    fillers, names = Fillers(short, options.seed), Names(options.seed)
    rng = np.random.default_rng([options.seed, 2])
    digest = load_model().digest
    with Database.open(options.library, create=True) as database:
        with database.begin() as connection:
            library_metadata.claim(connection, library_metadata.PARAMS_ID, DEFAULT.id)
        with database.connect() as connection:
            first = len(tracks.content_ids(connection))
        for start in range(first, options.tracks, BATCH):
            numbers = range(start, min(start + BATCH, options.tracks))
            items = [
                (_file(n, names), _named(_analysis(fillers, n, options.sounding), names.tags(n)))
                for n in numbers
            ]
            some = maker.make(len(numbers))
            tags = logits[rng.integers(len(logits), size=len(numbers))]
            tags = tags + rng.normal(0, 0.3, tags.shape).astype(np.float32)
            with database.begin() as connection:
                ingest(connection, DEFAULT, None, items)
                ids = tracks.content_ids(connection)
                for number, vector, row in zip(numbers, some, tags, strict=True):
                    track_id = ids[fillers.content_id(number)]
                    vectors.put(connection, track_id, digest, vector, row)
            merge_segments(database, DEFAULT)
            print(f"{numbers.stop} tracks", file=sys.stderr)
        database.reclaim()


def _analysis(fillers: Fillers, number: int, sounding: int) -> ExtractedFile:
    """A filler; one without peaks if enough have them."""
    if number < sounding:
        return fillers.analysis(number)
    nothing = np.empty(0, np.float32)
    none = pack_peaks(Peaks(nothing, nothing, nothing))
    silent = AudioFeatures(FILLER_S, None, none, None)
    return ExtractedFile((ExtractedTrack(fillers.content_id(number), Tags(), silent),))


def _file(number: int, names: Names) -> FoundFile:
    tags = names.tags(number)
    path = f"/music/{tags.artist}/{tags.album}/{tags.track_number:02d} {tags.title} {number}.flac"
    return FoundFile(Path(path), 0, 0)


def _named(extracted: ExtractedFile, tags: Tags) -> ExtractedFile:
    return ExtractedFile(tuple(replace(each, tags=tags) for each in extracted.tracks))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("make", help=make.__doc__)
    command.set_defaults(run=make)
    command.add_argument("library", metavar="LIBRARY")
    command.add_argument("--from", dest="source", required=True, metavar="REAL.db")
    command.add_argument("--tracks", type=int, required=True)
    command.add_argument("--sounding", type=int, default=20_000, help="tracks with landmarks")
    command.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
