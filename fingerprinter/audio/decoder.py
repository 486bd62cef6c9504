"""Decode a file of any format, chained Ogg included, to mono samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt

from fingerprinter.audio.damage import Damage
from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.ogg import chain_links
from fingerprinter.audio.read_ahead import ReadAhead
from fingerprinter.audio.second_decoder import SecondDecoder, open_second_decoder
from fingerprinter.audio.signal import (
    CHUNK_SAMPLES,
    Chunk,
    Downmixer,
    Mono,
    OnChannels,
    drop,
    drop_channels,
    mono_chunk,
    resample,
)
from fingerprinter.audio.source import EncodedSource, as_file, read_errors
from fingerprinter.audio.stream import EncodedStream
from fingerprinter.errors import AudioError

_EARLY_END_S = 0.5  # if FFmpeg leaves more than this, the second decoder tries to go on
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def decode(
    source: EncodedSource,
    name: str,
    sr: int,
    start_s: float,
    damage: Damage,
    resources: ExitStack,
    on_channels: OnChannels | None = None,
    ahead: ReadAhead | None = None,
) -> tuple[Iterator[Mono], DeclaredDuration]:
    """Open a source and return its audio, decoded in this process.

    Parameters
    ----------
    source : EncodedSource
        A path, encoded bytes, or a binary file object.
    name : str
        Name of the source in messages.
    sr : int
        Sampling rate of the result in Hz.
    start_s : float
        Where to start, in seconds.
    damage : Damage
        Collects what is damaged, while the chunks are decoded.
    resources : ExitStack
        Keeps what has to be closed in the end.
    on_channels : callable, optional
        Receives the channels, (channels, n) float32, and their rate before the downmix, from
        ``start_s`` on.
    ahead : ReadAhead, optional
        What was read of the source already.

    Returns
    -------
    pieces : iterator of (n,) float32 arrays
        Mono samples. They are decoded as they are needed.
    declared : DeclaredDuration
        The duration that the file declares.

    Raises
    ------
    AudioError
        If the source holds no audio that FFmpeg can decode.
    """
    if ahead and not start_s and (kept := ahead.take(damage)):
        chunks, declared = _chunks(*kept, start_s, damage, on_channels)
        return resample(chunks, sr), declared
    with read_errors(name):
        links = chain_links(resources.enter_context(as_file(source, name)))
    if len(links) > 1:
        late = on_channels and drop_channels(on_channels, start_s)
        chunks = drop(_chain(links, name, damage, late), start_s)
        return resample(chunks, sr), DeclaredDuration()
    chunks, declared = _open_link(links[0], name, start_s, damage, resources, on_channels)
    return resample(chunks, sr), declared


def _open_link(
    file: BinaryIO,
    name: str,
    start_s: float,
    damage: Damage,
    resources: ExitStack,
    on_channels: OnChannels | None,
) -> tuple[Iterator[Chunk], DeclaredDuration]:
    """Open a file that is no chain, with the second decoder if FFmpeg refuses it."""
    try:
        stream = resources.enter_context(closing(EncodedStream(file, name, damage)))
    except AudioError:
        second = open_second_decoder(file, resources)
        if second is None:
            raise
        return _second_chunks(second, start_s, damage, on_channels), second.declared
    return _chunks(stream, file, start_s, damage, on_channels)


def _chunks(
    stream: EncodedStream,
    file: BinaryIO,
    start_s: float,
    damage: Damage,
    on_channels: OnChannels | None,
) -> tuple[Iterator[Chunk], DeclaredDuration]:
    """Decode a stream from a position on."""
    frames, before_s = stream.frames_from(start_s)
    late = on_channels and drop_channels(on_channels, before_s)
    chunks = drop(decode_frames(frames, damage, late), before_s)
    return _to_the_end(chunks, stream, file, start_s, damage, on_channels), stream.declared


def _chain(
    links: Iterable[BinaryIO], name: str, damage: Damage, on_channels: OnChannels | None
) -> Iterator[Chunk]:
    """Yield the chunks of all links of an Ogg chain; a broken link does not stop the others."""
    for link in links:
        with ExitStack() as resources:
            try:
                yield from _open_link(link, name, 0.0, damage, resources, on_channels)[0]
            except AudioError as error:
                damage.note(str(error))


def _second_chunks(
    second: SecondDecoder, start_s: float, damage: Damage, on_channels: OnChannels | None
) -> Iterator[Chunk]:
    downmixer = Downmixer()
    try:
        for samples in second.channels(start_s):
            yield mono_chunk(samples, second.sr, downmixer, damage, on_channels)
    except RuntimeError as error:
        damage.note(str(error))


def _to_the_end(
    chunks: Iterable[Chunk],
    stream: EncodedStream,
    file: BinaryIO,
    start_s: float,
    damage: Damage,
    on_channels: OnChannels | None,
) -> Iterator[Chunk]:
    """Yield the chunks, and what the second decoder reads behind them if FFmpeg stops early."""
    end_s = start_s
    for chunk in chunks:
        end_s += len(chunk.samples) / chunk.sr
        yield chunk
    missing_s = (stream.declared.duration_s or 0.0) - end_s
    if not stream.declared.reliable or missing_s < _EARLY_END_S:
        return
    with ExitStack() as resources:
        second = open_second_decoder(file, resources)
        if second is not None and second.duration_s - end_s >= _EARLY_END_S:
            yield from _second_chunks(second, end_s, damage, on_channels)


def decode_frames(
    frames: Iterable[av.AudioFrame], damage: Damage, on_channels: OnChannels | None = None
) -> Iterator[Chunk]:
    """Yield decoded frames as mono chunks of about 0.7 s."""
    downmixer = Downmixer()
    for frame in _join_frames(frames):
        yield mono_chunk(_channels(frame), frame.sample_rate, downmixer, damage, on_channels)


def _join_frames(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Join small frames; a change of rate, channels or sample type starts a new large frame."""
    fifo, kind = av.AudioFifo(), None
    for frame in frames:
        same = kind == (kind := (frame.sample_rate, frame.layout.nb_channels, frame.format.name))
        if not same or fifo.samples >= CHUNK_SAMPLES:
            yield from fifo.read_many(0)  # everything in the FIFO as one frame
            fifo = fifo if same else av.AudioFifo()
        frame.pts = None  # otherwise the FIFO refuses gaps in time
        fifo.write(frame)
    yield from fifo.read_many(0)


def _channels(frame: av.AudioFrame) -> npt.NDArray[Any]:
    """Return the samples of a frame as (channels, n), in their own type."""
    channels, dtype = frame.layout.nb_channels, _DTYPES[frame.format.name.rstrip("p")]
    if not frame.format.is_planar:
        count = frame.samples * channels
        return np.frombuffer(memoryview(frame.planes[0]), dtype, count).reshape(-1, channels).T
    # PyAV before 19 lists planes beyond the eighth that do not exist.
    planes = frame.planes[:channels]
    return np.stack([np.frombuffer(memoryview(each), dtype, frame.samples) for each in planes])
