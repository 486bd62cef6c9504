"""A tiny text-audio model that distinguishes low from high sounds and knows both words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

SR = 8_000
WINDOW = 4_000  # samples
BANDS = 16
FRONT_END = {"n_fft": 256, "hop_length": 128, "n_mels": BANDS, "f_min": 0, "f_max": 4000}
LOW_HZ, HIGH_HZ = 200, 3000
WORDS = {"low": 0, "high": 1, "any": 2}
VECTORS = [[1, 0], [0, 1], [1, 1]]  # of the words

Graph = tuple[list[Any], list[Any], list[Any], dict[str, npt.NDArray[Any]]]


def make_text_model(folder: Path, *, of_samples: bool = False) -> Path:
    """Write the model into a new folder; with `of_samples` its audio network takes samples."""
    folder.mkdir()
    save(folder / "audio.onnx", by_sine() if of_samples else by_band())
    save(folder / "text.onnx", by_word())
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="any"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    parts = {
        "audio": {"file": "audio.onnx", "output": "vector"},
        "text": {"file": "text.onnx", "output": "vector"},
        "tokenizer": {"file": "tokenizer.json"},
    }
    fields = {"sr": SR, "window_s": WINDOW / SR, "front_end": None if of_samples else FRONT_END}
    (folder / "manifest.json").write_text(json.dumps(fields | parts), encoding="utf-8")
    sign(folder)
    return folder


def sign(folder: Path) -> None:
    """Write the current digests of the files into the manifest."""
    fields = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name in ("audio", "text", "tokenizer"):
        data = (folder / fields[name]["file"]).read_bytes()
        fields[name]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(fields), encoding="utf-8")


def save(path: Path, graph: Graph) -> None:
    nodes, inputs, outputs, constants = graph
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def floats(name: str, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def by_band() -> Graph:
    """Audio network on mel bands: the shares of the lower and the upper half."""
    halves = np.repeat(np.eye(2, dtype=np.float32), BANDS // 2, axis=0)
    nodes = [
        helper.make_node("ReduceMean", ["mels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["share"], axis=1),
        helper.make_node("MatMul", ["share", "halves"], ["vector"]),
    ]
    mels = floats("mels", 1, 1, "frames", BANDS)
    return nodes, [mels], [floats("vector", 1, 2)], {"halves": halves}


def by_sine() -> Graph:
    """Audio network on samples: the power of a low and of a high sine."""
    times = np.arange(WINDOW)[:, np.newaxis] / SR
    sines = np.exp(2j * np.pi * times * [LOW_HZ, HIGH_HZ])
    parts = np.concatenate([sines.real, sines.imag], axis=1).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["samples", "sines"], ["parts"]),
        helper.make_node("Mul", ["parts", "parts"], ["squares"]),
        helper.make_node("MatMul", ["squares", "both"], ["vector"]),
    ]
    both = np.concatenate([np.eye(2), np.eye(2)]).astype(np.float32)
    constants = {"sines": parts, "both": both}
    return nodes, [floats("samples", 1, WINDOW)], [floats("vector", 1, 2)], constants


def by_word() -> Graph:
    """Text network: the mean of the vectors of the words."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["each"], axis=0),
        helper.make_node("ReduceMean", ["each"], ["vector"], axes=[1], keepdims=0),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ("n", "tokens"))
    table = np.array(VECTORS, np.float32)
    return nodes, [ids], [floats("vector", "n", table.shape[1])], {"table": table}
