"""The music for training and testing: tracks, artists, and which artists are held out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinter.audio import find_audio, read_tags

# Folders of the development corpus that are never trained on, and artists of folders whose files
# have no tags.
FACTS: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
HELD_OUT_SHARE = 1 / 3  # of the artists of any other corpus


@dataclass(frozen=True, slots=True)
class Track:
    """A file of the corpus.

    name: its path within the corpus, with `/`; folder: the one that it lies in
    """

    path: Path
    name: str
    folder: str
    artist: str
    held_out: bool


def read_corpus(root: Path, seed: int) -> list[Track]:
    """Every audio file below a folder, in the order of their names."""
    files = sorted(find_audio([root]))
    artists = [artist_of(path) for path in files]
    held_out = held_out_artists(files, artists, seed)
    return [
        Track(path, name, path.parent.name, artist, artist in held_out)
        for path, artist in zip(files, artists, strict=True)
        for name in [path.relative_to(root).as_posix()]
    ]


def artist_of(path: Path) -> str:
    """The artist of a track: its tag, else what is known of its folder, else the folder itself."""
    folder = path.parent.name
    text = read_tags(path).artist or FACTS["artists"].get(folder, folder)
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def held_out_artists(files: list[Path], artists: list[str], seed: int) -> set[str]:
    """Artists that are never trained on: those of the named folders, else some drawn at random."""
    named = set(FACTS["held_out"])
    found = {a for path, a in zip(files, artists, strict=True) if path.parent.name in named}
    if found:
        return found
    everybody = sorted(set(artists))
    count = round(HELD_OUT_SHARE * len(everybody))
    return set(np.random.default_rng(seed).permutation(everybody)[:count].tolist())
