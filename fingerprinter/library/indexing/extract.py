"""Feature extraction: one audio file to everything that the library stores about it.

This runs in the worker processes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import (
    AudioSource,
    Content,
    FilePart,
    open_audio,
    read_content,
    read_tags,
)
from fingerprinter.audio.content import content_of_part
from fingerprinter.audio.cue_sheet import CuedFile, embedded_tracks, tags_of_part
from fingerprinter.audio.field_limit import MOST_FIELDS, has_many_fields
from fingerprinter.audio.read_ahead import ReadAhead
from fingerprinter.audio.source import source_name
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
from fingerprinter.errors import AudioError
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
    start_s, end_s : float, and float or None
        The part of the file; all of it by default.
    """

    content_id: str
    tags: Tags
    features: AudioFeatures | None
    audio: AudioFormat = field(default_factory=AudioFormat)
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExtractedFile:
    """The tracks of a file.

    Attributes
    ----------
    tracks : tuple of ExtractedTrack
        One, or those of a cue sheet.
    note : str or None
        Why a cue sheet or some fields of tags do not count, if so.
    """

    tracks: tuple[ExtractedTrack, ...]
    note: str | None = None

    @property
    def audio_s(self) -> float:
        """Seconds of sound that were decoded for it."""
        return sum(track.features.duration_s for track in self.tracks if track.features)


def extract_file(
    source: str | os.PathLike[str],
    params: LandmarkParams,
    model: EmbeddingModel | None,
    known: Collection[str],
    text_model: TextAudioModel | None = None,
) -> ExtractedFile:
    """Extract content id, tags and features of a file, or of each track of its cue sheet.

    Parameters
    ----------
    source : path or CuedFile
        The audio file, with the cue sheet in its folder if there is one. Without, a sheet inside
        the file counts.
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
    ExtractedFile
        If a sheet is damaged or goes on behind the end of the sound, the file is one track.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    with ReadAhead() as ahead:
        return _extract_file(source, params, model, known, text_model, ahead)


def _extract_file(
    source: str | os.PathLike[str],
    params: LandmarkParams,
    model: EmbeddingModel | None,
    known: Collection[str],
    text_model: TextAudioModel | None,
    ahead: ReadAhead,
) -> ExtractedFile:
    path, name = os.fspath(source), source_name(source)
    whole, tags = read_content(path, ahead), read_tags(path)

    def extract(part: str | FilePart, content: Content, tags: Tags) -> ExtractedTrack:
        is_known = content.id in known
        features = None if is_known else extract_audio(part, params, model, text_model, ahead)
        return ExtractedTrack(content.id, tags, features, content.audio)

    problem, tracks, at_s = None, list[ExtractedTrack](), 0.0
    try:
        if isinstance(source, CuedFile):
            name, cue_tracks = source_name(source.sheet), source.tracks
        else:
            cue_tracks = embedded_tracks(path)
        for track in cue_tracks:
            at_s, part = track.start_s, FilePart(path, track.start_s, track.end_s)
            found = extract(part, content_of_part(whole, part), tags_of_part(tags, track.tags))
            tracks.append(replace(found, start_s=part.start_s, end_s=part.end_s))
    except AudioError as error:
        reason = str(error).removeprefix(f"{source_name(path)}: ")
        where = f"a track from {at_s:g} s on: " if tracks else ""
        problem, tracks = f"{name}: {where}{reason}; this cue sheet is not used", []
    if problem is None and has_many_fields(path):
        problem = f"{source_name(path)}: more than {MOST_FIELDS:,} fields of tags; the first count"
    return ExtractedFile(tuple(tracks) or (extract(path, whole, tags),), problem)


def extract_audio(
    source: AudioSource,
    params: LandmarkParams,
    model: EmbeddingModel | None,
    text_model: TextAudioModel | None = None,
    ahead: ReadAhead | None = None,
) -> AudioFeatures:
    """Extract the features of a file, or of a part of one, in one pass of the decoder.

    A text-audio model has a sample rate of its own and needs a second pass.

    Parameters
    ----------
    source : AudioSource
        The file or part.
    params, model, text_model
        See `extract_file`.
    ahead : ReadAhead, optional
        What was read of the file for its content id.

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
    with open_audio(source, params.sr, ahead=ahead) as audio:

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
            text_embedding=_embed_for_text(source, text_model) if text_model else None,
        )


def waveform_of(source: AudioSource) -> npt.NDArray[np.uint8]:
    """Decode a recording for its outline, (1000,) uint8.

    Parameters
    ----------
    source : AudioSource
        The recording.

    Returns
    -------
    (1000,) uint8
        See `fingerprinter.core.numeric.waveform`.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    outline = WaveformOutline()
    with open_audio(source) as audio:
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
        sketcher.push(chunk.spectrum.contrast)
        parts.append(chunk.peaks)
    return sort_by_frame(concat_peaks(parts)), sketcher.sketches()


def _embed_for_text(source: AudioSource, model: TextAudioModel) -> TextEmbedding:
    sampler = model.sampler()
    with open_audio(source, model.sr) as audio:
        for block in audio.blocks():
            sampler.push(block)
    return TextEmbedding(model.digest, model.embed_audio(sampler.windows()))
