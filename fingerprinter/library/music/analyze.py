"""A file -> tempo, beats, key, sections and loudness, in one pass and bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprinter.audio import AudioSource, open_audio
from fingerprinter.core.mir import form
from fingerprinter.core.mir.chroma import HOP_S, Chroma, ChromaMeter
from fingerprinter.core.mir.loudness import LoudnessMeter
from fingerprinter.core.mir.rhythm import FPS, NO_BEATS, Beats, find_beats, tempo_of
from fingerprinter.core.mir.tonality import find_key
from fingerprinter.embedding.beats import (
    BANDS,
    SR,
    BandMeter,
    BeatModel,
    Halves,
    compressed,
    levelled,
)
from fingerprinter.types import MusicAnalysis, Section

Floats = npt.NDArray[np.float32]

_VERSION: Final = 2  # goes up with every change of what is computed
LONGEST_S: Final = 3600.0  # beats, key and sections are those of the first hour: 60 MB
# Mean activation at the beats below which there are none to speak of.
_WEAKEST_BEATS = 0.1
_FEWEST_BEATS = 8
# Speech and noise have a "tempo" of about 165 bpm that 16 of 22 keep for less than this; of 60
# tracks 12 do, most of them orchestral ones without a pulse.
_STEADY = 0.55
_MOMENT_S = 0.5  # where there are no beats
_COEFFICIENTS = 14
_TOGETHER = 600  # hops: a minute
_SEED = 0


@dataclass(frozen=True, slots=True)
class MusicFeatures:
    """An analysis, and the curves that it was made of, for pictures.

    loudness_lufs: (n,) float64, of each tenth of a second
    activation: (m,) float32 at `FPS`, how likely a beat is
    problem: what of the source could not be decoded; None when it is whole
    """

    analysis: MusicAnalysis
    duration_s: float
    problem: str | None
    loudness_lufs: npt.NDArray[np.float64]
    chroma: Chroma
    activation: Floats


@lru_cache(maxsize=1)
def _model() -> BeatModel:
    return BeatModel()


def analysis_id() -> str:
    """Digest of all that decides an analysis: 16 hex digits. Raises `ModelError`."""
    parts = f"{_VERSION}/{LONGEST_S}/{_model().digest}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AnalyzeJob:
    """What workers do for `Library.analyze_all`."""

    def prepare(self) -> Callable[[Path], MusicFeatures]:
        """The work on each file."""
        return analyze_music


def analyze_music(source: AudioSource) -> MusicFeatures:
    """Listens to a source once; raises `AudioError`, and `ModelError` for damaged weights."""
    loudness, chroma, bands = LoudnessMeter(), ChromaMeter(SR), BandMeter()
    with open_audio(source, SR, on_channels=loudness.push) as audio:
        for block in audio.blocks():
            if audio.decoded_s <= LONGEST_S:
                chroma.push(block)
                bands.push(block)
        duration_s, problem = audio.decoded_s, audio.problem
    level, tones, spectrum = loudness.result(), chroma.result(), bands.result()
    audible = level.integrated_lufs is not None
    activation = _model().activations(spectrum)
    beats = _clear(find_beats(activation)) if audible else NO_BEATS
    tempo_bpm, steady = _tempo(beats)
    analysis = MusicAnalysis(
        tempo_bpm=tempo_bpm,
        tempo_confidence=steady,
        beats_s=tuple(np.round(beats.times_s, 3).tolist()),
        key=find_key(tones) if audible else None,
        sections=_sections(min(duration_s, LONGEST_S), beats, tones, spectrum),
        loudness=level,
    )
    return MusicFeatures(analysis, duration_s, problem, loudness.curve(), tones, activation)


def _tempo(beats: Beats) -> tuple[float | None, float | None]:
    """(tempo, share of the recording that keeps it); no tempo where that is too little."""
    if not len(beats):
        return None, None
    tempo_bpm, steady = tempo_of(beats.times_s)
    return round(tempo_bpm, 2) if steady >= _STEADY else None, round(steady, 3)


def _clear(beats: Beats) -> Beats:
    """None of them where they are too weak or too few."""
    if beats.strength < _WEAKEST_BEATS or len(beats) < _FEWEST_BEATS:
        return NO_BEATS
    return beats


def _sections(
    duration_s: float, beats: Beats, tones: Chroma, spectrum: Halves
) -> tuple[Section, ...]:
    inside = beats.times_s if len(beats) else np.arange(_MOMENT_S, duration_s, _MOMENT_S)
    inside = inside[(inside > 0) & (inside < duration_s)]
    edges_s = np.concatenate([[0.0], inside, [duration_s]])
    timbre = _timbre(spectrum)
    count = min(len(tones), len(timbre))
    directions = tones.frames / np.maximum(np.linalg.norm(tones.frames, axis=1)[:, None], 1e-3)
    given = form.moments(edges_s, HOP_S, directions[:count], timbre[:count])
    return form.sections(given, np.random.default_rng(_SEED))


def _timbre(spectrum: Halves) -> Floats:
    """Cepstrum of the bands, one each `HOP_S`, without the loudness: (n, 14) float32."""
    per_hop = round(HOP_S * FPS)
    row, column = np.mgrid[1 : _COEFFICIENTS + 1, 0:BANDS]
    cosines = np.cos(np.pi * row * (2 * column + 1) / (2 * BANDS)) * np.sqrt(2 / BANDS)
    whole = len(spectrum) // per_hop * per_hop
    gain, timbre = levelled(spectrum), [np.empty((0, _COEFFICIENTS), np.float32)]
    for start in range(0, whole, _TOGETHER * per_hop):
        part = compressed(spectrum[start : min(whole, start + _TOGETHER * per_hop)], gain)
        means = part.reshape(-1, per_hop, BANDS).mean(axis=1)
        timbre.append((means @ cosines.T).astype(np.float32))
    return np.concatenate(timbre)
