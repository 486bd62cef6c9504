"""Music analysis of a file: tempo, beats, key, sections and loudness, in one pass."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.audio.loudness import LoudnessMeter
from fingerprinter.core.arrays import Floats
from fingerprinter.core.mir import form
from fingerprinter.core.mir.chroma import HOP_S, Chroma, ChromaMeter
from fingerprinter.core.mir.rhythm import FPS, NO_BEATS, Beats, find_beats, tempo_of
from fingerprinter.core.mir.tonality import find_key
from fingerprinter.embedding.beats import (
    BANDS,
    SR,
    BandMeter,
    BeatModel,
    Halves,
    log_bands,
    normalizing_gain,
)
from fingerprinter.types import MusicAnalysis, Section

_VERSION: Final = 5  # must be raised with every change of the values that are computed
LONGEST_S: Final = 3600.0  # beats, key and sections use the first hour, which takes 60 MB

# Recordings with weaker or fewer beats have no tempo. The strength is the mean activation.
_MIN_BEAT_STRENGTH = 0.1
# Beats stand out of the rest: in eight pieces with a tempo their strength is 4 to 8 times the mean
# of all frames, in noise, rain, engines and a tone 1.3 to 2.5 times.
_MIN_BEAT_CONTRAST = 2.5
_MIN_BEATS = 8
# Smallest share of a recording that must keep the tempo. Speech and noise have an apparent tempo of
# about 165 bpm, and 16 of 22 such recordings keep it for less than this. Of 60 music tracks 12 are
# below, most of them orchestral ones without a pulse.
_MIN_STEADY_SHARE = 0.55

_SECTION_GRID_S = 0.5  # section boundaries lie on this grid where there are no beats
_CEPSTRUM = 14  # coefficients
_CHUNK_HOPS = 600  # one minute
_SEED = 0


@dataclass(frozen=True, slots=True)
class MusicFeatures:
    """A music analysis and the curves from which it was made, for plots.

    Attributes
    ----------
    analysis
        The analysis.
    duration_s
        Duration in seconds.
    problem
        What could not be decoded; None if the recording is intact.
    loudness_lufs
        (n,) float64, loudness of each tenth of a second.
    chroma
        Strength of the pitch classes over time.
    activation
        (m,) float32, how likely a beat is, at `FPS` frames per second.
    """

    analysis: MusicAnalysis
    duration_s: float
    problem: str | None
    loudness_lufs: npt.NDArray[np.float64]
    chroma: Chroma
    activation: Floats


@lru_cache(maxsize=1)
def _beat_model() -> BeatModel:
    return BeatModel()


def analysis_id() -> str:
    """Return the digest of everything that decides an analysis: 16 hex digits.

    Raises
    ------
    ModelError
        If the weights of the beat model are damaged.
    """
    parts = f"{_VERSION}/{LONGEST_S}/{_beat_model().digest}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AnalyzeJob:
    """The job of worker processes for `Library.analyze_all`."""

    def prepare(self) -> Callable[[os.PathLike[str]], MusicFeatures]:
        """Return the function that analyses one file."""
        return analyze_music


def analyze_music(source: AudioSource) -> MusicFeatures:
    """Analyse a recording in one pass with bounded memory.

    Parameters
    ----------
    source
        Any audio.

    Raises
    ------
    AudioError
        If the audio cannot be decoded.
    ModelError
        If the weights of the beat model are damaged.
    """
    loudness_meter, chroma_meter, band_meter = LoudnessMeter(), ChromaMeter(SR), BandMeter()
    with open_audio(source, SR, on_channels=loudness_meter.push) as audio:
        for block in audio.blocks():
            if audio.decoded_s <= LONGEST_S:
                chroma_meter.push(block)
                band_meter.push(block)
        duration_s, problem = audio.decoded_s, audio.problem
    loudness, chroma, bands = loudness_meter.result(), chroma_meter.result(), band_meter.result()
    audible = loudness.integrated_lufs is not None
    activation = _beat_model().activations(bands)
    beats = find_beats(activation) if audible else NO_BEATS
    weakest = max(
        _MIN_BEAT_STRENGTH, _MIN_BEAT_CONTRAST * float(activation.sum()) / max(1, len(activation))
    )
    if beats.strength < weakest or len(beats) < _MIN_BEATS:
        beats = NO_BEATS
    tempo_bpm, steady_share = _tempo(beats)
    analysis = MusicAnalysis(
        tempo_bpm=tempo_bpm,
        tempo_confidence=steady_share,
        beats_s=tuple(np.round(beats.times_s, 3).tolist()),
        key=find_key(chroma) if audible else None,
        sections=_sections(min(duration_s, LONGEST_S), beats, chroma, bands),
        loudness=loudness,
    )
    return MusicFeatures(analysis, duration_s, problem, loudness_meter.curve(), chroma, activation)


def _tempo(beats: Beats) -> tuple[float | None, float | None]:
    """Return tempo in bpm and the share of the recording that keeps it.

    There is no tempo if the share is too small.
    """
    if not len(beats):
        return None, None
    tempo_bpm, steady = tempo_of(beats.times_s)
    return round(tempo_bpm, 2) if steady >= _MIN_STEADY_SHARE else None, round(steady, 3)


def _sections(
    duration_s: float, beats: Beats, chroma: Chroma, bands: Halves
) -> tuple[Section, ...]:
    """Divide a recording into sections by harmony and timbre at its beats."""
    grid_s = (
        beats.times_s if len(beats) else np.arange(_SECTION_GRID_S, duration_s, _SECTION_GRID_S)
    )
    grid_s = grid_s[(grid_s > 0) & (grid_s < duration_s)]
    edges_s = np.concatenate([[0.0], grid_s, [duration_s]])
    timbre = _timbre(bands)
    count = min(len(chroma), len(timbre))
    norms = np.linalg.norm(chroma.frames, axis=1)[:, None]
    directions = chroma.frames / np.maximum(norms, 1e-3)
    moments = form.moments(edges_s, HOP_S, directions[:count], timbre[:count])
    return form.sections(moments, np.random.default_rng(_SEED))


def _timbre(bands: Halves) -> Floats:
    """Return the cepstrum of the bands without the loudness, one row each `HOP_S`, (n, 14)."""
    frames_per_hop = round(HOP_S * FPS)
    row, column = np.mgrid[1 : _CEPSTRUM + 1, 0:BANDS]
    cosines = np.cos(np.pi * row * (2 * column + 1) / (2 * BANDS)) * np.sqrt(2 / BANDS)
    end = len(bands) // frames_per_hop * frames_per_hop
    step = _CHUNK_HOPS * frames_per_hop
    gain, timbre = normalizing_gain(bands), [np.empty((0, _CEPSTRUM), np.float32)]
    for start in range(0, end, step):
        logs = log_bands(bands[start : min(end, start + step)], gain)
        means = logs.reshape(-1, frames_per_hop, BANDS).mean(axis=1)
        timbre.append((means @ cosines.T).astype(np.float32))
    return np.concatenate(timbre)
