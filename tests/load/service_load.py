"""Measures the service under load: how long requests take, errors, and the memory of the server.

    export PYTHONPATH=.:scripts
    python tests/load/service_load.py make LARGE.db --from REAL.db --tracks 100000
    python tests/load/service_load.py run LARGE.db --clips-of REAL.db --locust LOCUST -o OUT.json

`make` needs a library of real music with embeddings; `export` and `import` add its tracks, so that
their clips are known. `run` needs `locust` (from PyPI), which is no dependency of the project: it
starts `fingerprinter serve` and asks it what people ask.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from benchmark import VectorMaker
from benchmark_fillers import Fillers, read_originals

from fingerprinter import open_library
from fingerprinter.audio import read_samples, write_wav
from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import DEFAULT
from fingerprinter.core.spelling import normalize_name
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
KINDS = ("identify", "similar", "search", "list", "map")
CLIPS, CLIP_S, CLIP_SR = 24, 10.0, 16_000  # as the page sends what a microphone hears
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


# --- run


def run(options: argparse.Namespace) -> None:
    """Ask a service of a library, by each kind of request and number of clients."""
    with tempfile.TemporaryDirectory() as name:
        data = _write_data(options, Path(name))
        with _served(options.library) as (url, server):
            report: dict[str, Any] = {"tracks": data["tracks"], "seconds": options.seconds}
            report["memory_mb_ready"] = _memory_mb(server)
            report["requests"] = []
            for kind, clients in itertools.product(options.kinds, options.clients):
                if kind == "map" and "first_map_s" not in report:
                    report["first_map_s"] = _first_map_s(url)
                before_s = _processor_s(server)
                row = _load(options, url, kind, clients, Path(name))
                spent_ms = 1000 * (_processor_s(server) - before_s)
                row["processor_ms"] = round(spent_ms / max(1, row["answers"]), 1)
                row["memory_mb"] = _memory_mb(server)
                report["requests"].append(row)
                print(json.dumps(row), file=sys.stderr)
                options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _first_map_s(url: str) -> float:
    """Seconds until the map is made; afterwards it is read from a file."""
    started = time.perf_counter()
    with urllib.request.urlopen(f"{url}/api/map", timeout=3600) as answer:
        answer.read()
    return round(time.perf_counter() - started, 1)


def _write_data(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Write what clients ask: ids, words of names, and clips of ten seconds of known music."""
    rng = np.random.default_rng(options.seed)
    with open_library(options.library, read_only=True) as library:
        known = list(library.tracks())
    with open_library(options.clips_of, read_only=True) as library:
        real = [each for each in library.tracks() if each.path and each.duration_s > 2 * CLIP_S]
    clips = []
    for number in rng.permutation(len(real))[:CLIPS].tolist():
        samples = read_samples(real[number].path, CLIP_SR)
        start = int(rng.integers(len(samples) - int(CLIP_S * CLIP_SR)))
        clips.append(str(folder / f"{number}.wav"))
        write_wav(Path(clips[-1]), samples[start : start + int(CLIP_S * CLIP_SR)], CLIP_SR)
    some = [known[i] for i in rng.permutation(len(known))[:500].tolist()]
    names = [each.title or Path(each.path or "").stem for each in some]
    words = [" ".join(name.split()[:2]) for name in names if len(normalize_name(name)) > 3]
    data = {
        "tracks": len(known),
        "ids": [each.id for each in some],
        "words": words[:200],
        "clips": clips,
    }
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    return data


@contextmanager
def _served(library: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a service in a process until it is ready, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fingerprinter", "--db", library, "serve", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url):
            assert server.poll() is None, "the service has ended"
            time.sleep(0.5)
        yield url, server
    finally:
        server.terminate()
        server.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=60):
            return True
    except OSError:
        return False


def _processor_s(server: subprocess.Popen[bytes]) -> float:
    """The processor time of a process and its children, those that ended included, in seconds."""
    whole = psutil.Process(server.pid)
    ended = whole.cpu_times()
    times = [each.cpu_times() for each in (whole, *whole.children(recursive=True))]
    spent = sum(each.user + each.system for each in times)
    return spent + ended.children_user + ended.children_system


def _memory_mb(server: subprocess.Popen[bytes]) -> float:
    """The memory of a process and its children, in MB."""
    whole = psutil.Process(server.pid)
    sizes = [each.memory_info().rss for each in (whole, *whole.children(recursive=True))]
    return round(sum(sizes) / 1e6, 1)


def _load(
    options: argparse.Namespace, url: str, kind: str, clients: int, folder: Path
) -> dict[str, Any]:
    """Let a number of clients ask for one kind, and return times in milliseconds."""
    users = Path(__file__).with_name("service_load_users.py")
    environment = {**os.environ, "LOAD_KIND": kind, "LOAD_DATA": str(folder / "data.json")}
    line = [options.locust, "-f", str(users), "--headless", "--only-summary", "--host", url]
    line += ["-u", str(clients), "-r", str(clients), "-t", f"{options.seconds}s", "-s", "60"]
    subprocess.run(
        [*line, "--csv", str(folder / "out")], env=environment, capture_output=True, check=False
    )
    with (folder / "out_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    found = rows.get(kind) or {}
    busy, overhead = rows.get("busy") or {}, rows.get("overhead") or {}
    return {
        "kind": kind,
        "clients": clients,
        "answers": int(found.get("Request Count", 0)),
        "errors": int(found.get("Failure Count", 0)),
        "busy": int(busy.get("Request Count", 0)),
        "p50_ms": _milliseconds(found, "50%"),
        "p95_ms": _milliseconds(found, "95%"),
        "overhead_p50_ms": _milliseconds(overhead, "50%"),
    }


def _milliseconds(row: dict[str, str], name: str) -> int | None:
    return round(float(row[name])) if row.get(name, "N/A") != "N/A" else None


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
    command = commands.add_parser("run", help=run.__doc__)
    command.set_defaults(run=run)
    command.add_argument("library", metavar="LIBRARY")
    command.add_argument("--clips-of", required=True, metavar="REAL.db")
    command.add_argument("--locust", default="locust", metavar="PROGRAM")
    command.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    command.add_argument("--clients", nargs="+", type=int, default=[1, 8, 32])
    command.add_argument("--seconds", type=int, default=60)
    command.add_argument("--seed", type=int, default=7)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
