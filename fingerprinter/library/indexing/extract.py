"""One file -> everything that the library keeps of it. Runs in the worker processes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fingerprinter.audio import content_id, open_audio, read_tags
from fingerprinter.audio.reader import AudioReader
from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import (
    concat_peaks,
    limit_density,
    peak_chunks,
    sort_by_frame,
)
from fingerprinter.core.fingerprint.sketch import Codes, Sketcher
from fingerprinter.core.fingerprint.spectrogram import Floats
from fingerprinter.embedding import (
    Embedding,
    EmbeddingModel,
    Facets,
    TextAudioModel,
    WindowSampler,
    facets,
)
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.store.tables.sections import Sections
from fingerprinter.types import Peaks, Tags


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """Where words would describe a file: its vector, under the digest of a text-audio model."""

    model: str
    vector: Floats


@dataclass(frozen=True, slots=True)
class TrackEmbeddings:
    """What the embedding model hears: in the whole, in its parts, and plain facets of it."""

    embedding: Embedding
    sections: Sections
    facets: Facets


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """What was heard in a file.

    constellation: packed peaks; hearing, described: None where none was wanted
    sketches: see `fingerprinter.core.fingerprint.sketch`
    """

    duration_s: float
    problem: str | None
    constellation: bytes
    embeddings: TrackEmbeddings | None
    text_embedding: TextEmbedding | None = None
    sketches: Codes = field(default_factory=lambda: np.empty((0, 0), np.uint64))


@dataclass(frozen=True, slots=True)
class ExtractedTrack:
    """A file's content id and tags, and its sound unless the library knows it."""

    content_id: str
    tags: Tags
    sound: AudioFeatures | None


def extract_track(
    path: Path,
    params: LandmarkParams,
    model: EmbeddingModel | None,
    known: Collection[str],
    text_model: TextAudioModel | None = None,
) -> ExtractedTrack:
    """Reads a file once through; raises `AudioError`.

    known: content ids that need not be listened to again
    """
    content = content_id(path)
    sound = None if content in known else extract_audio(path, params, model, text_model)
    return ExtractedTrack(content, read_tags(path), sound)


def extract_audio(
    path: Path,
    params: LandmarkParams,
    model: EmbeddingModel | None,
    text_model: TextAudioModel | None = None,
) -> AudioFeatures:
    """Peaks and hearing of a file from one pass of the decoder; raises `AudioError`.

    A text-audio model hears at a rate of its own, in a second pass.
    """
    sampler = model.sampler() if model else None
    with open_audio(path, params.sr) as audio:
        peaks, codes = peaks_and_sketches(_tapped(audio, sampler), params)
        return AudioFeatures(
            duration_s=audio.decoded_s,
            problem=audio.problem,
            constellation=pack_peaks(limit_density(peaks, params.peaks_per_s, params)),
            sketches=codes,
            embeddings=embed_track(model, sampler) if model and sampler else None,
            text_embedding=embed_for_text(path, text_model) if text_model else None,
        )


def peaks_and_sketches(blocks: Iterable[Floats], params: LandmarkParams) -> tuple[Peaks, Codes]:
    """Every peak of the audio, and its sketches, by one spectrogram; blocks: see `find_peaks`."""
    sketcher, parts = Sketcher(projections(params.sketch_words)), []
    for stretch in peak_chunks(blocks, params):
        sketcher.push(stretch.contrast)
        parts.append(stretch.peaks)
    return sort_by_frame(concat_peaks(parts)), sketcher.sketches()


def embed_track(model: EmbeddingModel, sampler: WindowSampler) -> TrackEmbeddings:
    """All that the model says of what a sampler has taken; raises `ModelError`."""
    windows = sampler.windows()
    each = model.embed_each(windows)
    starts_s = (sampler.starts() / model.sr).astype(np.float32)
    return TrackEmbeddings(each.mean(), Sections(starts_s, each.vectors), facets(windows))


def embed_for_text(path: Path, model: TextAudioModel) -> TextEmbedding:
    """What a text-audio model hears in a file; raises `AudioError` and `ModelError`."""
    sampler = model.sampler()
    with open_audio(path, model.sr) as audio:
        for block in audio.blocks():
            sampler.push(block)
    return TextEmbedding(model.digest, model.embed_audio(sampler.windows()))


def _tapped(audio: AudioReader, sampler: WindowSampler | None) -> Iterator[Floats]:
    """The audio's blocks, each shown to the sampler on the way."""
    for block in audio.blocks():
        if sampler:
            sampler.push(block)
        yield block
