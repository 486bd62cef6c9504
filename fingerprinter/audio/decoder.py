"""From a file to mono chunks at the file's own rate, all formats and Ogg chains alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt

from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.ogg import chain_links
from fingerprinter.audio.signal import Chunk, OnChannels, as_floats, downmix, drop, silence_damage
from fingerprinter.audio.stream import Damage, EncodedStream
from fingerprinter.errors import AudioError

# Measured best: larger chunks leave the cache, smaller ones cost calls. 0.7 s of CD sound.
CHUNK_SAMPLES = 32_768
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def decode(
    file: BinaryIO,
    name: str,
    start_s: float,
    damage: Damage,
    resources: ExitStack,
    on_channels: OnChannels | None = None,
) -> tuple[Iterator[Chunk], DeclaredDuration]:
    """The sound of a file from ``start_s`` on, and what the file promises of its length.

    Opens the file at once and decodes as the chunks are asked for. Raises
    ``AudioError`` if it holds no audio that FFmpeg can decode.
    """
    first, *rest = chain_links(file)
    stream = resources.enter_context(EncodedStream(first, name, damage))
    if not rest:
        frames, before_s = stream.frames_from(start_s)
        return drop(_chunks(frames, damage, on_channels), before_s), stream.promise
    frames = chain(stream.frames(), _later_links(rest, name, damage))
    return drop(_chunks(frames, damage, on_channels), start_s), DeclaredDuration()


def _later_links(files: Iterable[BinaryIO], name: str, damage: Damage) -> Iterator[av.AudioFrame]:
    for file in files:
        try:
            with EncodedStream(file, name, damage) as stream:
                yield from stream.frames()
        except AudioError as error:
            damage.note(str(error))


def _chunks(
    frames: Iterable[av.AudioFrame], damage: Damage, on_channels: OnChannels | None
) -> Iterator[Chunk]:
    for frame in _joined(frames):
        yield mono_chunk(_channels(frame), frame.sample_rate, damage, on_channels)


def mono_chunk(
    samples: npt.NDArray[Any], sr: int, damage: Damage, on_channels: OnChannels | None = None
) -> Chunk:
    """Samples (channels, n) of any type as a chunk; what was no sound in them is noted."""
    if on_channels:
        on_channels(as_floats(samples), sr)
    mono = downmix(samples)
    damage.silenced += silence_damage(mono)
    return Chunk(mono, sr)


def _joined(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Small frames as large ones. A change of rate, channels or sample type begins a new one."""
    fifo, kind = av.AudioFifo(), None
    for frame in frames:
        same = kind == (kind := (frame.sample_rate, frame.layout.nb_channels, frame.format.name))
        if not same or fifo.samples >= CHUNK_SAMPLES:
            yield from fifo.read_many(0)  # all there is, as one frame
            fifo = fifo if same else av.AudioFifo()
        frame.pts = None  # else the FIFO refuses gaps in time
        fifo.write(frame)
    yield from fifo.read_many(0)


def _channels(frame: av.AudioFrame) -> npt.NDArray[Any]:
    """The samples of a frame as (channels, n) in their own type."""
    channels, dtype = frame.layout.nb_channels, _DTYPES[frame.format.name.rstrip("p")]
    if not frame.format.is_planar:
        count = frame.samples * channels
        return np.frombuffer(memoryview(frame.planes[0]), dtype, count).reshape(-1, channels).T
    # PyAV before 19 lists planes beyond the eighth that are not there.
    planes = [memoryview(plane) for plane in frame.planes[:channels]]
    return np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
