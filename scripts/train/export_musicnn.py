"""The recipe of the trunk of the embedding model: the published musicnn checkpoint, as ONNX.

    python scripts/train/export_musicnn.py [--verify]

Takes musicnn 0.1.0 from PyPI (Pons & Serra 2019, "musicnn: Pre-trained convolutional neural
networks for music audio tagging", ISC licence), reads its TensorFlow 1 checkpoint, leaves out the
filters that training has silenced, and writes the weights, their card and their licence into
`fingerprinter/embedding/weights`. Needs the project's environment with `[train]`, and `pip install
tensorflow-cpu tf_keras`. `--verify` also runs the package's own graph, and ends with status 1 where
an output, in the units of that graph, differs by more than 1e-4.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx_graph import Graph, finished, value_info, write_card, write_network
from pypi import copy_licence, unpack_wheel

from fingerprinter.embedding.log_mel import LogMel
from fingerprinter.embedding.model import MUSICNN_WEIGHTS

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Variables = dict[str, Floats]

PACKAGE = "musicnn==0.1.0"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
CHECKPOINT = "MSD_musicnn"
PATCH_FRAMES = 187  # 3 s, as in training
LEAST_GAIN = 1e-4  # weight decay left filters below 1e-8 or above 5e-3, and none between
MAX_DIFFERENCE = 1e-4


# The package


def tag_names(package: Path) -> list[str]:
    """The package's own list, from a module of plain assignments."""
    tags: list[str] = runpy.run_path(str(package / "musicnn" / "configuration.py"))["MSD_LABELS"]
    return tags


# The checkpoint


def read_checkpoint(directory: Path) -> Variables:
    """The variables of the network by name; those of the optimiser stay out."""
    tf = import_module("tensorflow").compat.v1
    reader = tf.train.NewCheckpointReader(f"{directory}/")
    return {
        name: reader.get_tensor(name)
        for name in sorted(reader.get_variable_to_shape_map())
        if "/" in name and "Adam" not in name
    }


# The network, as `models.py` of the package builds it. TensorFlow numbers the layers by kind.


@dataclass(frozen=True)
class Norm:
    """Batch normalisation, with the statistics of the training set."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats

    EPSILON = 1e-3

    @classmethod
    def read(cls, variables: Variables, number: int) -> Norm:
        prefix = numbered("batch_normalization", number)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return cls(*(variables[f"{prefix}/{name}"] for name in names))

    def take(self, which: Mask) -> Norm:
        arrays = (self.gamma, self.beta, self.mean, self.variance)
        return Norm(*(array[which] for array in arrays))

    @property
    def deviation(self) -> npt.NDArray[np.float64]:
        return np.sqrt(self.variance.astype(np.float64) + self.EPSILON)

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        return self.gamma / self.deviation

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        return self.beta - self.mean * self.scale


@dataclass(frozen=True)
class Block:
    """Convolution, ReLU, batch normalisation; kernel (time, frequency, inputs, filters)."""

    kernel: Floats
    bias: Floats
    norm: Norm

    @classmethod
    def read(cls, variables: Variables, number: int) -> Block:
        prefix = numbered("conv2d", number)
        kernel, bias = variables[f"{prefix}/kernel"], variables[f"{prefix}/bias"]
        return cls(kernel, bias, Norm.read(variables, number + 1))

    @property
    def alive(self) -> Mask:
        """(filters,): which ones answer to their input at all."""
        gain = np.abs(self.kernel).sum(axis=(0, 1, 2)) * np.abs(self.norm.scale)
        alive: Mask = gain > LEAST_GAIN
        return alive

    def living(self) -> Block:
        """Without dead filters: their output is a constant within 4e-6 of zero."""
        alive = self.alive
        return Block(self.kernel[..., alive], self.bias[alive], self.norm.take(alive))

    def embeddings(self, which: Mask) -> Block:
        """With only some of the frequencies (that is, features) of its input."""
        return Block(self.kernel[:, which], self.bias, self.norm)


def numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


class Musicnn(Graph):
    """The layers of the network."""

    def normalised(self, value: str, norm: Norm, *outputs: str) -> str:
        arrays = (norm.gamma, norm.beta, norm.mean, norm.variance)
        inputs = [self.constant(array) for array in arrays]
        return self.add("BatchNormalization", value, *inputs, epsilon=Norm.EPSILON, outputs=outputs)

    def dense(
        self,
        value: str,
        kernel: npt.NDArray[np.floating[Any]],
        bias: npt.NDArray[np.floating[Any]],
        *outputs: str,
    ) -> str:
        return self.add("Gemm", value, self.constant(kernel), self.constant(bias), outputs=outputs)

    def convolved(self, value: str, kernel: Floats, block: Block, pads: list[int]) -> str:
        inputs = self.constant(kernel), self.constant(block.bias)
        return self.normalised(
            self.add("Relu", self.add("Conv", value, *inputs, pads=pads)), block.norm
        )

    def front(self, value: str, block: Block) -> str:
        """(n, 1, time, mels) -> (n, filters, time): each filter where it answers most."""
        height, width = block.kernel.shape[:2]
        kernel = block.kernel.transpose(3, 2, 0, 1)
        pads = [(height - 1) // 2, 0, height // 2, 0]  # TensorFlow's "same" along time
        value = self.convolved(value, kernel, block, pads)
        left = LogMel().n_mels - width + 1
        value = self.add("MaxPool", value, kernel_shape=[1, left])
        return self.add("Squeeze", value, self.constant(np.array([3])))

    def middle(self, value: str, block: Block) -> str:
        """(n, features, time) -> (n, filters, time)."""
        return self.convolved(value, block.kernel[:, :, 0].transpose(2, 1, 0), block, [3, 3])


def build(variables: Variables) -> onnx.ModelProto:
    """The network, from log-mel patches to `outputs`."""
    graph = Musicnn()
    value = graph.add("Unsqueeze", "log_mel", graph.constant(np.array([1])))
    value = graph.normalised(value, Norm.read(variables, 0))
    blocks = [Block.read(variables, number) for number in range(8)]
    front = graph.add("Concat", *(graph.front(value, b.living()) for b in blocks[:5]), axis=1)
    first = graph.middle(front, blocks[5].embeddings(alive_in_front(blocks)))
    second = graph.add("Add", graph.middle(first, blocks[6]), first)
    third = graph.add("Add", graph.middle(second, blocks[7]), second)
    features = graph.add("Concat", front, first, second, third, axis=1)
    heads(graph, features, variables, blocks)
    results = [value_info(name, "n", length) for name, (length, _) in outputs(variables).items()]
    return finished("musicnn", graph, [value_info("log_mel", *input_shape())], results)


def alive_in_front(blocks: list[Block]) -> Mask:
    """(561,): which of the front end's features are computed."""
    return np.concatenate([block.alive for block in blocks[:5]])


def kept_features(blocks: list[Block]) -> Mask:
    """(753,): which of the features that the network pools are computed."""
    return np.concatenate([alive_in_front(blocks), np.ones(3 * 64, np.bool_)])


def vector_features(blocks: list[Block]) -> Mask:
    """(753,): which of the features vary; a residual layer varies where one below it does."""
    first, second, third = (block.alive for block in blocks[5:])
    residual = [first, first | second, first | second | third]
    return np.concatenate([alive_in_front(blocks), *residual])


def heads(graph: Musicnn, features: str, variables: Variables, blocks: list[Block]) -> None:
    """Pools the features (n, kept, time) over time, and computes the outputs."""
    highest = graph.add("ReduceMax", features, axes=[2], keepdims=0)
    mean = graph.add("ReduceMean", features, axes=[2], keepdims=0)
    kernel, bias = pooled_dense(variables, kept_features(blocks))
    pooled = graph.add("Concat", highest, mean, axis=1)
    hidden = graph.add("Relu", graph.dense(pooled, kernel, bias))
    hidden = graph.normalised(hidden, Norm.read(variables, 10), "penultimate")
    graph.dense(hidden, variables["dense_1/kernel"], variables["dense_1/bias"], "tags")
    standardised(graph, mean, variables, blocks)


def pooled_dense(
    variables: Variables, kept: Mask
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The first dense layer, with the batch normalisation before it folded in.

    TensorFlow flattened (features, [max, mean]); here all maxima come first.
    """
    norm = Norm.read(variables, 9)
    kernel = variables["dense/kernel"].astype(np.float64)
    bias = variables["dense/bias"] + norm.shift @ kernel
    scaled = (norm.scale[:, np.newaxis] * kernel).reshape(len(kept), 2, -1)[kept]
    return np.concatenate([scaled[:, 0], scaled[:, 1]]), bias


def standardised(graph: Graph, mean: str, variables: Variables, blocks: list[Block]) -> None:
    """The output `mean_pool`: features that vary, by the mean and deviation of the training set."""
    kept, varying = kept_features(blocks), vector_features(blocks)
    norm = Norm.read(variables, 9)
    value = graph.add("Gather", mean, graph.constant(np.flatnonzero(varying[kept])), axis=1)
    value = graph.add("Sub", value, graph.constant(norm.mean[1::2][varying]))
    deviation = graph.constant(norm.deviation[1::2][varying])
    graph.add("Div", value, deviation, outputs=["mean_pool"])


def outputs(variables: Variables) -> dict[str, tuple[int, str]]:
    """Length and meaning of each output."""
    blocks = [Block.read(variables, number) for number in range(8)]
    return {
        "tags": (50, "logits; the sigmoid is the probability of the tag"),
        "penultimate": (200, "the last hidden layer"),
        "mean_pool": (
            int(vector_features(blocks).sum()),
            "those of the 753 pooled features that vary, averaged over time, "
            "by the mean and deviation of the training set",
        ),
    }


def input_shape() -> list[str | int]:
    return ["n", PATCH_FRAMES, LogMel().n_mels]


# What is written


def write_weights(variables: Variables, package: Path) -> None:
    """The weights, their card for the program and for people, and their licence."""
    sha256 = write_network(MUSICNN_WEIGHTS, build(variables))
    facts = card(variables, package, sha256)
    write_card(MUSICNN_WEIGHTS, facts, page(facts))
    licence = package / "musicnn-0.1.0.dist-info" / "LICENSE.md"
    copy_licence(licence, MUSICNN_WEIGHTS.parent / "LICENSE.musicnn")


def card(variables: Variables, package: Path, sha256: str) -> dict[str, Any]:
    return {
        "name": "musicnn-msd",
        "source": f"PyPI package musicnn 0.1.0 (checkpoint {CHECKPOINT})",
        "source_sha256": WHEEL_SHA256,
        "paper": "Pons & Serra 2019, musicnn: Pre-trained convolutional neural networks "
        "for music audio tagging, arXiv:1909.06654",
        "licence": "ISC",
        "copyright": "Music Technology Group, Universitat Pompeu Fabra 2019; Jordi Pons",
        "sha256": sha256,
        "front_end": asdict(LogMel()),
        "patch_frames": PATCH_FRAMES,
        "input": {"log_mel": {"shape": input_shape()}},
        "vector": "mean_pool",
        "outputs": {
            name: {"shape": ["n", length], "meaning": meaning}
            for name, (length, meaning) in outputs(variables).items()
        },
        "tags": tag_names(package),
    }


PAGE = """\
# Model card: {name}

A convolutional network that names the tags of music, here used for what it hears on the way.

- Architecture and training: {paper}. Trained on the Million Song Dataset with the 50 most frequent
  Last.fm tags; the authors report ROC-AUC 0.88 and PR-AUC 0.29 on its test set.
- Source: {source}, wheel SHA-256 `{source_sha256}`.
- Licence: {licence}, (c) {copyright}; the text is in `LICENSE.musicnn`.
- Weights: `{name}.onnx`, SHA-256 `{sha256}`, float32, made by `scripts/train/export_musicnn.py`.
- Left out: 497 of the 561 filters of the front end, which weight decay had brought to zero, and the
  pooled features that never vary. The outputs are those of the original graph in TensorFlow within
  1e-4 (`--verify`), at a seventh of the cost.
- Input: log-mel patches of 187 frames (3 s) by 96 bands; the parameters are in `{name}.json`.
- Outputs:
{outputs}
- Limits: Western popular music of the 2000s as its listeners tagged it. The tags say what such
  listeners would say, not what is so; speech, noise and far genres lie outside what it was taught.
"""


def page(facts: dict[str, Any]) -> str:
    lines = (
        f"  - `{name}` ({output['shape'][-1]}): {output['meaning']}"
        for name, output in facts["outputs"].items()
    )
    return PAGE.format(**{**facts, "outputs": "\n".join(lines)})


# The comparison with TensorFlow


def verify(variables: Variables, package: Path) -> None:
    """Ends with status 1 where the exported weights say something else than the original graph."""
    patches = test_patches()
    expected, found = original_outputs(package, patches), exported_outputs(patches)
    blocks = [Block.read(variables, number) for number in range(8)]
    norm, varying = Norm.read(variables, 9), vector_features(blocks)
    found["mean_pool"] *= norm.deviation[1::2][varying].astype(np.float32)
    found["mean_pool"] += norm.mean[1::2][varying]
    expected["mean_pool"] = expected["mean_pool"][:, varying]
    differences = {name: float(np.abs(found[name] - expected[name]).max()) for name in found}
    print(json.dumps(differences))
    if max(differences.values()) > MAX_DIFFERENCE:
        sys.exit(f"the export differs from {PACKAGE} by more than {MAX_DIFFERENCE}")


def test_patches() -> Floats:
    """Patches of the range and skew of music, quiet to loud, from a seed: (4, 187, 96)."""
    rng = np.random.default_rng(0)
    level = np.array([0.01, 0.1, 1, 10])[:, np.newaxis, np.newaxis]
    power = level * rng.gamma(0.3, size=(4, PATCH_FRAMES, LogMel().n_mels)) ** 2
    return np.log10(1 + 10_000 * power).astype(np.float32)


def exported_outputs(patches: Floats) -> dict[str, Floats]:
    import onnxruntime

    session = onnxruntime.InferenceSession(MUSICNN_WEIGHTS)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"log_mel": patches}), strict=True))


def original_outputs(package: Path, patches: Floats) -> dict[str, Floats]:
    """What the package's own graph makes of the patches, with the package's own weights."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the package uses the layers of TensorFlow 1
    sys.path.insert(0, str(package))
    tf = import_module("tensorflow").compat.v1
    define_model = import_module("musicnn.models").define_model
    tf.disable_eager_execution()
    with tf.Session() as session:
        log_mel = tf.placeholder(tf.float32, [None, *patches.shape[1:]])
        graph = define_model(log_mel, False, CHECKPOINT, 50)
        tf.train.Saver().restore(session, f"{package / 'musicnn' / CHECKPOINT}/")
        tags, mean_pool, penultimate = session.run(
            [graph[0], graph[6], graph[8]], {log_mel: patches}
        )
    return {"tags": tags, "mean_pool": mean_pool, "penultimate": penultimate}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verify", action="store_true", help="compare with TensorFlow")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory)
        unpack_wheel(PACKAGE, WHEEL_SHA256, package)
        variables = read_checkpoint(package / "musicnn" / CHECKPOINT)
        write_weights(variables, package)
        if arguments.verify:
            verify(variables, package)


if __name__ == "__main__":
    main()
