"""Trains the similarity model, measures it on held-out artists, and exports it.

    python scripts/train/train.py CORPUS -o DIR [--seed 1] [--jobs 2] [--least-s 60] [--choose]

Needs the project's environment with `[train]`. CORPUS is a folder of music, in folders by album or
game. `corpus.json` names the folders that are held out; in an unknown corpus, a third of the
artists is held out, drawn by the seed. DIR keeps the features of each track, so that a run can be
continued after it was stopped. At the end DIR holds `likeness.onnx` with its cards, and
`report.json`. `--choose` compares recipes on the other artists, each left out in turn, and trains
nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from corpus import read_corpus
from export import export
from features import VERSIONS, extract_all
from judge import System, judge, long_enough, systems
from projection import Music, Recipe, learn
from trunk import Trunk

SOURCE = "music of Debian packages, mostly games"
FOLDS = 4

# Recipes that `--choose` compares (docs/embedding.md).
ALTERNATIVES: tuple[dict[str, Any], ...] = (
    {},
    {"everything": 1.0, "same_artist": 0.0},
    {"everything": 0.4},
    {"everything": 0.0},
    {"same_artist": 0.0},
    {"same_artist": 1.0},
    {"ridge": 0.01},
    {"ridge": 0.2},
    {"emphasis": 0.0},
    {"emphasis": 0.3},
    {"dim": 64},
    {"dim": 96},
)


def extract_corpus(arguments: argparse.Namespace) -> Music:
    tracks = read_corpus(arguments.corpus, arguments.seed)
    if not tracks:
        raise SystemExit(f"{arguments.corpus}: no audio file in it; name a folder of music")
    music = []
    features = extract_all(tracks, arguments.out / "features", arguments.seed, arguments.jobs)
    for number, pair in enumerate(features, 1):
        music.append(pair)
        if number % 20 == 0:
            print(f"features of {number} of {len(tracks)} tracks", flush=True)
    return music


def choose(music: Music, least_s: float) -> Iterator[dict[str, Any]]:
    """Figures of each recipe, over artists that were left out in turn; the held-out stay out.

    Those that are left out are listed among themselves: a projection sets apart what it was
    trained on, so that in one list with it any two tracks of a part are near to each other.
    """
    music = long_enough([pair for pair in music if not pair[0].held_out], least_s)
    fold = folds(music)
    for changes in ALTERNATIVES:
        recipe = replace(Recipe(), **changes)
        results = []
        for number in range(FOLDS):
            left_out = [pair for pair, its in zip(music, fold, strict=True) if its == number]
            rest = [pair for pair, its in zip(music, fold, strict=True) if its != number]
            ours = systems(learn(rest, recipe))[-1]
            results.append(judge(left_out, np.ones(len(left_out), bool), ours))
        yield {"recipe": changes, **summary(results)}


def folds(music: Music) -> np.ndarray[Any, np.dtype[np.int64]]:
    """In which of four parts each track is; an artist, and a folder, in one only."""
    groups = joined([(track.artist, track.folder, track.recording) for track, _ in music])
    sizes, fold = np.zeros(FOLDS), np.zeros(len(music), np.int64)
    for group in sorted(set(groups), key=lambda group: (-groups.count(group), group)):
        mine = np.array(groups) == group
        fold[mine] = int(np.argmin(sizes))
        sizes[fold[mine][0]] += mine.sum()
    return fold


def joined(labels: list[tuple[str, ...]]) -> list[int]:
    """A number for each row; rows that share a label, or share one with a third, have the same."""
    number = list(range(len(labels)))
    for column in zip(*labels, strict=True):
        for label in set(column):
            members = {number[i] for i, other in enumerate(column) if other == label}
            number = [min(members) if each in members else each for each in number]
    return number


def summary(results: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the parts, by the number of tracks that asked."""
    weights = [result["asked"] for result in results]
    names = "other_half_first", "reciprocal_rank", "same_artist"
    means = {n: float(np.average([r[n][0] for r in results], weights=weights)) for n in names}
    skew = float(np.average([result["skew"] for result in results], weights=weights))
    return {name: round(value, 4) for name, value in {**means, "skew": skew}.items()}


def evaluate(music: Music, ours: list[System], least_s: float) -> list[dict[str, Any]]:
    """Every system asked for the held-out tracks, among these alone and among all."""
    music = long_enough(music, least_s)
    held_out = [pair for pair in music if pair[0].held_out]
    asked = np.array([track.held_out for track, _ in music])
    alone = np.ones(len(held_out), bool)
    lists = (held_out, alone), (music, asked)
    return [judge(listed, which, system) for listed, which in lists for system in ours]


def train(music: Music, arguments: argparse.Namespace) -> None:
    trained = [pair for pair in music if not pair[0].held_out]
    recipe = Recipe()
    projection = learn(trained, recipe)
    facts = {
        "data": describe(trained),
        "seed": arguments.seed,
        "recipe": asdict(recipe),
        "figures": evaluate(music, systems(projection), arguments.least_s),
    }
    weights = export(Trunk.load(), projection, facts, arguments.out)
    report = json.dumps(facts, indent=1) + "\n"
    (arguments.out / "report.json").write_text(report, encoding="utf-8")
    print(report, weights, sep="")


def describe(music: Music) -> dict[str, Any]:
    return {
        "tracks": len(music),
        "artists": len({track.artist for track, _ in music}),
        "hours": round(sum(float(features.length) for _, features in music) / 16_000 / 3600, 1),
        "versions": VERSIONS,
        "source": SOURCE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="folder of music")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for all results")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes that extract features")
    parser.add_argument(
        "--least-s", type=float, default=60.0, help="shortest track to measure on, in seconds"
    )
    parser.add_argument("--choose", action="store_true", help="compare recipes instead")
    arguments = parser.parse_args()
    music = extract_corpus(arguments)
    if arguments.choose:
        for line in choose(music, arguments.least_s):
            print(json.dumps(line), flush=True)
    else:
        train(music, arguments)


if __name__ == "__main__":
    main()
