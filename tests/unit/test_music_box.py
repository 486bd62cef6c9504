"""The music for the tests agrees with its manifest, has free licences and is audible."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

MUSIC = Path(__file__).resolve().parents[1] / "music"
MANIFEST: list[dict[str, Any]] = json.loads((MUSIC / "manifest.json").read_text(encoding="utf-8"))
FREE_LICENCES = {"BSD-2-Clause", "CC-BY-3.0", "CC-BY-SA-3.0"}
MAX_BYTES = 6_000_000

each_file = pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])


def test_manifest_names_every_file() -> None:
    not_music = {"manifest.json", "CREDITS.md", "LICENSES"}
    present = {path.name for path in MUSIC.iterdir()} - not_music
    assert present == {entry["file"] for entry in MANIFEST}


def test_the_music_is_small() -> None:
    assert sum((MUSIC / entry["file"]).stat().st_size for entry in MANIFEST) < MAX_BYTES


@each_file
def test_files_have_the_digests_of_the_manifest(entry: dict[str, Any]) -> None:
    assert hashlib.sha256((MUSIC / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@each_file
def test_licence_is_free_and_its_text_is_included(entry: dict[str, Any]) -> None:
    assert entry["licence"] in FREE_LICENCES
    assert (MUSIC / "LICENSES" / f"{entry['licence']}.txt").stat().st_size > 1000


@each_file
def test_credit_names_title_artist_licence_and_source(entry: dict[str, Any]) -> None:
    lines = (MUSIC / "CREDITS.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if entry["file"] in line]
    for key in ("title", "artist", "copyright", "licence", "package", "source_url"):
        assert entry[key] in line


@each_file
def test_file_decodes_to_audible_music_without_clicks(entry: dict[str, Any]) -> None:
    with av.open(MUSIC / entry["file"]) as container:
        sr = container.streams.audio[0].rate
        samples = np.hstack([frame.to_ndarray() for frame in container.decode(audio=0)]).mean(0)
    assert len(samples) / sr == pytest.approx(entry["duration_s"], abs=0.02)
    seconds = samples[: len(samples) // sr * sr].reshape(-1, sr)
    assert np.sqrt((seconds**2).mean(1)).min() > 0.03  # -30 dBFS in the quietest second
    assert abs(samples[:10]).max() < 0.05 > abs(samples[-10:]).max()  # faded in and out
