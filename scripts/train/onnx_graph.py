"""ONNX networks in the making: nodes and constants are added, and values are known by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 17, 8  # of ONNX 1.12 (2022): every onnxruntime that the package allows reads it


@dataclass
class Graph:
    """Nodes and constants. The names that it gives are part of the released bytes.

    prefix: what all names begin with
    value_name: pattern of the name of a value that is given none
    """

    prefix: str = ""
    value_name: str = "{kind}_{number}"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Adds integers as they are, and other numbers as float32."""
        if values.dtype != np.int64:
            values = values.astype(np.float32)
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Adds a node; returns the name of its first output."""
        name = self.prefix + self.value_name.format(kind=kind.lower(), number=len(self.nodes))
        names = outputs or [name]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0]


def value_info(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """An input or an output of float32."""
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def finished(
    name: str,
    graph: Graph,
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The finished network, checked."""
    proto = helper.make_model(
        helper.make_graph(graph.nodes, name, [*inputs], [*outputs], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


def write_network(path: Path, network: onnx.ModelProto) -> str:
    """Writes the file of a network; returns its SHA-256."""
    content = network.SerializeToString(deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def write_card(weights: Path, fields: Mapping[str, Any], page: str = "") -> None:
    """Writes the card of a network for the program, and a page for people if there is one."""
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    weights.with_suffix(".json").write_text(text, encoding="utf-8")
    if page:
        weights.with_suffix(".md").write_text(page, encoding="utf-8")
