"""Separates a recording into parts and writes each part to a file, block by block."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinter.audio import AudioSource, WavWriter, open_audio
from fingerprinter.core.arrays import Floats
from fingerprinter.core.mir.separation import (
    SR,
    FrameSample,
    Masks,
    component_masks,
    harmonic_percussive,
    learn_templates,
    separated,
)
from fingerprinter.errors import AudioError, UsageError

_SEED = 0


@dataclass(frozen=True, slots=True)
class Separation:
    """The result of a separation.

    Attributes
    ----------
    files
        The files that were written.
    duration_s
        Duration of the recording in seconds.
    problem
        What could not be decoded; None if the recording is intact.
    """

    files: tuple[Path, ...]
    duration_s: float
    problem: str | None


def separate(source: AudioSource, folder: Path, components: int | None = None) -> Separation:
    """Write the parts of a recording as mono WAV files at 44.1 kHz.

    Parameters
    ----------
    source
        Audio that can be read twice, so no stream.
    folder
        Folder of the files. It is created if needed.
    components
        Number of recurring parts; None for a harmonic and a percussive part.

    Raises
    ------
    AudioError
        If the audio cannot be decoded, or is too short.
    UsageError
        If the folder cannot be written.
    """
    masks, names = _masks(source, components)
    files = tuple(folder / f"{name}.wav" for name in names)
    with ExitStack() as resources:
        audio = resources.enter_context(open_audio(source, SR))
        blocks = separated(audio.blocks(), masks)
        first = next(blocks)  # decoded before the folder is made, so that no error leaves a folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writers = [resources.enter_context(WavWriter(file, SR)) for file in files]
            for parts in itertools.chain([first], blocks):
                for writer, part in zip(writers, parts, strict=True):
                    writer.write(part)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}; name another folder") from error
        return Separation(files, audio.decoded_s, audio.problem)


def _masks(source: AudioSource, components: int | None) -> tuple[Masks, list[str]]:
    """Return the function that computes the masks, and the names of the parts."""
    if components is None:
        return harmonic_percussive, ["harmonic", "percussive"]
    rng = np.random.default_rng(_SEED)
    templates = learn_templates(_sample_frames(source), components, rng)
    width = len(str(components))
    names = [f"component-{number:0{width}}" for number in range(1, components + 1)]
    return component_masks(templates), names


def _sample_frames(source: AudioSource) -> Floats:
    """Return magnitudes of some frames of the whole; raises `AudioError` if there are none."""
    frames = FrameSample()
    with open_audio(source, SR) as audio:
        for block in audio.blocks():
            frames.push(block)
        name = audio.name
    try:
        return frames.magnitude()
    except ValueError:
        raise AudioError(f"{name}: too short to be taken apart") from None
