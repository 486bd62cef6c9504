"""Changed copies of a library's own tracks, and how many of them `duplicates` finds.

    python scripts/measure_duplicates.py LIBRARY FOLDER [--tracks 60] [--seed 0] [--sizes N ...]

Draws tracks of LIBRARY, a SQLite file whose music must be where it was, and writes changed copies
of them and mixes of four to FOLDER (6 GB for 60 tracks). Prints, kind by kind, how many of the
copies are found by a library that holds all of LIBRARY and the copies of that kind, and whether
they lie where they should; every group that joins what the script did not copy, for people to
judge; and the time that libraries of several sizes take. What FOLDER holds is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

import fingerprinter
from fingerprinter.audio import read_samples
from fingerprinter.types import DuplicateGroup, DuplicateReport, Evidence, Track

SR = 44_100
DRAWN_S = (90.0, 240.0)  # length of the tracks that are copied
MIXED = 4  # tracks in a mix
PLACED_S = 0.05  # an offset may be off by so much
POINTS = (0.1, 0.5, 0.9)  # of a stretch, at which it is checked

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """A stretch of a copy and where the original has it, in seconds of each."""

    copy_s: float
    original_s: float
    length_s: float


@dataclass(frozen=True)
class Copy:
    """A file made of others: the pieces, each of the original of the same number (or the first)."""

    kind: str
    originals: Sequence[str]
    pieces: Sequence[Piece]
    speed: float = 1.0

    def source(self, at_s: float) -> tuple[str, float] | None:
        """(original, second of it) that is heard at a second; None for what was put in."""
        for number, piece in enumerate(self.pieces):
            if -0.01 <= at_s - piece.copy_s <= piece.length_s + 0.01:
                original = self.originals[min(number, len(self.originals) - 1)]
                return original, piece.original_s + (at_s - piece.copy_s) * self.speed
        return None


@dataclass(frozen=True)
class Changed:
    """A changed recording and where its stretches come from; `speed` as a factor."""

    samples: Samples
    pieces: Sequence[Piece]
    speed: float = 1.0


Change = Callable[[Samples, Samples, np.random.Generator], Changed]


def seconds(samples: Samples) -> float:
    return len(samples) / SR


def part(samples: Samples, start_s: float, length_s: float) -> Samples:
    return samples[round(start_s * SR) : round((start_s + length_s) * SR)]


def whole(samples: Samples, original: Samples) -> Changed:
    return Changed(samples, [Piece(0, 0, seconds(original))])


def unchanged(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    return whole(samples, samples)


def quieter(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """By 20 dB."""
    return whole(samples * np.float32(0.1), samples)


def equalised(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """Tilted: +6 dB at 60 Hz, 0 at 600 Hz, -6 dB at 6 kHz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log10(np.clip(np.fft.rfftfreq(len(samples), 1 / SR), 60, 6000) / 600)
    tilted = np.fft.irfft(spectrum * 10 ** (-6 * octaves / 20), len(samples))
    return whole((0.5 * tilted).astype(np.float32), samples)


def trimmed(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """Without 20 s at either end."""
    length_s = seconds(samples) - 40
    return Changed(part(samples, 20, length_s), [Piece(0, 20, length_s)])


def excerpt(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """30 s from anywhere."""
    start_s = rng.uniform(0, seconds(samples) - 30)
    return Changed(part(samples, start_s, 30), [Piece(0, start_s, 30)])


def cut(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """Without 20 s of the middle."""
    at_s, end_s = _middle(samples, rng), seconds(samples)
    joined = np.concatenate([part(samples, 0, at_s), part(samples, at_s + 20, end_s)])
    return Changed(joined, [Piece(0, 0, at_s), Piece(at_s, at_s + 20, end_s - at_s - 20)])


def repeated(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """20 s of the middle twice."""
    at_s, end_s = _middle(samples, rng), seconds(samples)
    joined = np.concatenate([part(samples, 0, at_s), part(samples, at_s - 20, end_s)])
    return Changed(joined, [Piece(0, 0, at_s), Piece(at_s, at_s - 20, end_s - at_s + 20)])


def extended(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """15 s of another track put into the middle."""
    at_s, end_s = _middle(samples, rng), seconds(samples)
    before, behind = part(samples, 0, at_s), part(samples, at_s, end_s)
    joined = np.concatenate([before, part(other, 30, 15), behind])
    return Changed(joined, [Piece(0, 0, at_s), Piece(at_s + 15, at_s, end_s - at_s)])


def _middle(samples: Samples, rng: np.random.Generator) -> float:
    return rng.uniform(0.35, 0.65) * (seconds(samples) - 20)


def faster(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """By 1 %."""
    return _played(samples, 1.01)


def any_speed(samples: Samples, other: Samples, rng: np.random.Generator) -> Changed:
    """From 4.5 % slower to 4.5 % faster."""
    return _played(samples, rng.uniform(0.955, 1.045))


def _played(samples: Samples, speed: float) -> Changed:
    length_s = seconds(samples) / speed
    return Changed(soxr.resample(samples, SR * speed, SR), [Piece(0, 0, length_s)], speed)


@dataclass(frozen=True)
class Kind:
    """One way in which a copy differs: what was done to it, and how it was encoded."""

    name: str
    change: Change
    suffix: str
    codec: str
    bit_rate: int = 0
    sr: int = SR

    @property
    def options(self) -> dict[str, str]:
        """The encoder's: its fastest search, since what it hides is measured, not how well."""
        return {"b": str(self.bit_rate), "compression_level": "5"} if self.bit_rate else {}


KINDS = (
    Kind("mp3-64k", unchanged, "mp3", "libmp3lame", 64_000),
    Kind("opus-48k", unchanged, "opus", "libopus", 48_000, 48_000),
    Kind("8-khz", unchanged, "wav", "pcm_s16le", sr=8_000),
    Kind("gain-20dB", quieter, "flac", "flac"),
    Kind("eq", equalised, "mp3", "libmp3lame", 128_000),
    Kind("trim-20s", trimmed, "mp3", "libmp3lame", 96_000),
    Kind("excerpt-30s", excerpt, "opus", "libopus", 64_000, 48_000),
    Kind("cut-20s", cut, "m4a", "aac", 96_000),
    Kind("repeat-20s", repeated, "mp3", "libmp3lame", 128_000),
    Kind("insert-15s", extended, "opus", "libopus", 64_000, 48_000),
    Kind("speed+1%", faster, "flac", "flac"),
    Kind("speed-any", any_speed, "mp3", "libmp3lame", 128_000),
)
MIX = Kind("mix", unchanged, "mp3", "libmp3lame", 96_000)
_CONTAINERS = {"opus": "ogg", "m4a": "mp4"}


def encode(path: Path, samples: Samples, kind: Kind) -> None:
    """Writes a mono file; it is there whole or not at all."""
    samples = soxr.resample(samples, SR, kind.sr) if kind.sr != SR else samples
    peak = max(1.0, float(np.abs(samples).max()) * 1.02)
    aside = path.with_suffix(".part")
    with av.open(str(aside), "w", format=_CONTAINERS.get(kind.suffix, kind.suffix)) as output:
        stream = output.add_stream(kind.codec, rate=kind.sr, layout="mono", options=kind.options)
        assert isinstance(stream, av.AudioStream)
        for start in range(0, len(samples), kind.sr):
            block = np.ascontiguousarray(samples[start : start + kind.sr] / np.float32(peak))
            frame = av.AudioFrame.from_ndarray(block[None], "fltp", "mono")
            frame.sample_rate, frame.pts = kind.sr, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    aside.rename(path)


def draw(library: Path, count: int, seed: int) -> list[Track]:
    """Tracks of a library, the same ones for the same seed."""
    with fingerprinter.open_library(library, read_only=True) as opened:
        fit = [track for track in opened.tracks() if DRAWN_S[0] <= track.duration_s <= DRAWN_S[1]]
    fit.sort(key=lambda track: track.content_id)
    return [fit[i] for i in np.random.default_rng(seed).permutation(len(fit))[:count]]


def make_copies(tracks: Sequence[Track], folder: Path, seed: int) -> dict[str, Copy]:
    """Writes what is not there yet; what each file was made of, by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    copies: dict[str, Copy] = {}
    heard = read_samples(str(tracks[-1].path), SR)
    for number, track in enumerate(tracks):
        other, heard = heard, read_samples(str(track.path), SR)
        for kind in KINDS:
            rng = np.random.default_rng([seed, number, zlib.crc32(kind.name.encode())])
            changed = kind.change(heard, other, rng)
            path = folder / f"{number:03}-{kind.name}.{kind.suffix}"
            copies[path.name] = Copy(kind.name, [str(track.path)], changed.pieces, changed.speed)
            if not path.exists():
                encode(path, changed.samples, kind)
    return copies | dict(make_mixes(tracks, folder))


def make_mixes(tracks: Sequence[Track], folder: Path) -> Iterator[tuple[str, Copy]]:
    for start in range(0, len(tracks) - MIXED + 1, MIXED):
        paths = [str(track.path) for track in tracks[start : start + MIXED]]
        parts = [read_samples(path, SR) for path in paths]
        starts_s = np.cumsum([0.0, *map(seconds, parts)])
        pieces = [Piece(at, 0, seconds(each)) for at, each in zip(starts_s, parts, strict=False)]
        path = folder / f"mix-{start:03}.{MIX.suffix}"
        if not path.exists():
            encode(path, np.concatenate(parts), MIX)
        yield path.name, Copy(MIX.name, paths, pieces)


def search(library: Path) -> DuplicateReport:
    with fingerprinter.open_library(library, read_only=True) as opened:
        return opened.duplicates()


def with_only(library: Path, kind: str, copies: dict[str, Copy], target: Path) -> Path:
    """A copy of a library that holds the copies of one kind only."""
    shutil.copyfile(library, target)
    with fingerprinter.open_library(target, create=False) as opened:
        names = {track.id: Path(track.path or "").name for track in opened.tracks()}
        opened.remove(
            [id_ for id_, name in names.items() if name in copies and copies[name].kind != kind]
        )
    return target


class Judge:
    """Compares groups with what the copies were made of."""

    def __init__(self, copies: dict[str, Copy]) -> None:
        self._copies = copies

    def origin(self, track: Track) -> Copy:
        """What a track was made of; an original of itself."""
        whole = Copy("original", [str(track.path)], [Piece(0, 0, track.duration_s)])
        return self._copies.get(Path(track.path or "").name, whole)

    def print_kind(self, kind: str, report: DuplicateReport) -> None:
        found = Counter(
            (Path(track.path or "").name, original, group.kind)
            for group in report.groups
            for track in group.tracks
            if self.origin(track).kind == kind
            for original in {str(other.path) for other in group.tracks}
            & set(self.origin(track).originals)
        )
        wanted = sum(len(copy.originals) for copy in self._copies.values() if copy.kind == kind)
        how = Counter(group_kind for _, _, group_kind in found)
        right, wrong = self._placed(report)
        print(
            f"{kind:12} {len(found)} of {wanted} found ({how['same']} same, {how['part']} part);"
            f" {right} of {right + wrong} points in place"
        )

    def _placed(self, report: DuplicateReport) -> tuple[int, int]:
        points = [
            placed
            for group in report.groups
            for row in group.evidence
            for placed in self._points(row, {track.id: track for track in group.tracks})
        ]
        return sum(points), len(points) - sum(points)

    def _points(self, row: Evidence, tracks: dict[int, Track]) -> Iterator[bool]:
        """Whether points of a stretch are the same second of the same original."""
        if self.origin(tracks[row.a]) == self.origin(tracks[row.b]):
            return
        for share in POINTS:
            at_s = row.start_s + share * row.overlap_s
            one = self.origin(tracks[row.a]).source(at_s)
            two = self.origin(tracks[row.b]).source((at_s - row.offset_s) / row.speed)
            if one and two and one[0] == two[0]:
                yield abs(one[1] - two[1]) <= PLACED_S

    def foreign(self, report: DuplicateReport) -> Iterator[DuplicateGroup]:
        """The groups that join what was not made of the same."""
        for group in report.groups:
            origins = [set(self.origin(track).originals) for track in group.tracks]
            if not set.intersection(*origins):
                yield group


def print_foreign(groups: Sequence[DuplicateGroup]) -> None:
    for group in groups:
        print(group.kind, *(track.path for track in group.tracks), sep="\n    ")
        for row in group.evidence:
            print("   ", row)


def print_time(library: Path, size: int, target: Path) -> None:
    """The time for a library's first tracks."""
    shutil.copyfile(library, target)
    with fingerprinter.open_library(target, create=False) as opened:
        opened.remove([track.id for track in opened.tracks()][size:])
        opened.reindex()
        tracks = list(opened.tracks())
        started = time.perf_counter(), time.process_time()
        opened.duplicates()
        wall_s, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
    hours = sum(track.duration_s for track in tracks) / 3600
    print(
        f"{len(tracks):6} tracks, {hours:6.1f} h: {wall_s:6.1f} s, {cpu_s:6.1f} s of processor,"
        f" {1000 * cpu_s / len(tracks):.1f} ms a track"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    options = parser.parse_args()
    drawn = draw(options.library, options.tracks, options.seed)
    copies = make_copies(drawn, options.folder / "copies", options.seed)
    (options.folder / "copies.json").write_text(
        json.dumps({name: asdict(copy) for name, copy in copies.items()}, indent=1)
    )
    full, some = options.folder / "full.db", options.folder / "some.db"
    if not full.exists():
        shutil.copyfile(options.library, full)
    with fingerprinter.open_library(full) as opened:
        opened.index([options.folder / "copies"], embeddings=False)
    judge = Judge(copies)
    for kind in (*KINDS, MIX):
        report = search(with_only(full, kind.name, copies, some))
        judge.print_kind(kind.name, report)
        print_foreign(list(judge.foreign(report)))
    print("\nall kinds at once:")
    print_foreign(list(judge.foreign(search(full))))
    for size in options.sizes:
        print_time(full, size, some)


if __name__ == "__main__":
    main()
