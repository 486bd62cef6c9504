"""The embedding model: windows of audio -> one vector and the tag activations of the track.

The trunk is musicnn (Pons & Serra 2019, "musicnn: Pre-trained convolutional neural
networks for music audio tagging"), trained on the Million Song Dataset; its tags are
the model's. The vector is a projection, learned by `scripts/train`, of statistics of
what it hears over time, averaged over the windows. musicnn alone, whose vector is its
mean-pool layer, comes from `scripts/export_musicnn.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.embedding.log_mel import LogMel, log_mel
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.embedding.windows import Sampling, WindowSampler, at_level
from fingerprinter.errors import ModelError

Floats = npt.NDArray[np.float32]

_WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_WEIGHTS = _WEIGHTS / "likeness.onnx"
MUSICNN_WEIGHTS = _WEIGHTS / "musicnn-msd.onnx"  # the trunk, and what the default is measured by

_INPUT, _TAGS = "log_mel", "tags"
_REINSTALL = "reinstall fingerprinter, or run with --no-embeddings"


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the model says of a track.

    vector: (dim,) float32, about zero mean and unit variance over music at large
    tags: (tags,) float32, logits: above 0 the tag is more likely than not
    """

    vector: Floats
    tags: Floats


@dataclass(frozen=True, slots=True)
class WindowEmbeddings:
    """What the model says of each of some windows of a track.

    vectors: (k, dim) float32, tags: (k, tags) float32; as in `Embedding`
    """

    vectors: Floats
    tags: Floats

    def mean(self) -> Embedding:
        """The embedding of the whole."""
        return Embedding(self.vectors.mean(axis=0), self.tags.mean(axis=0))


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What stands beside the weights; the fields that are needed to run them.

    vector: the name of the output that is the vector, of length ``dim``
    """

    sha256: str
    front_end: LogMel
    patch_frames: int
    vector: str
    dim: int
    tags: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """The card in a JSON file; raises `ModelError` when it is missing or no card."""
        try:
            card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                sha256=card["sha256"],
                front_end=LogMel(**card["front_end"]),
                patch_frames=card["patch_frames"],
                vector=card["vector"],
                dim=card["outputs"][card["vector"]]["shape"][-1],
                tags=tuple(card["tags"]),
            )
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}; {_REINSTALL}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a model card ({error!r}); {_REINSTALL}") from error


class EmbeddingModel:
    """The network, on one thread: tracks are analysed in parallel by processes.

    onnxruntime is loaded at the first `embed` (0.2 s): who compares vectors that are
    there already needs only the digest.
    """

    def __init__(self, weights: Path) -> None:
        """Reads the weights and the card beside them; raises `ModelError`."""
        self._card = ModelCard.read(weights.with_suffix(".json"))
        self._file = NetworkFile(weights, self._card.sha256, "card", _REINSTALL)
        self._file.verify()
        self.sampling = Sampling(self._card.front_end.samples_for(self._card.patch_frames))

    @property
    def digest(self) -> str:
        """Digest of the weights and of all that is done before and after: 16 hex digits.

        Vectors under different digests must not be compared.
        """
        parts = (self._card.sha256, self._card.front_end.id, self.sampling.id, self._card.vector)
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]

    @property
    def sr(self) -> int:
        """Sample rate of the windows in hertz."""
        return self._card.front_end.sr

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._card.dim

    @property
    def tags(self) -> tuple[str, ...]:
        """What the tag activations stand for."""
        return self._card.tags

    def sampler(self) -> WindowSampler:
        """A new sampler of the windows that `embed` takes."""
        return WindowSampler(self.sampling)

    def embed(self, windows: Floats) -> Embedding:
        """Vector and tags of the track that the windows come from; raises `ModelError`.

        windows: (k, window) float32, k >= 1, as a sampler gives them, at any level
        """
        return self.embed_each(windows).mean()

    def embed_each(self, windows: Floats) -> WindowEmbeddings:
        """The same of each window, under the gain of all; raises `ModelError`."""
        loud = at_level(windows, self.sampling.level_db)
        # One by one: a window's frames fit the cache, those of all together do not (2 x).
        heard = np.stack([log_mel(window, self._card.front_end) for window in loud])
        session = self._session
        with self._file.one_line():
            vectors, tags = session.run([self._card.vector, _TAGS], {_INPUT: heard})
        return WindowEmbeddings(vectors, tags)

    @cached_property
    def _session(self) -> Any:
        return self._file.session()


def load_model(weights: Path | None = None) -> EmbeddingModel:
    """The model that comes with the package, or another in the same form; raises `ModelError`."""
    return EmbeddingModel(weights or DEFAULT_WEIGHTS)
