"""The fillers that large libraries are made of: repeatable, and not recognised as real tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fingerprinter.audio import read_samples
from fingerprinter.library import open_library
from fingerprinter.store.engine.database import Database

MUSIC = Path(__file__).resolve().parents[1] / "music"
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FILES = [MUSIC / "kenta_cho-stg1.opus", MUSIC / "kenta_cho-stg3.ogg"]


@pytest.fixture
def fillers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the script, which is no package."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import benchmark_fillers

    return benchmark_fillers


@pytest.mark.slow
def test_a_library_grows_by_fillers_that_no_clip_is_found_in(fillers: Any, tmp_path: Path) -> None:
    with open_library(tmp_path / "real.db") as library:
        library.index(FILES, embeddings=False, jobs=1)
    with Database.open(str(tmp_path / "real.db"), read_only=True) as database:
        originals = fillers.read_originals(database)
    made = fillers.Fillers(originals, seed=7)
    one, same = made.peaks(3), fillers.Fillers(originals, seed=7).peaks(3)
    np.testing.assert_array_equal(one.frames, same.frames)
    assert made.content_id(3) != made.content_id(4)

    path = tmp_path / "large.db"
    with Database.open(str(path), create=True) as database:
        batches = list(fillers.Growth(database, originals, seed=7).until(6))
        assert list(fillers.Growth(database, originals, seed=7).until(6)) == []
    assert (batches[-1].tracks, len(batches)) == (6, 1)
    assert batches[-1].landmarks == batches[-1].added_landmarks > 1000
    with open_library(path) as library:
        assert not library.verify().findings
        for file in FILES:
            clip = read_samples(file)[5 * 16_000 :][: 8 * 16_000]
            (match,) = library.identify((clip, 16_000))
            assert match.track.path == str(file)
            assert not (match.track.title or "").startswith("Filler")
