"""Clips that are drawn from recordings and degraded, each by a random generator of its own."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinter.audio import open_audio
from fingerprinter.core.fingerprint.warp import UNCHANGED, Warp
from fingerprinter.errors import AudioError
from fingerprinter.evaluation.conditions import Condition
from fingerprinter.evaluation.degrade import Sounds, is_audible, mixed, stretched, with_gain
from fingerprinter.evaluation.excerpt import SR, Samples, read_excerpt

_TRIES = 256  # passages drawn before a set of recordings counts as silent or too short
_SPARE_S = 0.3  # what a change of tempo may lose at the end: windows of its overlap-add


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to draw passages from.

    Attributes
    ----------
    path
        The file.
    track_id
        Its track in the library; ``None`` for outside music.
    duration_s
        Its length; ``None`` if it is not known yet.
    """

    path: str
    track_id: int | None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a recording as it is in the file: ``samples`` (n,) float32 from ``start_s`` on."""

    recording: Recording
    start_s: float
    samples: Samples


@dataclass(frozen=True, slots=True)
class Clip:
    """A degraded clip and the truth about it.

    Attributes
    ----------
    condition, number
        The condition, and which of its clips this is.
    passages
        What sounds in it. All passages begin where the clip begins.
    warp
        Tempo and pitch relative to the recordings.
    samples
        (n,) float32, mono, 16 kHz.
    """

    condition: Condition
    number: int
    passages: tuple[Passage, ...]
    warp: Warp
    samples: Samples


def draw_clip(
    condition: Condition,
    number: int,
    recordings: Sequence[Recording],
    sounds: Sounds,
    seed: int,
) -> Clip | None:
    """Draw the clip that belongs to a seed, a condition and a number.

    The clip does not depend on what else is drawn. Every recording is equally likely, and so is
    every start in it. A passage that is near-silent (`is_audible`), too short or unreadable is
    drawn again.

    Parameters
    ----------
    condition
        What is done to the clip, and its length.
    number
        Which of the condition's clips.
    recordings
        What to draw from.
    sounds
        Where noise comes from.
    seed
        Seed of the whole evaluation.

    Returns
    -------
    Clip or None
        ``None`` if no recording has a usable passage.
    """
    rng = np.random.default_rng([seed, zlib.crc32(condition.name.encode()), number])
    if condition.render:
        samples = condition.render(round(condition.clip_s * SR), rng)
        return Clip(condition, number, (), UNCHANGED, samples)
    warp = condition.draw_warp(rng)
    passages = _draw_passages(condition, warp, recordings, rng)
    if passages is None:
        return None
    parts = [_part(passage, warp, condition.clip_s) for passage in passages]
    samples = with_gain(condition.degrade(mixed(parts), sounds, rng), rng)
    return Clip(condition, number, passages, warp, samples)


def _part(passage: Passage, warp: Warp, clip_s: float) -> Samples:
    return stretched(passage.samples, warp)[: round(clip_s * SR)]


def _draw_passages(
    condition: Condition, warp: Warp, recordings: Sequence[Recording], rng: np.random.Generator
) -> tuple[Passage, ...] | None:
    """Draw as many passages as sound at once, each of another recording."""
    length_s = condition.clip_s * warp.tempo + (_SPARE_S if condition.change else 0.0)
    passages: list[Passage] = []
    for _ in range(condition.recordings):
        taken = {passage.recording.path for passage in passages}
        others = [recording for recording in recordings if recording.path not in taken]
        passage = _draw_passage(others, length_s, rng)
        if passage is None:
            return None
        passages.append(passage)
    return tuple(passages)


def _draw_passage(
    recordings: Sequence[Recording], length_s: float, rng: np.random.Generator
) -> Passage | None:
    for _ in range(_TRIES if recordings else 0):
        recording = recordings[int(rng.integers(len(recordings)))]
        try:
            passage = _passage(recording, length_s, rng)
        except AudioError:
            continue
        if passage and is_audible(passage.samples):
            return passage
    return None


def _passage(recording: Recording, length_s: float, rng: np.random.Generator) -> Passage | None:
    """A passage with a random start; ``None`` if the recording is shorter."""
    duration_s = recording.duration_s
    if duration_s is None:
        duration_s = _duration_s(recording.path)
    if duration_s < length_s:
        return None
    start_s, n = rng.uniform(0.0, duration_s - length_s), round(length_s * SR)
    samples = read_excerpt(recording.path, start_s, n)
    return Passage(recording, start_s, samples) if len(samples) == n else None


def _duration_s(path: str) -> float:
    """The length that the file states; a file that states none counts as empty."""
    with open_audio(path) as audio:
        return audio.duration_s or 0.0
