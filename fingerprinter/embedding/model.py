"""The embedding model: windows of audio to one vector and the tag logits of the track.

The trunk is musicnn (Pons & Serra 2019, "musicnn: Pre-trained convolutional neural networks for
music audio tagging"), trained on the Million Song Dataset. The tags are those of musicnn. The
vector is a learned projection (`scripts/train`) of statistics of the trunk's activations over
time, averaged over the windows. musicnn alone, whose vector is its mean-pool layer, is exported by
`scripts/train/export_musicnn.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fingerprinter.core.arrays import Floats
from fingerprinter.embedding.log_mel import LogMel
from fingerprinter.embedding.network import NetworkFile
from fingerprinter.embedding.windows import Sampling, Spectrograms, WindowSampler
from fingerprinter.errors import ModelError

_WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_WEIGHTS = _WEIGHTS / "similarity.onnx"
MUSICNN_WEIGHTS = _WEIGHTS / "musicnn-msd.onnx"  # the trunk, the baseline of the default model

_INPUT, _TAGS = "log_mel", "tags"
_ADVICE = "reinstall fingerprinter, or run with --no-embeddings"


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embedding of a track.

    Attributes
    ----------
    vector
        (dim,) float32, of about zero mean and unit variance over all music.
    tags
        (t,) float32, logits: above 0 a tag is more likely than not.
    """

    vector: Floats
    tags: Floats


@dataclass(frozen=True, slots=True)
class WindowEmbeddings:
    """The embeddings of some windows of a track.

    Attributes
    ----------
    vectors
        (k, dim) float32, as in `Embedding`.
    tags
        (k, t) float32, logits as in `Embedding`.
    """

    vectors: Floats
    tags: Floats

    def mean(self) -> Embedding:
        """Return the embedding of the whole track."""
        return Embedding(self.vectors.mean(axis=0), self.tags.mean(axis=0))


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The fields of the JSON file next to the weights that are needed to run them.

    Attributes
    ----------
    sha256
        Digest of the weights.
    front_end
        Spectrogram that the network takes.
    patch_frames
        Spectrogram frames of a window.
    vector
        Name of the network output that is the vector.
    dim
        Length of the vector.
    tags
        Names of the tags, in the order of the logits.
    """

    sha256: str
    front_end: LogMel
    patch_frames: int
    vector: str
    dim: int
    tags: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card.

        Parameters
        ----------
        path
            The JSON file.

        Raises
        ------
        ModelError
            If the file is missing or is not a model card.
        """
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
            raise ModelError(f"{path}: {error.strerror}; {_ADVICE}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a model card ({error!r}); {_ADVICE}") from error


class EmbeddingModel:
    """The network of the embedding, on one thread. Parallel work uses processes.

    onnxruntime is loaded by the first `embed` (0.2 s). Comparing stored vectors needs only the
    digest.
    """

    def __init__(self, weights: Path) -> None:
        """Read and verify the weights and the card next to them.

        Parameters
        ----------
        weights
            ONNX file. Its card has the same name with the ending ``.json``.

        Raises
        ------
        ModelError
            If a file is missing or damaged.
        """
        self._card = ModelCard.read(weights.with_suffix(".json"))
        self._file = NetworkFile(weights, self._card.sha256, "card", _ADVICE)
        self._file.verify()
        self.sampling = Sampling(self._card.front_end.samples_for(self._card.patch_frames))

    @property
    def digest(self) -> str:
        """Digest of the weights, the front end and the sampling: 16 hex digits.

        Vectors with different digests cannot be compared.
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
        """Names of the tags, in the order of the logits."""
        return self._card.tags

    def sampler(self) -> WindowSampler:
        """Return a new sampler of the windows that `embed` takes."""
        return WindowSampler(self.sampling)

    def embed(self, windows: Floats) -> Embedding:
        """Embed a track.

        Parameters
        ----------
        windows
            (k, window) float32, k >= 1, from a `sampler`, at any level.

        Raises
        ------
        ModelError
            If the network cannot be run.
        """
        return self.embed_each(windows).mean()

    def embed_each(self, windows: Floats) -> WindowEmbeddings:
        """Embed each window of a track; otherwise as `embed`.

        All windows get the same gain, so that their relative levels stay.
        """
        return self.embed_spectrograms(self.spectrograms(windows))

    def spectrograms(self, windows: Floats) -> Spectrograms:
        """Compute what the network takes from the windows of a track, (k, window) float32."""
        return Spectrograms.of(windows, self._card.front_end, self.sampling.level_db)

    def embed_spectrograms(self, spectrograms: Spectrograms) -> WindowEmbeddings:
        """Embed each window of a track from its spectrogram; otherwise as `embed`."""
        session = self._session
        with self._file.translate_errors():
            vectors, tags = session.run([self._card.vector, _TAGS], {_INPUT: spectrograms.mels})
        return WindowEmbeddings(vectors, tags)

    @cached_property
    def _session(self) -> Any:
        return self._file.session()


def load_model(weights: Path | None = None) -> EmbeddingModel:
    """Load an embedding model.

    Parameters
    ----------
    weights
        ONNX file with a card; None for the model of the package.

    Raises
    ------
    ModelError
        If a file is missing or damaged.

    Examples
    --------
    >>> model = load_model()
    >>> model.sr, model.tags[:3]
    (16000, ('rock', 'pop', 'alternative'))
    """
    return EmbeddingModel(weights or DEFAULT_WEIGHTS)
