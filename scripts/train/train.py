"""Trains the similarity model and exports it.

    python scripts/train/train.py CORPUS -o DIR [--seed 1] [--jobs 2]

Needs the project's environment with `[train]`. CORPUS is a folder of music, in folders by album or
game. `corpus.json` names the folders that are held out; in an unknown corpus, a third of the
artists is held out, drawn by the seed. DIR keeps the features of each track, so that a run can be
continued after it was stopped. At the end DIR holds `similarity.onnx` with its cards.

To measure a model, copy its files to `fingerprinter/embedding/weights`, index the music of the
held-out folders, and run `fingerprinter evaluate similarity`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpus import read_corpus
from export import export
from features import VERSIONS, extract_all
from projection import Music, Recipe, learn
from trunk import Trunk

SOURCE = "music of Debian packages, mostly games"


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


def train(music: Music, arguments: argparse.Namespace) -> None:
    trained = [pair for pair in music if not pair[0].held_out]
    recipe = Recipe()
    facts = {"data": describe(trained), "seed": arguments.seed, "recipe": asdict(recipe)}
    print(export(Trunk.load(), learn(trained, recipe), facts, arguments.out))


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
    arguments = parser.parse_args()
    train(extract_corpus(arguments), arguments)


if __name__ == "__main__":
    main()
