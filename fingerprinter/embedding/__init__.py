"""Content embeddings: models that turn audio into vectors and tags, and the vector index."""

from fingerprinter.embedding.facets import FACETS_ID, Facets, facets
from fingerprinter.embedding.index import VectorIndex
from fingerprinter.embedding.manifest import IndexManifest
from fingerprinter.embedding.model import Embedding, EmbeddingModel, WindowEmbeddings, load_model
from fingerprinter.embedding.text_audio import FolderTextAudioModel, TextAudioModel
from fingerprinter.embedding.track_embeddings import TrackEmbeddings, embed_track
from fingerprinter.embedding.windows import WindowSampler

__all__ = [
    "FACETS_ID",
    "Embedding",
    "EmbeddingModel",
    "Facets",
    "FolderTextAudioModel",
    "IndexManifest",
    "TextAudioModel",
    "TrackEmbeddings",
    "VectorIndex",
    "WindowEmbeddings",
    "WindowSampler",
    "embed_track",
    "facets",
    "load_model",
]
