"""The embeddings and facets of one track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprinter.core.arrays import Floats
from fingerprinter.embedding.facets import Facets, facets
from fingerprinter.embedding.model import Embedding, EmbeddingModel
from fingerprinter.embedding.windows import WindowSampler


@dataclass(frozen=True, slots=True)
class TrackEmbeddings:
    """Embeddings of a track as a whole and of its sections.

    Attributes
    ----------
    embedding : Embedding
        Vector and tags of the whole track.
    section_starts_s : (k,) float32
        Where each section begins, in seconds.
    section_vectors : (k, dim) float32
        Vector of each section.
    facets : Facets
        Timbre, rhythm and harmony of the whole track.
    """

    embedding: Embedding
    section_starts_s: Floats
    section_vectors: Floats
    facets: Facets


def embed_track(model: EmbeddingModel, sampler: WindowSampler) -> TrackEmbeddings:
    """Compute the embeddings of a track from the windows of its audio.

    Parameters
    ----------
    model : EmbeddingModel
        The model.
    sampler : WindowSampler
        A sampler of this model to which all blocks of the track were pushed.

    Returns
    -------
    TrackEmbeddings

    Raises
    ------
    ModelError
        If the model cannot be run.
    """
    windows = sampler.windows()
    spectrograms = model.spectrograms(windows)
    each = model.embed_spectrograms(spectrograms)
    starts_s = (sampler.starts() / model.sr).astype(np.float32)
    return TrackEmbeddings(each.mean(), starts_s, each.vectors, facets(windows, spectrograms))
