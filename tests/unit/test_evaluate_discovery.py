"""`evaluate paths` and `evaluate recommend` on a library of given vectors and names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fake_library import FakeTrack, add_fake_tracks
from typer.testing import CliRunner

from fingerprinter.cli.app import app
from fingerprinter.errors import UsageError
from fingerprinter.evaluation.listeners import simulate_listeners
from fingerprinter.evaluation.paths import (
    PathsPlan,
    evaluate_paths,
    largest_step,
    straight_line,
)
from fingerprinter.evaluation.recommend import RecommendPlan, evaluate_recommend
from fingerprinter.library import Library, open_library

GENRES, OF_EACH = 6, 12


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six genres, each with its artist and its corner of the space."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((GENRES, 12))
    shelved = [
        FakeTrack(
            f"{genre}-{number}",
            artist=f"artist {genre}",
            genre=f"genre {genre}",
            vector=(centres[genre] + 0.3 * rng.standard_normal(12)).tolist(),
        )
        for genre in range(GENRES)
        for number in range(OF_EACH)
    ]
    path = tmp_path_factory.mktemp("discovery") / "library.db"
    add_fake_tracks(str(path), shelved)
    return f"sqlite:///{path}"


@pytest.fixture
def library(
    url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    monkeypatch.setenv("FINGERPRINTER_CACHE", str(tmp_path_factory.mktemp("cache")))
    with open_library(url, read_only=True) as library:
        yield library


def test_the_straight_line_takes_each_track_once(library: Library) -> None:
    space = library.library_vectors()
    line = straight_line(space, (3, 50), 10)
    assert (line[0], line[-1], len(set(line))) == (3, 50, 10)
    assert largest_step(space, [3, 3]) == pytest.approx(0, abs=1e-6)
    steps = [largest_step(space, pair) for pair in pairwise(line)]
    assert largest_step(space, line) == max(steps)


@pytest.mark.slow
def test_paths_have_smaller_steps_than_random_tracks(library: Library) -> None:
    plan = PathsPlan(pairs=6, lengths=(5, 8), seed=1)
    report = evaluate_paths(library, plan)
    assert [each.length for each in report.lengths] == [5, 8]
    for each in report.lengths:
        assert each.medians["path"] <= each.medians["line"] + 1e-6
        assert each.medians["path"] < each.medians["random"]
        assert each.smoother.total == 6
    again = evaluate_paths(library, plan)
    np.testing.assert_array_equal(again.lengths[0].path, report.lengths[0].path)


def test_an_interrupted_run_keeps_the_lengths_that_are_done(library: Library) -> None:
    def interrupt(now: object) -> None:
        if getattr(now, "done", 0) == 3:
            raise KeyboardInterrupt

    report = evaluate_paths(library, PathsPlan(pairs=2, lengths=(5, 8)), interrupt)
    assert (len(report.lengths), report.interrupted) == (1, True)


def test_listeners_like_what_belongs_together(library: Library) -> None:
    tracks = list(library.tracks())
    found = simulate_listeners(tracks, 50, 1)
    genres = np.array([track.genre for track in tracks])
    of_one = found.taste[:, genres == "genre 0"]
    assert of_one.var(axis=1).mean() < 0.8 * found.taste.var(axis=1).mean()
    assert (found.plays.sum(axis=1) >= 5).all()
    np.testing.assert_array_equal(found.plays, simulate_listeners(tracks, 50, 1).plays)


@pytest.mark.slow
def test_recommendations_are_better_than_chance(library: Library) -> None:
    report = evaluate_recommend(library, RecommendPlan(listeners=40, histories=True, seed=2))
    found = {(row.task, row.method): row for row in report.rows}
    assert len({task for task, _ in found}) == 6
    for task in ("3 likes, 2 dislikes", "histories, new tracks"):
        ours, chance = found[task, "library"], found[task, "random"]
        assert (ours.auc.share or 0) > (chance.auc.share or 0) + 0.05
        assert (ours.precision.share or 0) > (chance.precision.share or 0)
    bound = found["histories", "upper bound"].auc.share or 0
    assert bound > (found["histories", "library"].auc.share or 1)


def test_a_library_without_embeddings_is_refused(tmp_path: Path) -> None:
    with open_library(tmp_path / "empty.db") as library:
        with pytest.raises(UsageError, match="0 tracks have an embedding; a path needs three"):
            evaluate_paths(library, PathsPlan())
        with pytest.raises(UsageError, match="0 tracks have an embedding; 40 are needed"):
            evaluate_recommend(library, RecommendPlan())


@pytest.mark.parametrize(
    ("command", "text", "key"),
    [
        (["paths", "--pairs", "2", "-n", "4"], "largest step", "lengths"),
        (["recommend", "--listeners", "5"], "average precision", "rows"),
    ],
)
def test_the_commands_print_tables_and_json(
    command: list[str], text: str, key: str, url: str, library: Library
) -> None:
    run = CliRunner().invoke(app, ["--db", url, "evaluate", *command])
    assert run.exit_code == 0, run.output
    assert text in run.output and "seed 0" in run.output
    run = CliRunner().invoke(app, ["--db", url, "evaluate", *command, "--json"])
    assert {"seed", "corpus", "commit", "machine", key} <= set(json.loads(run.output))
