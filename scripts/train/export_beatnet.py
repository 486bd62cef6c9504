"""The recipe of the beat model: the published BeatNet weights, as ONNX.

    python scripts/train/export_beatnet.py

Takes BeatNet 1.1.3 from PyPI (Heydari, Cwitkowitz & Duan 2021, "BeatNet: CRNN and particle
filtering for online joint beat downbeat and meter tracking", ISMIR; CC BY 4.0), reads its first
PyTorch checkpoint without PyTorch, and writes the weights, their card and their licence into
`fingerprinter/embedding/weights`. Needs the project's environment with `[train]`. The weights are
the same bytes each time.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx_graph import Graph, finished, value_info, write_card, write_network
from pypi import copy_licence, unpack_wheel

from fingerprinter.embedding.beats import BEAT_WEIGHTS, STATES

Floats = npt.NDArray[np.float32]
Variables = dict[str, Floats]

PACKAGE = "BeatNet==1.1.3"
WHEEL_SHA256 = "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e"
CHECKPOINT = "model_1_weights.pt"
KERNEL, POOLED, HIDDEN, CLASSES = 10, 262, 150, 3
# PyTorch has input, forget, cell and output gate in this order, ONNX input, output, forget, cell.
GATES = (0, 3, 1, 2)


class CheckpointReader(pickle.Unpickler):
    """The tensors of a PyTorch checkpoint as arrays; anything else in it is refused."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        super().__init__(archive.open(index))
        self._archive, self._root = archive, index.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Callable[..., Any] | str] = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": tensor,
            "torch.FloatStorage": "<f4",
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in weights")
        return known[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Floats:
        _, dtype, key, *_ = pid
        return np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)


def tensor(storage: Floats, offset: int, size: tuple[int, ...], *_: object) -> Floats:
    """A tensor that lies row by row in its storage, as all of these do."""
    return storage[offset : offset + int(np.prod(size))].reshape(size)


def read_checkpoint(path: Path) -> Variables:
    with zipfile.ZipFile(path) as archive:
        variables: Variables = CheckpointReader(archive).load()
    return variables


class BeatNet(Graph):
    """The layers of the network."""

    def shaped(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(np.array(shape, np.int64)))

    def dense(self, value: str, kernel: Floats, bias: Floats) -> str:
        return self.add("Gemm", value, self.constant(kernel), self.constant(bias), transB=1)

    def lstm(self, value: str, variables: Variables, layer: int) -> str:
        """A layer over (frames, 1, features), from and to its states."""
        inputs, recurrent, *biases = (
            by_gate(variables[f"lstm.{name}_l{layer}"])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        weights = [inputs, recurrent, np.concatenate(biases)]
        constants = [self.constant(each[np.newaxis]) for each in weights]
        states = STATES[2 * layer : 2 * layer + 2]
        ends = [f"{state}_after" for state in states]
        names = [f"lstm_{layer}", *ends]
        return self.add("LSTM", value, *constants, "", *states, outputs=names, hidden_size=HIDDEN)


def by_gate(weights: Floats) -> Floats:
    gates = np.split(weights, 4)
    return np.concatenate([gates[gate] for gate in GATES])


def build(variables: Variables) -> onnx.ModelProto:
    """The network over (frames, 1, 272), and its states before and after."""
    graph = BeatNet(value_name="value_{number}")
    kernel, bias = (graph.constant(variables[f"conv1.{name}"]) for name in ("weight", "bias"))
    value = graph.add("Relu", graph.add("Conv", "bands", kernel, bias))
    value = graph.add("MaxPool", value, kernel_shape=[2], strides=[2])
    value = graph.shaped(value, -1, POOLED)
    value = graph.dense(value, variables["linear0.weight"], variables["linear0.bias"])
    value = graph.shaped(value, -1, 1, HIDDEN)
    for layer in range(2):
        value = graph.shaped(graph.lstm(value, variables, layer), -1, 1, HIDDEN)
    value = graph.shaped(value, -1, HIDDEN)
    value = graph.dense(value, variables["linear.weight"], variables["linear.bias"])
    graph.add("Softmax", value, outputs=["activation"], axis=1)
    bands = value_info("bands", "frames", 1, POOLED + KERNEL)
    states = [value_info(state, 1, 1, HIDDEN) for state in STATES]
    after = [value_info(f"{state}_after", 1, 1, HIDDEN) for state in STATES]
    activation = value_info("activation", "frames", CLASSES)
    return finished("beatnet", graph, [bands, *states], [activation, *after])


def write_weights(variables: Variables, package: Path) -> None:
    """The weights, their card and their licence."""
    sha256 = write_network(BEAT_WEIGHTS, build(variables))
    card = {
        "name": "beatnet",
        "source": f"PyPI package BeatNet 1.1.3 ({CHECKPOINT})",
        "source_sha256": WHEEL_SHA256,
        "paper": "Heydari, Cwitkowitz & Duan 2021, BeatNet: CRNN and particle filtering for "
        "online joint beat downbeat and meter tracking, ISMIR, arXiv:2108.03576",
        "licence": "CC BY 4.0",
        "copyright": "Mojtaba Heydari",
        "changes": "another file format; nothing else",
        "sha256": sha256,
    }
    write_card(BEAT_WEIGHTS, card)
    licence = package / "BeatNet-1.1.3.dist-info" / "LICENSE"
    copy_licence(licence, BEAT_WEIGHTS.parent / "LICENSE.beatnet")


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory)
        unpack_wheel(PACKAGE, WHEEL_SHA256, package)
        write_weights(read_checkpoint(package / "BeatNet" / "models" / CHECKPOINT), package)


if __name__ == "__main__":
    main()
