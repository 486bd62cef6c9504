"""A text-audio model in a folder: its vectors, and errors of damaged folders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
from text_model import FRONT_END, HIGH_HZ, LOW_HZ, SR, WINDOW, make_text_model, sign

from fingerprinter.embedding import FolderTextAudioModel
from fingerprinter.embedding.text_audio import DecibelMel
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_text_model(tmp_path / "model")


def sine(hz: float, seconds: float = 2.0) -> Floats:
    return (0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SR)) / SR)).astype(np.float32)


def embed(model: FolderTextAudioModel, samples: Floats) -> Floats:
    sampler = model.sampler()
    sampler.push(samples)
    return model.embed_audio(sampler.windows())


@pytest.mark.parametrize("of_samples", [False, True])
def test_matching_sound_and_text_have_similar_vectors(tmp_path: Path, of_samples: bool) -> None:
    model = FolderTextAudioModel(make_text_model(tmp_path / "model", of_samples=of_samples))
    model.check()
    sounds = np.stack([embed(model, sine(hz)) for hz in (LOW_HZ, HIGH_HZ)])
    words = np.stack([model.embed_text(word) for word in ("low", "high")])
    np.testing.assert_allclose(sounds @ words.T, np.eye(2), atol=0.05)
    np.testing.assert_allclose(np.linalg.norm([*sounds, *words], axis=1), 1, atol=1e-6)
    assert sounds.dtype == words.dtype == np.float32


def test_a_track_is_embedded_from_evenly_spaced_windows(folder: Path) -> None:
    model = FolderTextAudioModel(folder)
    track = np.concatenate([sine(LOW_HZ, 60), sine(HIGH_HZ, 60)])
    sampler = model.sampler()
    sampler.push(track)
    assert 4 <= len(sampler.windows()) <= 8
    assert embed(model, track) @ model.embed_text("low high") > 0.95
    assert model.embed_text("unheard of") == pytest.approx(model.embed_text("any"))


def test_decibels_agree_with_librosa() -> None:
    samples = np.random.default_rng(0).standard_normal((1, WINDOW)).astype(np.float32)
    ours = DecibelMel(**FRONT_END).compute(samples, SR)  # type: ignore[arg-type]
    names = {"f_min": "fmin", "f_max": "fmax"}
    given = {names.get(name, name): value for name, value in FRONT_END.items()}
    power = librosa.feature.melspectrogram(y=samples[0], sr=SR, pad_mode="reflect", **given)
    np.testing.assert_allclose(ours[0].T, 10 * np.log10(power), atol=1e-3)


# Damaged folders


def change(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    fields_before = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(fields_before | fields), encoding="utf-8")


def error_message(folder: Path) -> str:
    """Return the error message, which is one line."""
    with pytest.raises(ModelError) as caught:
        FolderTextAudioModel(folder).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    assert "nowhere/manifest.json: No such file" in error_message(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "fields",
    [
        {"front_end": {"n_fft": 256}},
        {"front_end": FRONT_END | {"gain": 2}},
        {"sr": "8 kHz"},
        {"window_s": 0},
        {"window_s": 0.01},
        {"audio": "audio.onnx"},
        {"text": {"file": "text.onnx"}},
    ],
)
def test_an_invalid_manifest(folder: Path, fields: dict[str, Any]) -> None:
    change(folder, **fields)
    assert "manifest.json: not a manifest (" in error_message(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_manifest_without_fields(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    assert "manifest.json: not a manifest (" in error_message(folder)


@pytest.mark.parametrize("name", ["audio.onnx", "text.onnx", "tokenizer.json"])
def test_damaged_and_missing_files(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data + b" ")
    assert f"{name}: SHA-256 " in error_message(folder)
    (folder / name).write_bytes(b"rubbish")
    sign(folder)
    assert f"{name}: cannot be used (" in error_message(folder)
    (folder / name).unlink()
    assert f"{name}: No such file or directory" in error_message(folder)


def test_networks_with_unexpected_inputs_or_outputs(folder: Path) -> None:
    fields = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(folder, front_end=FRONT_END | {"n_mels": 20})
    assert "audio.onnx: cannot be used (" in error_message(folder)
    change(folder, front_end=FRONT_END, audio=fields["audio"] | {"output": "mels"})
    assert "audio.onnx: cannot be used (" in error_message(folder)
    change(folder, audio=fields["text"])
    assert "text.onnx: cannot be used (" in error_message(folder)
    change(folder, audio=fields["audio"], text=fields["audio"])
    assert "audio.onnx: takes mels; export it with input_ids and attention_mask" in error_message(
        folder
    )


def test_networks_of_different_models(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("text_model.VECTORS", [[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    other = make_text_model(tmp_path / "other")
    assert "2 numbers for a sound, 3 for words" in error_message(other)


def test_without_tokenizers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert "`pip install tokenizers`" in error_message(folder)


def test_the_digest_depends_on_the_content_and_not_on_the_path(folder: Path) -> None:
    before = FolderTextAudioModel(folder).digest
    moved = folder.rename(folder.with_name("moved"))
    assert FolderTextAudioModel(moved).digest == before
    change(moved, front_end=FRONT_END | {"f_min": 20})
    assert FolderTextAudioModel(moved).digest != before
