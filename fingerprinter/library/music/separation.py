"""A file -> files of its parts, block by block."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The files that were written, and what of the source could not be decoded."""

    files: tuple[Path, ...]
    duration_s: float
    problem: str | None


def separate(source: AudioSource, folder: Path, components: int | None = None) -> Separation:
    """Writes the parts of a recording as mono WAV files at 44.1 kHz into a folder.

    source: no stream, it may be read twice
    components: so many parts that recur; None for a harmonic and a percussive one
    Raises `AudioError` where it cannot be read, `UsageError` where the folder cannot be written.
    """
    masks, names = _parts(source, components)
    files = tuple(folder / f"{name}.wav" for name in names)
    with ExitStack() as resources:
        audio = resources.enter_context(open_audio(source, SR))
        blocks = separated(audio.blocks(), masks)
        first = next(blocks)  # what is no audio leaves no folder behind
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writers = [resources.enter_context(WavWriter(file, SR)) for file in files]
            for sounds in _all(first, blocks):
                for writer, sound in zip(writers, sounds, strict=True):
                    writer.write(sound)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}; name another folder") from error
        return Separation(files, audio.decoded_s, audio.problem)


def _all(first: Floats, rest: Iterator[Floats]) -> Iterator[Floats]:
    yield first
    yield from rest


def _parts(source: AudioSource, components: int | None) -> tuple[Masks, list[str]]:
    if components is None:
        return harmonic_percussive, ["harmonic", "percussive"]
    rng = np.random.default_rng(_SEED)
    templates = learn_templates(_sample(source), components, rng)
    width = len(str(components))
    names = [f"component-{number:0{width}}" for number in range(1, components + 1)]
    return component_masks(templates), names


def _sample(source: AudioSource) -> Floats:
    """Some frames of the whole; raises `AudioError` where there is not one."""
    frames = FrameSample()
    with open_audio(source, SR) as audio:
        for block in audio.blocks():
            frames.push(block)
        name = audio.name
    try:
        return frames.magnitude()
    except ValueError:
        raise AudioError(f"{name}: too short to be taken apart") from None
