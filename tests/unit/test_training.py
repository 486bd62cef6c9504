"""Training of the similarity model: small runs on real excerpts, and the exported network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from fingerprinter.embedding import load_model
from fingerprinter.embedding.model import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
MUSIC = ROOT / "tests" / "music"
TRAIN = ROOT / "scripts" / "train"
GAMES = {  # two excerpts of each maker
    "one": ("kenta_cho-stg1.opus", "kenta_cho-stg3.ogg"),
    "two": ("obsidian_shell-ezer_ev.opus", "obsidian_shell-farkaskonny.opus"),
    "three": ("maxstack-orbital_elevator.opus", "maxstack-through_space.opus"),
}


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the script, which is no package."""
    monkeypatch.syspath_prepend(str(TRAIN))
    import corpus
    import features
    import projection
    import trunk

    modules = (corpus, features, projection, trunk)
    return SimpleNamespace(**{module.__name__: module for module in modules})


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for game, files in GAMES.items():
        (folder / game).mkdir()
        for file in files:
            shutil.copy(MUSIC / file, folder / game)
    return folder


def run(music: Path, out: Path, *more: str) -> str:
    command = [sys.executable, str(TRAIN / "train.py"), str(music), "-o", str(out), *more]
    ended = subprocess.run(
        [*command, "--jobs", "1"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return ended.stdout


@pytest.mark.slow
def test_training_exports_a_model_and_reuses_features(music: Path, tmp_path: Path) -> None:
    run(music, tmp_path)
    first = (tmp_path / "similarity.onnx").read_bytes()
    features = sorted((tmp_path / "features").iterdir())
    times = [path.stat().st_mtime_ns for path in features]
    assert len(features) == 6
    run(music, tmp_path)
    assert (tmp_path / "similarity.onnx").read_bytes() == first
    assert [path.stat().st_mtime_ns for path in features] == times
    model = load_model(tmp_path / "similarity.onnx")
    assert (model.dim, len(model.tags)) == (128, 50)
    assert np.isfinite(model.embed(noise(model.sampling.window)).vector).all()
    card = (tmp_path / "similarity.md").read_text(encoding="utf-8")
    assert "Data: 4 tracks" in card and "of 2 artists" in card  # a third is held out


def noise(window: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((1, window)).astype(np.float32)


def test_a_changed_version_depends_on_track_and_seed_only(training: Any, music: Path) -> None:
    track = training.corpus.read_corpus(music, 1)[0]
    samples = training.features.read_samples(track.path)
    one, same, other = (
        training.features.version(samples, training.features.generator(track, seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert one.shape[1] == other.shape[1] == training.features.WINDOW
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_front_end_of_the_training_is_that_of_the_model(training: Any) -> None:
    model, trunk = load_model(), training.features.trunk()
    windows = np.concatenate([noise(model.sampling.window), 0.1 * noise(model.sampling.window)])
    patches = training.features.log_mels(windows)
    network = onnxruntime.InferenceSession(DEFAULT_WEIGHTS)
    (vectors,) = network.run(["embedding"], {"log_mel": patches})
    np.testing.assert_allclose(model.embed_each(windows).vectors, vectors, atol=1e-5)
    exported = onnx.load(DEFAULT_WEIGHTS).graph.initializer
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in exported}
    projection = training.projection.Projection(
        weights["embedding_constant_0"], weights["embedding_constant_1"]
    )
    outputs = projection(trunk.run(patches)["statistics"])
    np.testing.assert_allclose(outputs, vectors, atol=1e-4)


def test_statistics_are_those_of_numpy(training: Any) -> None:
    patches = np.random.default_rng(0).gamma(0.3, size=(2, 187, 96)).astype(np.float32)
    statistics = training.features.trunk().run(patches)["statistics"]
    assert statistics.shape == (2, 800)
    motion = np.abs(np.diff(patches, axis=1)).mean(axis=1)
    expected = np.concatenate([patches.mean(axis=1), patches.std(axis=1), motion], axis=1)
    np.testing.assert_allclose(statistics[:, 512:], expected, atol=1e-5)


def test_held_out_artists_stay_out(training: Any, music: Path) -> None:
    tracks = training.corpus.read_corpus(music, 1)
    out = {track.artist for track in tracks if track.held_out}
    assert len(out) == 1 and not out & {t.artist for t in tracks if not t.held_out}
    assert [t.held_out for t in tracks] == [
        t.held_out for t in training.corpus.read_corpus(music, 1)
    ]


def features(training: Any, statistics: Any, length: int) -> Any:
    window = training.features.WINDOW
    return training.features.TrackFeatures(
        length=np.array(length * window),
        statistics=statistics,
        changed=statistics[:0],
        version=np.empty(0, np.int64),
    )


def made_up(training: Any, n: int = 60) -> Any:
    """Tracks that differ along two axes, with parts that differ along three louder others."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n):
        own = np.zeros(12)
        own[:2] = rng.standard_normal(2)
        windows = own + 0.05 * rng.standard_normal((16, 12))
        windows[:, 2:5] += 5 * np.repeat(rng.standard_normal((2, 3)), 8, axis=0)
        track = training.corpus.Track(Path(), f"{number}", f"{number}", f"{number}", True)
        rows.append((track, features(training, windows.astype(np.float32), 16)))
    return rows


def test_the_projection_ignores_differences_within_a_track(training: Any) -> None:
    music = made_up(training)
    recipe = training.projection.Recipe(dim=2, everything=0.0, ridge=0.001)
    projection = training.projection.learn(music, recipe)
    strength = np.abs(projection.matrix).sum(axis=1)
    assert strength[:2].min() > 10 * strength[2:5].max()
    tracks = np.array([projection(each.statistics).mean(axis=0) for _, each in music])
    assert tracks.std() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(tracks.mean(axis=0), 0, atol=1e-4)
