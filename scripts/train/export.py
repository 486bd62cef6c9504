"""The trained model as files of the package: one ONNX graph, its card for programs and people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
from features import FRONT_END
from onnx_graph import Graph, value_info, write_card, write_network
from projection import Projection
from trunk import PATCH, STATISTICS, TAGS, Trunk, extended

from fingerprinter.embedding.model import MUSICNN_WEIGHTS

NAME, VECTOR = "similarity", "embedding"


def export(trunk: Trunk, projection: Projection, facts: Mapping[str, Any], folder: Path) -> Path:
    """Writes `similarity.onnx`, its cards `.json` and `.md`; the path of the first."""
    weights = folder / f"{NAME}.onnx"
    fields = card(write_network(weights, network(trunk, projection)), projection, facts)
    write_card(weights, fields, page(fields))
    return weights


def network(trunk: Trunk, projection: Projection) -> onnx.ModelProto:
    """From log-mel patches to the vector and the tags."""
    graph = Graph(f"{VECTOR}_")
    inputs = graph.constant(projection.matrix), graph.constant(projection.offset)
    graph.add("Gemm", STATISTICS, *inputs, outputs=[VECTOR])
    (tags,) = (output for output in trunk.model.graph.output if output.name == TAGS)
    return extended(trunk.model, graph, [tags, value_info(VECTOR, "n", projection.matrix.shape[1])])


def card(sha256: str, projection: Projection, facts: Mapping[str, Any]) -> dict[str, Any]:
    musicnn = json.loads(MUSICNN_WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    return {
        "name": NAME,
        "sha256": sha256,
        "licence": "MIT; the trunk and the tags are musicnn's, ISC (LICENSE.musicnn)",
        "trunk": {"name": musicnn["name"], "sha256": musicnn["sha256"], "paper": musicnn["paper"]},
        "front_end": asdict(FRONT_END),
        "patch_frames": PATCH[0],
        "input": {"log_mel": {"shape": ["n", *PATCH]}},
        "vector": VECTOR,
        "outputs": {
            TAGS: musicnn["outputs"][TAGS],
            VECTOR: {
                "shape": ["n", projection.matrix.shape[1]],
                "meaning": "directions in which tracks differ more than the parts of one do, "
                "about zero mean and unit variance over music",
            },
        },
        "tags": musicnn["tags"],
        **facts,
    }


PAGE = """\
# Model card: {name}

Vectors in which the parts and the changed versions of a track lie together, and tracks apart.

- Trunk: {trunk[name]} (SHA-256 `{trunk[sha256]}`),
  unchanged: {trunk[paper]}.
- Learned here: a linear projection to {dim} numbers, of 800 statistics over time: of the trunk's
  256 features the mean and the logarithm of the deviation, of the 96 log-mels the mean, the
  deviation and the mean step. It is a regularised linear discriminant: tracks against their
  parts, their changed versions and, by less, the other tracks of their artist.
- Recipe: `{recipe}`, seed {seed}.
- Data: {data[tracks]} tracks ({data[hours]} h) of {data[artists]} artists, {data[source]};
  each as it is and in {data[versions]} changed versions (speed, pitch, tempo, equaliser, noise,
  reverberation, MP3, compression).
- Licence: {licence}.
  The music is free (GPL, CC BY, CC BY-SA, BSD, by package); none of it is in the weights.
- Weights: `{name}.onnx`, SHA-256 `{sha256}`,
  float32, made by `scripts/train/train.py`.
- Input: log-mel patches of {patch_frames} frames (3 s) by 96 bands; parameters in `{name}.json`.
- Outputs: `{vector}` ({dim}); `tags` (50), logits, those of the trunk.
- Measured by `fingerprinter evaluate similarity` on artists that were not trained on: see
  `docs/research/embedding.md`.
- Limits: trained on game music, mostly electronic and orchestral, hardly any voices. It says what
  sounds alike, also by production and medium, not what is liked alike.
"""


def page(fields: Mapping[str, Any]) -> str:
    dim = fields["outputs"][VECTOR]["shape"][-1]
    return PAGE.format(**fields, dim=dim)
