"""Feature extraction: one audio file to everything that the library stores about it.

This runs in the worker processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import open_audio, read_content, read_tags
from fingerprinter.core.arrays import Floats
from fingerprinter.core.fingerprint.constellation import pack_peaks
from fingerprinter.core.fingerprint.params import LandmarkParams
from fingerprinter.core.fingerprint.peaks import (
    concat_peaks,
    limit_density,
    peak_chunks,
    sort_by_frame,
)
from fingerprinter.core.fingerprint.sketch import Codes, Sketcher
from fingerprinter.core.numeric.waveform import WaveformOutline
from fingerprinter.embedding import EmbeddingModel, TextAudioModel, TrackEmbeddings, embed_track
from fingerprinter.library.base.sketch_projections import projections
from fingerprinter.types import AudioFormat, Peaks, Tags


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """Embedding of a track in the space of a text-audio model.

    Attributes
    ----------
    model : str
        Digest of the model.
    vector : (dim,) float32
        The embedding.
    """

    model: str
    vector: Floats


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """Features of the audio of one file.

    Attributes
    ----------
    duration_s : float
        Length of the decoded audio.
    problem : str or None
        What could not be decoded; None if the file is intact.
    constellation : bytes
        Packed peaks.
    embeddings : TrackEmbeddings or None
        None if none were wanted.
    text_embedding : TextEmbedding or None
        None if none was wanted.
    sketches : (n, words) uint64
        Sketches, see `fingerprinter.core.fingerprint.sketch`.
    waveform : (1000,) uint8 or None
        Outline, see `fingerprinter.core.numeric.waveform`.
    """

    duration_s: float
    problem: str | None
    constellation: bytes
    embeddings: TrackEmbeddings | None
    text_embedding: TextEmbedding | None = None
    sketches: Codes = field(default_factory=lambda: np.empty((0, 0), np.uint64))
    waveform: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class ExtractedTrack:
    """Content id, tags and features of a file.

    Attributes
    ----------
    content_id : str
        Digest of the audio in the file.
    tags : Tags
        Its tags.
    features : AudioFeatures or None
        None if the library has all features of this content.
    audio : AudioFormat
        How the audio is stored.
    """

    content_id: str
    tags: Tags
    features: AudioFeatures | None
    audio: AudioFormat = field(default_factory=AudioFormat)


def extract_track(
    path: Path,
    params: LandmarkParams,
    model: EmbeddingModel | None,
    known: Collection[str],
    text_model: TextAudioModel | None = None,
) -> ExtractedTrack:
    """Extract content id, tags and features of a file.

    Parameters
    ----------
    path : Path
        The audio file.
    params : LandmarkParams
        Parameters of the peaks and sketches.
    model : EmbeddingModel, optional
        The embedding model. Without it, no embeddings are computed.
    known : collection of str
        Content ids whose features the library has. They are not extracted again.
    text_model : TextAudioModel, optional
        A text-audio model whose embedding is computed, too.

    Returns
    -------
    ExtractedTrack

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    content = read_content(path)
    features = None if content.id in known else extract_audio(path, params, model, text_model)
    return ExtractedTrack(content.id, read_tags(path), features, content.audio)


def extract_audio(
    path: Path,
    params: LandmarkParams,
    model: EmbeddingModel | None,
    text_model: TextAudioModel | None = None,
) -> AudioFeatures:
    """Extract the features of a file in one pass of the decoder.

    A text-audio model has a sample rate of its own and needs a second pass.

    Parameters
    ----------
    path, params, model, text_model
        See `extract_track`.

    Returns
    -------
    AudioFeatures

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    sampler = model.sampler() if model else None
    outline = WaveformOutline()
    with open_audio(path, params.sr) as audio:

        def blocks() -> Iterator[Floats]:
            """Yield each decoded block to the peaks, after embedding and outline have seen it."""
            for block in audio.blocks():
                outline.push(block)
                if sampler:
                    sampler.push(block)
                yield block

        peaks, sketches = peaks_and_sketches(blocks(), params)
        return AudioFeatures(
            duration_s=audio.decoded_s,
            problem=audio.problem,
            constellation=pack_peaks(limit_density(peaks, params.peaks_per_s, params)),
            sketches=sketches,
            waveform=outline.points(),
            embeddings=embed_track(model, sampler) if model and sampler else None,
            text_embedding=_embed_for_text(path, text_model) if text_model else None,
        )


def waveform_of(path: Path) -> npt.NDArray[np.uint8]:
    """Decode a file for its outline, (1000,) uint8.

    Parameters
    ----------
    path : Path
        The audio file.

    Returns
    -------
    (1000,) uint8
        See `fingerprinter.core.numeric.waveform`.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    outline = WaveformOutline()
    with open_audio(path) as audio:
        for block in audio.blocks():
            outline.push(block)
    return outline.points()


def peaks_and_sketches(blocks: Iterable[Floats], params: LandmarkParams) -> tuple[Peaks, Codes]:
    """Find the peaks and compute the sketches of a recording from one spectrogram.

    Parameters
    ----------
    blocks : iterable of (n,) float32
        Consecutive mono samples at ``params.sr``.
    params : LandmarkParams
        Parameters of the peaks and sketches.

    Returns
    -------
    peaks : Peaks
        Every peak, sorted by frame and bin.
    sketches : (m, words) uint64
        The sketches.
    """
    sketcher, parts = Sketcher(projections(params.sketch_words)), []
    for chunk in peak_chunks(blocks, params):
        sketcher.push(chunk.contrast)
        parts.append(chunk.peaks)
    return sort_by_frame(concat_peaks(parts)), sketcher.sketches()


def _embed_for_text(path: Path, model: TextAudioModel) -> TextEmbedding:
    sampler = model.sampler()
    with open_audio(path, model.sr) as audio:
        for block in audio.blocks():
            sampler.push(block)
    return TextEmbedding(model.digest, model.embed_audio(sampler.windows()))
