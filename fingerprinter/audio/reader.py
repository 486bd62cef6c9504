"""Any source as mono blocks at one rate, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.decoder import CHUNK_SAMPLES, decode, mono_chunk
from fingerprinter.audio.signal import (
    MAX_SR,
    MIN_SR,
    Chunk,
    Mono,
    OnChannels,
    drop,
    equal_blocks,
    resample,
)
from fingerprinter.audio.source import AudioSource, as_file, printable, source_name
from fingerprinter.audio.stream import Damage
from fingerprinter.errors import AudioError, UsageError

SR = 16_000  # Hz
_SAMPLE_TYPES = "f2 f4 f8 i1 i2 i4 u1"  # 64-bit integers are hardly ever of full scale
_MAX_CHANNELS = 64  # more rows than that are samples, not channels

# Padding and rounded time stamps stay below this (promise.py), most lost packets do not:
# an error that cost no more was about rubbish at the end, not about sound.
_PADDING_S = 0.015
# Without an error a file may fall short by 0.5 s and 0.2 % of its length and count as whole.
_SLACK_S, _SLACK = 0.5, 0.002


class AudioReader:
    """Sound of one source, mono at ``sr`` Hz. A context manager, made by ``open_audio``.

    name: the source in messages
    duration_s: what the container promises, ``None`` if it does not say
    decoded_s: how much the blocks have given so far
    problem: after the last block, what of the source is missing or damaged; ``None`` when whole
    """

    def __init__(
        self,
        name: str,
        sr: int,
        start_s: float,
        chunks: Iterator[Chunk],
        promise: DeclaredDuration,
        damage: Damage,
        resources: ExitStack,
    ) -> None:
        self.name, self.sr, self.duration_s = name, sr, promise.duration_s
        self.decoded_s = 0.0
        self.problem: str | None = None
        self._start_s, self._chunks, self._promise = start_s, chunks, promise
        self._damage, self._resources = damage, resources

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()

    def blocks(self, block_s: float = 10.0) -> Iterator[Mono]:
        """Blocks of ``block_s`` seconds, (n,) float32; the last may be shorter. Once only.

        Raises ``AudioError`` at the end if not one sample could be decoded.
        """
        size = max(1, round(block_s * self.sr))
        for block in equal_blocks(resample(self._chunks, self.sr), size):
            self.decoded_s += len(block) / self.sr
            yield block
        if not self.decoded_s:
            raise AudioError(f"{self.name}: {self._nothing()}")
        self.problem = self._damage_report()

    def _nothing(self) -> str:
        where = f"no sample at or after {self._start_s:g} s" if self._start_s else "no sample in it"
        return f"{where} ({self._damage.error or 'the stream is empty'})"

    def _damage_report(self) -> str | None:
        missing_s = self._missing_s()
        if not self._is_damaged(missing_s):
            return None
        of = "" if missing_s is None else f" of {self.decoded_s + missing_s:.1f}"
        return f"decoded {self.decoded_s:.1f}{of} s ({self._cause()})"

    def _missing_s(self) -> float | None:
        if not self._promise.reliable or self.duration_s is None:
            return None
        return max(0.0, self.duration_s - self._start_s - self.decoded_s)

    def _is_damaged(self, missing_s: float | None) -> bool:
        if self._damage.silenced:
            return True
        if missing_s is None:
            return self._damage.error is not None
        limit_s = _SLACK_S + _SLACK * (self.duration_s or 0.0)
        return missing_s > (_PADDING_S if self._damage.error else limit_s)

    def _cause(self) -> str:
        if self._damage.silenced:
            return f"not a number, infinite or absurd: {self._damage.silenced} samples, taken as 0"
        return self._damage.error or "the rest is missing"


def open_audio(
    source: AudioSource,
    sr: int = SR,
    *,
    start_s: float = 0.0,
    name: str | None = None,
    on_channels: OnChannels | None = None,
) -> AudioReader:
    """Opens a source for reading as mono at ``sr`` Hz from ``start_s`` on, to the sample.

    source: a path, encoded bytes, a binary file object or pipe, or ``(samples, sr)``
        with samples (n,) or (channels, n), float or integer of full scale
    name: what to call it in messages instead of its file name
    on_channels: is shown what is decoded before it becomes mono, from the place on where the
        decoder begins
    Raises ``AudioError`` if it cannot be read as audio, with the reason in one line.
    """
    if not (math.isfinite(start_s) and start_s >= 0):
        raise UsageError(f"start_s is {start_s}; it counts seconds from the start, 0 or more")
    name = printable(name) if name else source_name(source)
    damage = Damage()
    with ExitStack() as resources:
        if isinstance(source, tuple):
            chunks, promise = _from_samples(*source, name, start_s, damage, on_channels)
        else:
            file = resources.enter_context(as_file(source, name))
            chunks, promise = decode(file, name, start_s, damage, resources, on_channels)
        return AudioReader(name, sr, start_s, chunks, promise, damage, resources.pop_all())


def read_samples(source: AudioSource, sr: int = SR) -> Mono:
    """The whole source at once, (n,) float32 mono at ``sr`` Hz; for clips.

    Raises ``AudioError`` as ``open_audio`` does.
    """
    with open_audio(source, sr) as audio:
        return np.concatenate(list(audio.blocks()))


def _from_samples(
    samples: npt.NDArray[Any],
    sr: int,
    name: str,
    start_s: float,
    damage: Damage,
    on_channels: OnChannels | None,
) -> tuple[Iterator[Chunk], DeclaredDuration]:
    samples = np.atleast_2d(samples)
    _check_samples(samples, sr, name)
    pieces = np.array_split(samples, range(CHUNK_SAMPLES, samples.shape[1], CHUNK_SAMPLES), axis=1)
    chunks = (mono_chunk(piece, sr, damage, on_channels) for piece in pieces)
    return drop(chunks, start_s), DeclaredDuration(samples.shape[1] / sr, reliable=True)


def _check_samples(samples: npt.NDArray[Any], sr: int, name: str) -> None:
    if not samples.size:
        raise AudioError(f"{name}: empty, no sample in it")
    if samples.ndim > 2 or len(samples) > _MAX_CHANNELS:
        shape = samples.shape
        raise AudioError(f"{name}: shape {shape}, not (n,) or (channels, n); transpose it?")
    if samples.dtype.str[1:] not in _SAMPLE_TYPES.split():
        known = "float, int16, int32 or uint8"
        raise AudioError(f"{name}: samples of type {samples.dtype}; convert them to {known}")
    if not MIN_SR <= sr <= MAX_SR:
        raise AudioError(f"{name}: {sr} Hz is no rate of sound; it counts samples a second")
