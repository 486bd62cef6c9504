"""Content embeddings: audio windows -> vector and tags; the index of nearest vectors."""

from fingerprinter.embedding.index import VectorIndex
from fingerprinter.embedding.manifest import IndexManifest
from fingerprinter.embedding.model import Embedding, EmbeddingModel, load_model
from fingerprinter.embedding.windows import WindowSampler

__all__ = [
    "Embedding",
    "EmbeddingModel",
    "IndexManifest",
    "VectorIndex",
    "WindowSampler",
    "load_model",
]
