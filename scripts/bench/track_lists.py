"""How well `identify --all` lists the tracks of long mixes whose truth is known.

    python scripts/bench/track_lists.py LIBRARY MIX.mp3... [--groups FILE] [--json FILE]

The mixes are made by `mixes.py`, each with the truth in a JSON file beside it. Each is given to
the program as a user gives it, in a process of its own, by which time and memory are measured.
A track of the truth counts as found where an entry names it while it plays; an entry that names a
track that does not play then is wrong. Borders are held against the beginning of the fade in and
the end of the fade out, and also against the middle of both fades.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

NEAR_S = 3.0  # a border that is no farther off is right

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """What came of one mix.

    outer, middle: (2 n,) borders of the tracks found minus the true ones, in seconds, with fades
        counted whole, and by half
    tempo, place: relative error of each track's tempo, and seconds by which its line is off
    """

    mix: str
    duration_s: float
    tracks: int
    found: int
    entries: int
    wrong: Sequence[str]
    missed: Sequence[str]
    outer: Sequence[float]
    middle: Sequence[float]
    tempo: Sequence[float]
    place: Sequence[float]
    elapsed_s: float
    cpu_s: float
    peak_mb: float


def read_groups(path: Path | None) -> dict[str, int]:
    """The number of the group of recordings that a file belongs to."""
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    return {
        os.path.realpath(file): number
        for number, line in enumerate(lines)
        for file in line.split("\t")
    }


def listen(library: str, mix: Path) -> tuple[Record, float, float, float]:
    """(what the program prints, seconds, seconds of the processor, peak of its memory in MB)."""
    words = ["-m", "fingerprinter", "--db", library, "identify", "--all", "--json", str(mix)]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE)
    printed = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{mix}: the program ended with status {status}")
    elapsed_s = time.perf_counter() - started
    return json.loads(printed), elapsed_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(library: str, mix: Path, groups: Mapping[str, int]) -> Listed:
    record, elapsed_s, cpu_s, peak_mb = listen(library, mix)
    truth = json.loads(mix.with_suffix(".json").read_text(encoding="utf-8"))["played"]
    played, matches = [each for each in truth if each["path"]], record["matches"]
    rights = [[m for m in matches if names(m, each, groups)] for each in played]
    found = [(each, right) for each, right in zip(played, rights, strict=True) if right]
    return Listed(
        mix=str(mix),
        duration_s=record["duration_s"],
        tracks=len(played),
        found=len(found),
        entries=len(matches),
        wrong=[
            told(match) for match in matches if not any(names(match, p, groups) for p in played)
        ],
        missed=[each["path"] for each, right in zip(played, rights, strict=True) if not right],
        outer=[error for pair in found for error in borders(*pair, fades=0.0)],
        middle=[error for pair in found for error in borders(*pair, fades=0.5)],
        tempo=[match["tempo"] / each["tempo"] - 1 for each, right in found for match in right],
        place=[off_line(each, match) for each, right in found for match in right],
        elapsed_s=elapsed_s,
        cpu_s=cpu_s,
        peak_mb=peak_mb,
    )


def names(match: Record, played: Record, groups: Mapping[str, int]) -> bool:
    """Whether an entry is a track, or a copy of it, while it plays."""
    mine, true = os.path.realpath(match["track"]["path"] or ""), os.path.realpath(played["path"])
    same = mine == true or (mine in groups and groups[mine] == groups.get(true))
    first, last = match["clip_start_s"], match["clip_end_s"]
    return same and min(last, played["end_s"]) > max(first, played["start_s"])


def borders(played: Record, right: Sequence[Record], fades: float) -> tuple[float, float]:
    """By how many seconds the first entry begins, and the last one ends, late."""
    start_s = played["start_s"] + fades * played["fade_in_s"]
    end_s = played["end_s"] - fades * played["fade_out_s"]
    first, last = min(m["clip_start_s"] for m in right), max(m["clip_end_s"] for m in right)
    return first - start_s, last - end_s


def off_line(played: Record, match: Record) -> float:
    """Seconds of the track by which an entry's line is off in its middle."""
    middle_s = (match["clip_start_s"] + match["clip_end_s"]) / 2
    true = played["offset_s"] + (middle_s - played["start_s"]) * played["tempo"]
    return float(match["offset_s"] + middle_s * match["tempo"] - true)


def told(match: Record) -> str:
    start_s, end_s = match["clip_start_s"], match["clip_end_s"]
    return f"{match['track']['path']} {start_s:.1f}-{end_s:.1f} s, {match['confidence']:.4f}"


def summary(errors: Sequence[float]) -> str:
    """Of the sizes of errors: median, 95th percentile, share that is near."""
    if not errors:
        return "none"
    sizes = np.abs(errors)
    median, high = np.percentile(sizes, [50, 95])
    return f"median {median:.1f} s, p95 {high:.1f} s, {np.mean(sizes <= NEAR_S):.0%} within 3 s"


def show(listed: Listed) -> None:
    print(
        f"{listed.mix}: {listed.duration_s:.0f} s, {listed.found} of {listed.tracks} tracks in"
        f" {listed.entries} entries, {len(listed.wrong)} wrong;"
        f" {listed.elapsed_s:.1f} s ({listed.cpu_s:.1f} s CPU), {listed.peak_mb:.0f} MB"
    )
    for label, lines in (("wrong", listed.wrong), ("missed", listed.missed)):
        for line in lines:
            print(f"  {label}: {line}")
    print(f"  borders: {summary(listed.outer)}; of the fades' middles: {summary(listed.middle)}")


def show_all(listed: Sequence[Listed]) -> None:
    """The sum of all mixes."""
    tracks, found = sum(each.tracks for each in listed), sum(each.found for each in listed)
    wrong, hours = sum(len(each.wrong) for each in listed), sum(e.duration_s for e in listed) / 3600
    print(f"in all: {found} of {tracks} tracks, {wrong} wrong entries in {hours:.1f} h")
    print(f"  borders: {summary([error for each in listed for error in each.outer])}")
    print(f"  of the middles: {summary([error for each in listed for error in each.middle])}")
    tempo = np.abs([error for each in listed for error in each.tempo])
    place = np.abs([error for each in listed for error in each.place])
    if len(tempo):
        print(f"  tempo: within 0.5 % in {np.mean(tempo <= 0.005):.0%}", end="; ")
        print(f"place in the track: within 50 ms in {np.mean(place <= 0.05):.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", help="path or address of the library")
    parser.add_argument("mixes", nargs="+", type=Path, metavar="MIX")
    parser.add_argument("--groups", type=Path, help="files that hold the same, a group a line")
    parser.add_argument("--json", type=Path, help="where everything goes, for programs")
    given = parser.parse_args()
    groups, listed = read_groups(given.groups), []
    for mix in given.mixes:
        listed.append(measure(given.library, mix, groups))
        show(listed[-1])
    show_all(listed)
    if given.json:
        text = json.dumps([asdict(each) for each in listed], indent=1) + "\n"
        given.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
