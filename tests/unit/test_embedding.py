"""Windows, network, model: what a track's vector is and what it does not depend on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.embedding import EmbeddingModel, VectorIndex, load_model
from fingerprinter.embedding.model import DEFAULT_WEIGHTS, MUSICNN_WEIGHTS
from fingerprinter.embedding.windows import Sampling, WindowSampler, at_level
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]

MUSIC = Path(__file__).resolve().parents[1] / "music"
SMALL = Sampling(window=8, min_windows=3, max_stride=4, max_windows=20)


@pytest.fixture(scope="module")
def model() -> EmbeddingModel:
    return load_model()


def test_a_model_keeps_no_reports_of_its_use(tmp_path: Path) -> None:
    program = "import numpy as np; from fingerprinter.embedding import load_model as load;"
    program += "model = load();"
    program += "model.embed(np.ones((1, model.sampling.window), np.float32))"
    hidden = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    subprocess.run([sys.executable, "-c", program], env={**env, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []


def noise(n: int, level: float = 0.1) -> Floats:
    return (level * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def sampled(blocks: list[Floats], sampling: Sampling) -> Floats:
    sampler = WindowSampler(sampling)
    for block in blocks:
        sampler.push(block)
    return sampler.windows()


# Windows


def evenly_spread(samples: Floats, sampling: Sampling) -> Floats:
    """Plain reference implementation, which knows the length beforehand."""
    last, stride = len(samples) - sampling.window, sampling.window
    while (
        last // stride >= 2 * sampling.min_windows
        and stride < sampling.max_stride * sampling.window
    ):
        stride *= 2
    while last // stride >= sampling.max_windows:
        stride *= 2
    return np.stack([samples[i : i + sampling.window] for i in range(0, last + 1, stride)])


@given(length=st.integers(SMALL.window, 2000), cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_windows_do_not_depend_on_block_boundaries(length: int, cuts: list[int]) -> None:
    samples = np.arange(1, length + 1, dtype=np.float32) + 1000  # all equally loud, all different
    blocks = np.split(samples, sorted(min(cut, length) for cut in cuts))
    np.testing.assert_array_equal(sampled(blocks, SMALL), evenly_spread(samples, SMALL))


@given(length=st.integers(SMALL.window * 7, 5000))
def test_the_number_of_windows_is_bounded(length: int) -> None:
    count = len(sampled([np.ones(length, np.float32)], SMALL))
    near = length < 2 * SMALL.min_windows * SMALL.max_stride * SMALL.window
    assert SMALL.min_windows < count <= (2 * SMALL.min_windows if near else SMALL.max_windows)


@given(length=st.integers(0, 2000), silent=st.integers(0, 2000))
def test_starts_are_the_positions_of_the_windows(length: int, silent: int) -> None:
    samples = np.arange(1, length + 1, dtype=np.float32) + 1000
    samples[silent : silent + 100] = 0
    sampler = WindowSampler(SMALL)
    sampler.push(samples)
    windows, starts = sampler.windows(), sampler.starts()
    assert len(windows) == len(starts) >= 1
    if length >= SMALL.window:
        for window, start in zip(windows, starts, strict=True):
            np.testing.assert_array_equal(window, samples[start : start + SMALL.window])


def test_short_audio_is_repeated() -> None:
    windows = sampled([np.array([1, 2, 3], np.float32)], SMALL)
    np.testing.assert_array_equal(windows, [[1, 2, 3, 1, 2, 3, 1, 2]])


def test_no_audio_is_one_window_of_silence() -> None:
    np.testing.assert_array_equal(sampled([], SMALL), np.zeros((1, 8)))


def test_nearly_silent_windows_are_left_out() -> None:
    loud, faint = np.full(8, 0.5, np.float32), np.full(8, 0.004, np.float32)
    np.testing.assert_array_equal(sampled([faint, loud, loud, faint], SMALL), [loud, loud])


def test_windows_of_a_silent_track_are_kept() -> None:
    assert sampled([np.zeros(24, np.float32)], SMALL).shape == (3, 8)


@given(exponent=st.integers(-8, 4))
def test_all_windows_get_the_same_gain(exponent: int) -> None:
    windows = np.stack([noise(1000), 3 * noise(1000)]) * np.float32(10.0**exponent)
    scaled = at_level(windows, -20)
    assert np.sqrt(np.square(scaled).mean()) == pytest.approx(0.1, rel=1e-4)
    np.testing.assert_allclose(scaled[1], 3 * scaled[0], rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 1e-45, 1e-30])
def test_silence_is_not_amplified(level: float) -> None:
    windows = np.full((2, 8), level, np.float32)
    np.testing.assert_array_equal(at_level(windows, -20), windows)


# The network


@pytest.mark.parametrize("weights", [DEFAULT_WEIGHTS, MUSICNN_WEIGHTS])
def test_weights_cards_and_licence_are_in_the_package(weights: Path) -> None:
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == card["sha256"]
    assert card["sha256"] in weights.with_suffix(".md").read_text(encoding="utf-8")
    licence = (weights.parent / "LICENSE.musicnn").read_text(encoding="utf-8")
    assert "ISC" in card["licence"] and "Universitat Pompeu Fabra" in licence


def test_weights_are_small() -> None:
    assert DEFAULT_WEIGHTS.stat().st_size < 10_000_000


# Output of the musicnn package, its graph and checkpoint, in TensorFlow 2.21 on the patch below.
TENSORFLOW_TAGS = """
    -1.4488 -2.5050 -3.6884 -4.4613 -2.5704 -3.2307 -2.8373 -5.3133 -4.4615 -4.1558
    -4.8256 -3.2609 -5.3777 -4.6322 -2.3660 -4.8159 -5.2429 -5.6979 -4.0065 -2.4404
    -4.9750 -3.4638 -6.1520 -2.7276 -5.8245 -5.3019 -4.9015 -2.2210 -3.6964 -6.2615
    -3.3769 -5.3713 -4.6680 -6.3600 -4.3190 -5.0152 -5.9532 -5.4415 -5.3126 -5.5025
    -4.8697 -4.5968 -3.2563 -3.0001 -5.0749 -4.7421 -7.2001 -6.1356 -3.9330 -7.0336"""
TENSORFLOW_EVERY_TENTH_PENULTIMATE = """
    -0.1772 1.6953 0.2313 -0.4589 -0.1359 1.0103 -0.2499 -0.9267 0.8096 -0.3639
    -0.1801 -0.0262 -0.1574 -0.3919 -0.4898 -0.2805 -0.2316 -0.7458 -0.2131 0.3349"""
TENSORFLOW_EVERY_TENTH_MEAN_POOL = """
    -3.2366 -0.5345 -0.9506 -3.9097 2.2031 -0.9091 -1.3992 3.4703 -0.4802 -1.7673 -0.9977
    -1.3199 -0.9003 -1.5034 0.4676 1.1507 0.9398 -1.4402 1.9031 0.3596 2.1460 -0.2624"""


def test_the_network_reproduces_the_published_musicnn() -> None:
    time, mel = np.mgrid[0:187, 0:96]
    patch = (0.8 * (1 + np.sin(0.9 * time * (mel + 3) / 30))).astype(np.float32)
    session = onnxruntime.InferenceSession(MUSICNN_WEIGHTS)
    names = ["tags", "penultimate", "mean_pool"]
    tags, penultimate, mean_pool = session.run(names, {"log_mel": patch[np.newaxis]})
    found = tags[0], penultimate[0, ::10], mean_pool[0, ::10]
    expected = (
        TENSORFLOW_TAGS,
        TENSORFLOW_EVERY_TENTH_PENULTIMATE,
        TENSORFLOW_EVERY_TENTH_MEAN_POOL,
    )
    for values, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, np.array(reference.split(), float), atol=1.5e-4)


# The model


def test_tags_are_those_of_musicnn(model: EmbeddingModel) -> None:
    windows, musicnn = noise(model.sampling.window)[np.newaxis], load_model(MUSICNN_WEIGHTS)
    assert model.tags == musicnn.tags
    np.testing.assert_allclose(model.embed(windows).tags, musicnn.embed(windows).tags, atol=1e-5)
    assert model.digest != musicnn.digest


def test_both_models_have_the_same_front_end(model: EmbeddingModel) -> None:
    assert model.sampling == load_model(MUSICNN_WEIGHTS).sampling
    cards = [
        json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        for weights in (DEFAULT_WEIGHTS, MUSICNN_WEIGHTS)
    ]
    assert cards[0]["front_end"] == cards[1]["front_end"]
    assert cards[0]["trunk"]["sha256"] == cards[1]["sha256"]


def excerpt(path: Path, sr: int) -> Floats:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled: Floats = soxr.resample(samples.mean(axis=1), rate, sr)
    return resampled


def vector(model: EmbeddingModel, samples: Floats) -> Floats:
    sampler = model.sampler()
    sampler.push(samples)
    return model.embed(sampler.windows()).vector


def cosine(a: Floats, b: Floats) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_shapes_and_names(model: EmbeddingModel) -> None:
    embedding = model.embed(noise(2 * model.sampling.window).reshape(2, -1))
    assert embedding.vector.shape == (model.dim,) == (128,)
    assert embedding.tags.shape == (len(model.tags),) == (50,)
    assert embedding.vector.dtype == embedding.tags.dtype == np.float32
    assert model.sr == 16_000


@pytest.mark.parametrize("seconds", [0, 0.01, 1, 10])
def test_silence_has_a_finite_vector(model: EmbeddingModel, seconds: float) -> None:
    assert np.isfinite(vector(model, np.zeros(int(seconds * model.sr), np.float32))).all()


def test_vector_does_not_depend_on_gain(model: EmbeddingModel) -> None:
    samples = excerpt(MUSIC / "stephen_m_cameron-lucky_13.ogg", model.sr)
    quiet = samples * np.float32(0.25)
    np.testing.assert_allclose(vector(model, quiet), vector(model, samples), atol=1e-3)


def test_vector_is_stable_under_a_shift_of_the_windows(model: EmbeddingModel) -> None:
    samples = excerpt(MUSIC / "kenta_cho-stg3.ogg", model.sr)
    assert cosine(vector(model, samples), vector(model, samples[model.sr :])) > 0.93


def test_track_is_the_mean_of_its_windows(model: EmbeddingModel) -> None:
    windows = noise(2 * model.sampling.window).reshape(2, -1)
    windows /= np.sqrt(np.square(windows).mean(axis=1, keepdims=True))
    each = [model.embed(window[np.newaxis]) for window in windows]
    both = model.embed(windows)
    np.testing.assert_allclose(both.vector, np.mean([e.vector for e in each], 0), atol=1e-3)
    np.testing.assert_allclose(both.tags, np.mean([e.tags for e in each], 0), atol=1e-3)


@pytest.mark.slow
def test_the_nearest_neighbour_is_the_other_half_of_a_track(model: EmbeddingModel) -> None:
    halves = [
        np.array_split(excerpt(path, model.sr), 2)
        for path in sorted(MUSIC.iterdir())
        if path.suffix in {".ogg", ".opus"}
    ]
    first, second = (np.stack([vector(model, pair[i]) for pair in halves]) for i in (0, 1))
    index = VectorIndex.build(np.arange(len(halves)), first)
    nearest = [index.search(query, 1)[0][0] for query in second]
    assert np.mean(nearest == np.arange(len(halves))) >= 0.8


@pytest.mark.parametrize(
    ("tag", "more", "less"),
    [
        ("metal", "stephen_m_cameron-lucky_13.ogg", "maxstack-through_space.opus"),
        ("electronic", "kenta_cho-stg1.opus", "obsidian_shell-ezer_ev.opus"),
        ("ambient", "christian_hoffmann-wingame.opus", "stephen_m_cameron-lucky_13.ogg"),
    ],
)
def test_tags_distinguish_kinds_of_music(
    model: EmbeddingModel, tag: str, more: str, less: str
) -> None:
    def logit(name: str) -> float:
        sampler = model.sampler()
        sampler.push(excerpt(MUSIC / name, model.sr))
        return float(model.embed(sampler.windows()).tags[model.tags.index(tag)])

    assert logit(more) > logit(less) + 1


# Damaged files


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    for path in (DEFAULT_WEIGHTS, DEFAULT_WEIGHTS.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / DEFAULT_WEIGHTS.name


def change_card(weights: Path, **changes: object) -> None:
    card = weights.with_suffix(".json")
    fields = json.loads(card.read_text(encoding="utf-8")) | changes
    card.write_text(json.dumps(fields), encoding="utf-8")


def test_missing_weights(weights: Path) -> None:
    weights.unlink()
    with pytest.raises(ModelError, match=r"similarity\.onnx: No such file.*; reinstall"):
        load_model(weights)


def test_missing_card(weights: Path) -> None:
    weights.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"similarity\.json: No such file.*; reinstall"):
        load_model(weights)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "", "front_end": {"sr": 1, "x": 2}}'])
def test_an_invalid_card(weights: Path, text: str) -> None:
    weights.with_suffix(".json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="not a model card"):
        load_model(weights)


def test_weights_with_another_digest(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"SHA-256 .* card says"):
        load_model(weights)


def test_weights_that_are_not_a_network(weights: Path) -> None:
    weights.write_bytes(b"no network")
    change_card(weights, sha256=hashlib.sha256(b"no network").hexdigest())
    model = load_model(weights)
    with pytest.raises(ModelError, match="cannot be used") as caught:
        model.embed(np.zeros((1, model.sampling.window), np.float32))
    assert "\n" not in str(caught.value)


def test_digest_covers_the_front_end(model: EmbeddingModel, weights: Path) -> None:
    assert load_model(weights).digest == model.digest
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    change_card(weights, front_end=card["front_end"] | {"gain": 1000.0})
    assert load_model(weights).digest != model.digest


def test_importing_the_package_loads_no_heavy_library() -> None:
    """Identifying a clip must not load onnxruntime or FAISS."""
    program = (
        "import sys; from fingerprinter.embedding import load_model;"
        "load_model().digest; print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"onnxruntime", "faiss", "librosa", "scipy"} & set(run.stdout.split())


def test_a_process_that_only_decodes_loads_no_database() -> None:
    """`import fingerprinter` loads the library at its first use."""
    program = "import sys, fingerprinter.audio; print('sqlalchemy' in sys.modules);"
    program += "from fingerprinter import *; print(open_library.__module__)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "fingerprinter.library.opening"]
