"""Clips at other tempos and pitches, together and apart, are found and measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerprinter import open_library
from fingerprinter.core.fingerprint.warp import Warp
from fingerprinter.evaluation.degrade import stretched
from fingerprinter.evaluation.excerpt import SR, read_excerpt
from fingerprinter.library import Library

MUSIC = Path(__file__).resolve().parent.parent / "music"
TRACKS = ("manuel_marino-geoscape.ogg", "obsidian_shell-farkaskonny.opus")
START_S, CLIP_S = 20.0, 10.0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_library(tmp_path_factory.mktemp("changes") / "library.db") as library:
        library.index([MUSIC / name for name in TRACKS], embeddings=False, jobs=1)
        yield library


@pytest.mark.parametrize(
    "warp",
    [
        Warp(1.35, 1.35),
        Warp(1.0, 2 ** (-6 / 12)),
        Warp(0.7, 1.0),
        Warp(1.06, 2 ** (-2 / 12)),
        Warp(0.6, 2 ** (5 / 12)),
        Warp(1.7, 2 ** (-9 / 12)),
        Warp(0.5, 0.5),
    ],
    ids=[
        "speed 1.35",
        "pitch -6",
        "tempo 0.70",
        "tempo 1.06 with pitch -2",
        "tempo 0.60 with pitch +5",
        "tempo 1.70 with pitch -9",
        "half speed",
    ],
)
@pytest.mark.parametrize("name", TRACKS)
def test_a_changed_clip_is_found_and_measured(library: Library, name: str, warp: Warp) -> None:
    passage = read_excerpt(MUSIC / name, START_S, round((CLIP_S * warp.tempo + 0.5) * SR))
    clip = stretched(passage, warp)[: round(CLIP_S * SR)]
    (match,) = library.identify((clip, SR))
    assert Path(match.track.path or "").name == name
    assert match.offset_s == pytest.approx(START_S, abs=0.05)
    assert match.tempo == pytest.approx(warp.tempo, rel=0.005)
    assert match.pitch == pytest.approx(warp.pitch, rel=0.005)
