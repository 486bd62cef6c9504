"""Draws the results of the benchmarks.

    python scripts/bench/plots.py RESULTS_FOLDER IMAGES_FOLDER

Of likeness.json, scale-sqlite.json, scale-postgresql.json and recall.json those that are there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

REAL, MADE, OWN = "#1b6ca8", "#d1495b", "#66a182"
KINDS = {"quick": "#66a182", "full": "#1b6ca8", "unknown": "#d1495b"}
SIZE = (9.5, 3.8)  # inches
DPI = 130


def draw_likeness(figure: Figure, report: dict[str, Any]) -> None:
    common, votes = figure.subplots(1, 2)
    for name, label, colour in (("real", "real tracks", REAL), ("fillers", "fillers", MADE)):
        common.plot(report["shares"], report[name]["common"], colour, label=label)
    common.set(xscale="log", xlabel="share of all hashes, the most common first")
    common.set(ylabel="share of the landmarks", title="How common hashes are", ylim=(0, 1))
    for (name, found), colour in zip(report["chance"].items(), (REAL, MADE, OWN), strict=True):
        best = np.array(found["best_votes"])
        votes.plot(best, 1 - np.arange(len(best)) / len(best), colour, label=name)
    votes.set(xscale="log", yscale="log", xlabel="votes of the best place, by chance")
    votes.set(ylabel="share of the clips with so many", title="Votes where nothing is")
    for axes in (common, votes):
        finish(axes)


def draw_growth(figure: Figure, report: dict[str, Any]) -> None:
    rate, size = figure.subplots(1, 2)
    landmarks = np.array([batch["landmarks"] for batch in report["growth"]])
    added = np.array([batch["added_landmarks"] for batch in report["growth"]])
    insert = np.array([batch["insert"]["cpu_s"] for batch in report["growth"]])
    merge = np.array([batch["merge"]["cpu_s"] for batch in report["growth"]])
    full = added > added.max() / 4
    rate.plot(
        landmarks[full] / 1e6, (added / insert)[full] / 1e6, ".", color=OWN, label="a batch alone"
    )
    mean = np.cumsum(added) / np.cumsum(insert + merge)
    rate.plot(landmarks / 1e6, mean / 1e6, REAL, label="all so far, merges included")
    rate.set(xscale="log", xlabel="million landmarks in the library", ylim=(0, None))
    rate.set(ylabel="million landmarks a second", title="Insertion, one core")
    libraries = report["libraries"]
    tracks = [each["tracks"] for each in libraries]
    on_disk = [8 * each["disk_bytes"]["landmarks"] / each["landmarks"] for each in libraries]
    size.plot(tracks, on_disk, "s-", color=MADE, label="on the disk, pages and indexes counted")
    size.plot(tracks, [e["bits_per_landmark"] for e in libraries], "o-", color=REAL, label="blocks")
    size.plot(tracks, [e["bound_bits"] for e in libraries], "k--", label="information bound")
    size.set(xscale="log", xlabel="tracks", ylabel="bits a landmark", ylim=(0, 25), title="Size")
    for axes in (rate, size):
        finish(axes)


def draw_questions(figure: Figure, reports: dict[str, dict[str, Any]]) -> None:
    panels: Sequence[Axes] = figure.subplots(1, len(reports), sharey=True, squeeze=False)[0]
    for axes, (name, report) in zip(panels, reports.items(), strict=True):
        tracks = [each["tracks"] for each in report["libraries"]]
        for kind, colour in KINDS.items():
            asked = [each["questions"][kind] for each in report["libraries"]]
            draw_kind(axes, kind, tracks, asked, colour)
        axes.set(xscale="log", yscale="log", xlabel="tracks", title=name)
        bare(axes)
    panels[0].set_ylabel("seconds for a clip of 10 s")
    marks = panels[0].get_legend_handles_labels()
    figure.legend(*marks, loc="outside right upper", fontsize=8, frameon=False)


def draw_kind(
    axes: Axes, kind: str, tracks: Sequence[int], asked: Sequence[dict[str, Any]], colour: str
) -> None:
    clock = "clock_s" if "cold" not in asked[0] else "cpu_s"  # a server's time is not ours
    median, p95 = (
        [each["warm"][f"{name}_{clock}"] for each in asked] for name in ("median", "p95")
    )
    axes.plot(tracks, median, "o-", color=colour, label=f"{kind}, median and 95 %")
    axes.fill_between(tracks, median, p95, color=colour, alpha=0.15)
    if "cold" in asked[0]:
        cold = [each["cold"]["median_s"] for each in asked]
        axes.plot(tracks, cold, ":", color=colour, label=f"{kind}, in no cache, by the clock")


def draw_recall(figure: Figure, report: dict[str, Any]) -> None:
    axes = figure.subplots()
    names = [row["condition"] for row in report["alone"]["inside"]["conditions"]]
    for library, colour, shift in (("alone", REAL, -0.18), ("crowd", MADE, 0.18)):
        inside = report[library]["inside"]
        hits = [row["hits"] for row in inside["conditions"]]
        share = np.array([100 * hit["share"] for hit in hits])
        ends = 100 * np.array([hit["interval"] for hit in hits]).T
        errors = np.abs(ends - share)
        at = np.arange(len(names)) + shift
        label = f"library of {inside['tracks']:,} tracks"
        axes.errorbar(share, at, xerr=errors, fmt="o", color=colour, label=label)
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 101))
    axes.set(xlabel="clips named rightly, %, with 95 % interval", title="The same clips")
    axes.invert_yaxis()
    finish(axes)


def bare(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def finish(axes: Axes) -> None:
    bare(axes)
    axes.legend(fontsize=8, frameon=False)


def save(path: Path, draw: Callable[[Figure], None]) -> None:
    figure = Figure(figsize=SIZE, layout="constrained")
    draw(figure)
    figure.savefig(path, dpi=DPI)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("images", type=Path)
    given = parser.parse_args()
    found = {path.stem: json.loads(path.read_text()) for path in given.results.glob("*.json")}
    scale = {
        title: found[name]
        for title, name in (("SQLite", "scale-sqlite"), ("PostgreSQL", "scale-postgresql"))
        if name in found
    }
    if "likeness" in found:
        save(given.images / "bench-likeness.png", lambda f: draw_likeness(f, found["likeness"]))
    if "SQLite" in scale:
        save(given.images / "bench-growth.png", lambda f: draw_growth(f, scale["SQLite"]))
        save(given.images / "bench-questions.png", lambda f: draw_questions(f, scale))
    if "recall" in found:
        save(given.images / "bench-recall.png", lambda f: draw_recall(f, found["recall"]))


if __name__ == "__main__":
    main()
