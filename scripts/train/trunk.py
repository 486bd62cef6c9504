"""The kept part of musicnn and statistics of its features over time, as one ONNX graph.

The same graph gives the numbers that are trained on and, with the projection behind it, is the
exported model: there is no second implementation that could differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx_graph import Graph, finished, value_info

from fingerprinter.embedding.model import MUSICNN_WEIGHTS

Floats = npt.NDArray[np.float32]

LOG_MEL, TAGS, STATISTICS = "log_mel", "tags", "statistics"
PATCH = (187, 96)  # frames, mels
FLOOR = 1e-3  # of a deviation, before its logarithm: features that do not move at all
TIME = 2  # axis of (n, features, time); in a log-mel patch it is 1


class Statistics(Graph):
    """Statistics over time."""

    def mean(self, value: str, axis: int, keepdims: int = 0) -> str:
        return self.add("ReduceMean", value, axes=[axis], keepdims=keepdims)

    def deviation(self, value: str, axis: int) -> str:
        """The standard deviation over time."""
        centred = self.add("Sub", value, self.mean(value, axis, keepdims=1))
        return self.add("Sqrt", self.mean(self.add("Mul", centred, centred), axis))

    def log(self, value: str) -> str:
        return self.add("Log", self.add("Add", value, self.constant(np.array(FLOOR, np.float32))))

    def motion(self, value: str, axis: int) -> str:
        """Mean absolute difference from one frame to the next."""
        ends = [self.constant(np.array([end])) for end in (0, 1, -1, np.iinfo(np.int64).max, axis)]
        before = self.add("Slice", value, ends[0], ends[2], ends[4])
        after = self.add("Slice", value, ends[1], ends[3], ends[4])
        return self.mean(self.add("Abs", self.add("Sub", after, before)), axis)


def with_statistics(musicnn: onnx.ModelProto) -> onnx.ModelProto:
    """musicnn with one more output: statistics of its features and of the log-mel over time.

    Of the 256 features (time-frequency filters and three layers above them): mean, logarithm of
    the deviation. Of the 96 mels: mean, deviation, mean step from frame to frame.
    """
    graph, features = Statistics(f"{STATISTICS}_"), features_of(musicnn)
    parts = [
        graph.mean(features, TIME),
        graph.log(graph.deviation(features, TIME)),
        graph.mean(LOG_MEL, 1),
        graph.deviation(LOG_MEL, 1),
        graph.motion(LOG_MEL, 1),
    ]
    graph.add("Concat", *parts, axis=1, outputs=[STATISTICS])
    kept = [output for output in musicnn.graph.output if output.name == TAGS]
    width = 2 * feature_count(musicnn) + 3 * PATCH[1]
    return extended(musicnn, graph, [*kept, value_info(STATISTICS, "n", width)])


def features_of(musicnn: onnx.ModelProto) -> str:
    """The input of both pools of the network, (n, features, time)."""
    (pool,) = (node for node in musicnn.graph.node if node.op_type == "ReduceMax")
    return str(pool.input[0])


def feature_count(musicnn: onnx.ModelProto) -> int:
    shapes = onnx.shape_inference.infer_shapes(musicnn).graph.value_info
    (found,) = (value for value in shapes if value.name == features_of(musicnn))
    return int(found.type.tensor_type.shape.dim[1].dim_value)


def extended(
    model: onnx.ModelProto, graph: Graph, outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """A model with added nodes and other outputs, without nodes that no output needs."""
    old = model.graph
    nodes = needed([*old.node, *graph.nodes], {output.name for output in outputs})
    used = {name for node in nodes for name in node.input}
    constants = [each for each in [*old.initializer, *graph.constants] if each.name in used]
    whole = Graph(nodes=nodes, constants=constants)
    return finished("likeness", whole, old.input, outputs)  # the name is part of the released bytes


def needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the wanted values depend on, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted = wanted | set(node.input)
            kept.append(node)
    return kept[::-1]


@dataclass(frozen=True)
class Trunk:
    """Runs the graph on one thread."""

    model: onnx.ModelProto

    @classmethod
    def load(cls) -> Trunk:
        return cls(with_statistics(onnx.load(MUSICNN_WEIGHTS)))

    def run(self, patches: Floats) -> dict[str, Floats]:
        """The outputs by name, (n, width) each, of log-mel patches (n, 187, 96)."""
        names = [output.name for output in self.model.graph.output]
        return dict(zip(names, self._session.run(names, {LOG_MEL: patches}), strict=True))

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
