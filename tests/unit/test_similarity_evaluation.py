"""The measures of neighbours on hand-made matrices, and a whole run on synthetic music."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import stats
from typer.testing import CliRunner

from fingerprinter.cli.app import app
from fingerprinter.errors import UsageError
from fingerprinter.evaluation import SimilarityPlan, evaluate_similarity
from fingerprinter.evaluation.halves import spans
from fingerprinter.evaluation.metrics import Mean
from fingerprinter.evaluation.neighbours import hubness, label_share, nearest, right_ranks
from fingerprinter.evaluation.similarity import cosines
from fingerprinter.library import Library, open_library
from tests.synthetic import SR, play

PIECES = 5
NOTHING = np.eye(4, dtype=bool)  # but the query itself is left out
ALIKE = np.array(
    [[1.0, 0.9, 0.5, 0.1], [0.9, 1.0, 0.2, 0.3], [0.5, 0.2, 1.0, 0.6], [0.1, 0.3, 0.6, 1.0]],
    np.float32,
)


def test_the_rank_counts_wrong_answers_before_the_right_one() -> None:
    right = np.array([[0, 0, 1, 0], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], bool)
    assert right_ranks(ALIKE, right).tolist() == [3, 2, 1, 1]


def test_a_tie_does_not_count_as_right() -> None:
    similarities = np.zeros((1, 5), np.float32)
    assert right_ranks(similarities, np.array([[0, 0, 1, 0, 0]], bool)).tolist() == [5]


def test_shares_count_queries_that_have_an_answer() -> None:
    labels = ["a", "a", "a", None]
    assert label_share(ALIKE, labels, NOTHING, 1) == Mean.of(np.array([1.0, 1.0, 0.0]))
    assert label_share(ALIKE, labels, NOTHING, 2).share == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert label_share(ALIKE, ["a", "b", "c", None], NOTHING, 2).total == 0
    elsewhere = NOTHING | (np.arange(4) == 1) | (np.arange(4)[:, np.newaxis] == 1)
    assert label_share(ALIKE, labels, elsewhere, 1).total == 2


def test_hubness_is_the_skewness_of_appearances() -> None:
    rng = np.random.default_rng(0)
    similarities = rng.random((60, 60), np.float32) + np.linspace(0, 1, 60, dtype=np.float32) ** 4
    itself = np.eye(60, dtype=bool)
    times = np.zeros(60, int)
    for row in nearest(similarities, itself, 5):
        times[row] += 1
    found = hubness(similarities, itself, 5)
    assert found.skew == pytest.approx(stats.skew(times))
    assert found.largest == times.max()
    assert found.orphans.count == (times == 0).sum()
    assert found.coverage.count + found.orphans.count == 60


def test_a_track_is_never_its_own_neighbour() -> None:
    assert hubness(ALIKE, NOTHING, 10).largest == 3


def test_a_mean_has_an_interval() -> None:
    values = np.random.default_rng(1).random(400)
    low, high = Mean.of(values).interval
    assert low < 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.01)
    assert Mean.of(np.empty(0)).interval == (0, 1)


def test_cosines_are_of_standardised_dimensions() -> None:
    rows = np.random.default_rng(0).normal(3, 2, (20, 6)).astype(np.float32)
    z = stats.zscore(rows, axis=0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(cosines(rows, rows), z @ z.T, atol=1e-4)


@pytest.mark.parametrize("duration_s", [20.0, 200.0, 4000.0])
def test_the_halves_do_not_overlap(duration_s: float) -> None:
    (first_s, length_s), (second_s, also_s) = spans(duration_s)
    assert first_s + length_s <= duration_s / 2 <= second_s
    assert second_s + also_s <= duration_s
    assert length_s == also_s <= 120


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("similarity")
    for seed in range(PIECES):
        soundfile.write(folder / f"{seed}.flac", play(seed, 24), SR)
    with open_library(folder / "library.db") as library:
        library.index([folder], embeddings=False, jobs=1)
    return f"sqlite:///{folder / 'library.db'}"


@pytest.fixture
def library(url: str) -> Iterator[Library]:
    with open_library(url) as library:
        yield library


@pytest.mark.slow
def test_a_run_asks_every_system_and_can_be_repeated(library: Library) -> None:
    plan = SimilarityPlan(tracks=4, seed=1)
    report = evaluate_similarity(library, plan)
    assert report.drawn == 4
    names = [each.name for each in report.systems]
    assert names == [
        "chance",
        "MFCC statistics",
        "musicnn, cosine",
        "default, hubs left",
        "default",
    ]
    assert report.systems[-1].other_half_first.total == 8
    again = evaluate_similarity(library, plan)
    assert again.to_json()["systems"] == report.to_json()["systems"]


@pytest.mark.slow
def test_the_same_recording_counts_as_found(library: Library, tmp_path: Path) -> None:
    paths = [str(track.path) for track in library.tracks()]
    report = evaluate_similarity(library, SimilarityPlan(groups=[paths]))
    assert {each.other_half_first.share for each in report.systems} == {1.0}


@pytest.mark.slow
def test_ctrl_c_keeps_the_tracks_that_were_embedded(library: Library) -> None:
    def stop(now: object) -> None:
        if getattr(now, "done", 0) == 3:
            raise KeyboardInterrupt

    report = evaluate_similarity(library, SimilarityPlan(), stop)
    assert (report.drawn, report.interrupted) == (3, True)


@pytest.mark.slow
def test_at_least_two_tracks_are_needed(library: Library) -> None:
    one = str(next(library.tracks()).path)
    with pytest.raises(UsageError, match="1 tracks could be embedded; two are needed"):
        evaluate_similarity(library, SimilarityPlan(sources=[one]))


@pytest.mark.slow
def test_the_command_prints_tables_and_json(url: str) -> None:
    run = CliRunner().invoke(app, ["--db", url, "evaluate", "similarity", "--tracks", "3"])
    assert run.exit_code == 0, run.output
    for text in ("other half first", "musicnn, cosine", "largest hub", "seed 0, 3 of 5 tracks"):
        assert text in run.output
    run = CliRunner().invoke(
        app, ["--db", url, "evaluate", "similarity", "--tracks", "3", "--json"]
    )
    record = json.loads(run.output)
    assert record["drawn"] == 3
    assert {"seed", "corpus", "commit", "models", "systems"} <= set(record)
    assert record["systems"][-1]["hubness"]["k"] == 10
