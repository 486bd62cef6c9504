"""`evaluate duplicates`: copies know what they were made of, and joins are judged rightly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from fingerprinter.audio import read_samples
from fingerprinter.cli.app import app
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.copies import KINDS, Copy, CopyKind, Piece, make_copies
from fingerprinter.evaluation.duplicates import (
    DuplicatesPlan,
    evaluate_duplicates,
    judge_groups,
)
from fingerprinter.evaluation.judge import likeness
from fingerprinter.evaluation.metrics import Rate
from fingerprinter.library import Library, open_library
from fingerprinter.types import DuplicateGroup, Evidence, Track
from tests.synthetic import SR as MUSIC_SR
from tests.synthetic import Floats, play

DURATION_S = 92
SELECTED = [kind for kind in KINDS if kind.name in ("mp3-64k", "cut-20s", "mix")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("duplicates")
    for seed in range(2):
        soundfile.write(folder / f"{seed}.flac", play(seed, DURATION_S), MUSIC_SR)
    with open_library(folder / "library.db") as library:
        library.index([folder], embeddings=False, jobs=1)
    return f"sqlite:///{folder / 'library.db'}"


@pytest.fixture
def library(url: str) -> Iterator[Library]:
    with open_library(url, read_only=True) as library:
        yield library


@pytest.fixture(scope="module")
def originals(url: str) -> dict[int, Floats]:
    """The samples of each track at 8 kHz, (n,) float32."""
    with open_library(url, read_only=True) as library:
        return {track.id: read_samples(str(track.path), 8000) for track in library.tracks()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.name[:2] != "sp"], ids=lambda kind: kind.name
)
def test_a_copy_knows_which_second_of_the_original_sounds(
    kind: CopyKind, library: Library, originals: dict[int, Floats], tmp_path: Path
) -> None:
    copy = next(iter(make_copies(kind, list(library.tracks()), tmp_path, 1)))
    samples = read_samples(copy.path, 8000)
    found = []
    for at_s in np.linspace(1.0, len(samples) / 8000 - 2, 16):
        if source := copy.source(at_s):
            original = originals[source[0]][round((source[1] - 0.05) * 8000) :][: 8000 + 800]
            found.append(likeness(samples[round(at_s * 8000) :][:8000], original))
    assert len(found) >= 10
    assert np.median(found) > 0.9


def test_an_inserted_passage_has_no_original() -> None:
    copy = Copy(Path("copy"), [7], [Piece(0, 0, 10), Piece(25, 10, 5)], speed=1.0)
    assert copy.source(9.0) == (7, 9.0)
    assert copy.source(20.0) is None
    assert copy.source(26.0) == (7, 11.0)
    assert replace(copy, speed=2.0).source(3.0) == (7, 6.0)
    mix = Copy(Path("mix"), [7, 8], [Piece(0, 0, 10), Piece(10, 0, 10)])
    assert mix.source(12.0) == (8, 2.0)


def group(*ids: int, offset_s: float = 0.0, kind: str = "same") -> DuplicateGroup:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    tracks = tuple(
        Track(id_, f"{id_}.flac", *[None] * 6, 60.0, f"{id_:032x}", None, now) for id_ in ids
    )
    evidence = (Evidence(ids[0], ids[1], offset_s, 50.0, 0.99, max(0.0, offset_s)),)
    return DuplicateGroup(kind, tracks, evidence)


def test_groups_are_compared_with_what_copies_were_made_of() -> None:
    copies = {
        id_: Copy(Path(str(id_)), [original], [Piece(0, 20, 60)])
        for id_, original in ((11, 1), (12, 2), (13, 3), (14, 4))
    }
    groups = [
        group(1, 11, offset_s=20.0),  # found, in place
        group(2, 12, offset_s=21.0, kind="part"),  # found, out of place
        group(5, 13),  # wrong
        group(6, 14),  # a duplicate of the original since before
        group(7, 8),  # none of the copies
    ]
    result = judge_groups("trim", groups, copies, {(4, 6)})
    assert (result.found, result.same, result.part) == (Rate(2, 4), 1, 1)
    assert result.placed == Rate(3, 6)
    assert result.wrong == Rate(1, 4)


@pytest.mark.slow
def test_copies_of_the_library_are_found_and_the_library_is_left_alone(library: Library) -> None:
    done = []
    plan = DuplicatesPlan(tracks=2, seed=1, kinds=SELECTED)
    report = evaluate_duplicates(library, plan, lambda now: done.append((now.done, now.total)))
    assert [each.kind for each in report.kinds] == ["mp3-64k", "cut-20s", "mix"]
    assert report.copied == 2
    for each in report.kinds:
        assert each.found == Rate(2, 2)
        assert each.placed.share == 1.0 and each.placed.total
        assert each.wrong.count == 0
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert len(list(library.tracks())) == 2


@pytest.mark.slow
def test_a_track_that_cannot_be_read_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    for seed in range(2):
        soundfile.write(tmp_path / f"{seed}.flac", play(seed, DURATION_S), MUSIC_SR)
    with open_library(tmp_path / "library.db") as library:
        library.index([tmp_path], embeddings=False, jobs=1)
        (tmp_path / "0.flac").write_bytes(b"no audio any more")
        plan = DuplicatesPlan(tracks=2, kinds=SELECTED[:1])
        report = evaluate_duplicates(library, plan)
        (problem,) = report.problems
        assert problem.path == str(tmp_path / "0.flac") and "0.flac: " in problem.message
        assert (report.copied, report.kinds[0].found) == (1, Rate(1, 1))
        assert report.to_json()["unreadable"] == [problem.message]
        (tmp_path / "1.flac").write_bytes(b"nor this")
        with pytest.raises(UsageError, match="none of 2 tracks can be read"):
            evaluate_duplicates(library, plan)


@pytest.mark.slow
def test_without_music_nothing_is_copied(library: Library) -> None:
    with pytest.raises(UsageError, match="no file of a track is there"):
        evaluate_duplicates(library, DuplicatesPlan(sources=["/nowhere"]))


@pytest.mark.slow
def test_the_command_prints_a_table_json_and_a_file(url: str, tmp_path: Path) -> None:
    command = ["--db", url, "evaluate", "duplicates", "excerpt-30s", "--tracks", "1"]
    run = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "found.json")])
    assert run.exit_code == 0, run.output
    assert run.output.split("\n")[1].split()[:4] == ["excerpt-30s", "1", "of", "1"]
    written = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    run = CliRunner().invoke(app, [*command, "--json"])
    record = json.loads(run.output)
    for each in (written, record):
        del each["kinds"][0]["elapsed_s"]
    assert record == written
    assert {"seed", "corpus", "commit", "machine", "copied", "unreadable", "kinds"} <= set(record)
    run = CliRunner().invoke(app, ["--db", url, "evaluate", "duplicates", "vinyl"])
    assert run.exit_code == 2
