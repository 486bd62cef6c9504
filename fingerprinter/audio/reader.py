"""Read any source as mono blocks at one rate, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.damage import Damage
from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.decoding_process import DecodingProcess, borrowed_process
from fingerprinter.audio.limits import process_guard
from fingerprinter.audio.read_ahead import ReadAhead
from fingerprinter.audio.signal import (
    CHUNK_SAMPLES,
    MAX_SR,
    MIN_SR,
    Chunk,
    Downmixer,
    Mono,
    OnChannels,
    drop,
    drop_channels,
    equal_blocks,
    mono_chunk,
    resample,
)
from fingerprinter.audio.source import (
    AudioSource,
    FilePart,
    is_streamed,
    path_or_bytes,
    source_name,
)
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, UsageError

SR = 16_000
"""Default sampling rate in Hz."""

_SAMPLE_TYPES = [
    "f2",
    "f4",
    "f8",
    "i1",
    "i2",
    "i4",
    "u1",
]  # no i8: it hardly ever uses its full scale
_MAX_CHANNELS = 64  # an array with more rows has its axes swapped

# After a decoding error, a file counts as damaged if more than this is missing. Padding and rounded
# time stamps cost less; an error that costs no audio was about rubbish at the end of the file.
_PADDING_S = 0.015
# Without an error, 0.5 s plus 0.2 % of the length may be missing, but nothing of lossless formats.
_SLACK_S, _SLACK = 0.5, 0.002


class AudioReader(AbstractContextManager["AudioReader"]):
    """The audio of one source, mono at one rate; a context manager that ``open_audio`` makes.

    Attributes
    ----------
    name : str
        Name of the source in messages.
    sr : int
        Sampling rate of the blocks in Hz.
    duration_s : float or None
        Duration that the source declares, in seconds.
    decoded_s : float
        How much audio the blocks have given so far, in seconds.
    problem : str or None
        After the last block: what of the source is missing or damaged.
    is_live : bool
        Whether the source is a pipe that is decoded while it comes in.
    """

    def __init__(
        self,
        name: str,
        sr: int,
        start_s: float,
        pieces: Iterator[Mono],
        declared: DeclaredDuration,
        damage: Damage,
        resources: ExitStack,
        *,
        is_live: bool = False,
    ) -> None:
        self.is_live = is_live
        self.name, self.sr, self.duration_s = name, sr, declared.duration_s
        self.decoded_s = 0.0
        self.problem: str | None = None
        self._start_s, self._pieces, self._declared = start_s, pieces, declared
        self._damage, self._resources = damage, resources

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.__exit__(kind, error, trace)

    def blocks(self, block_s: float = 10.0) -> Iterator[Mono]:
        """Yield the audio in blocks; this works once for each reader.

        Parameters
        ----------
        block_s : float
            Length of a block in seconds.

        Yields
        ------
        (n,) float32 array
            Mono samples at ``sr`` Hz; only the last block may be shorter.

        Raises
        ------
        AudioError
            At the end, if not one sample could be decoded.
        """
        size = max(1, round(block_s * self.sr))
        for block in equal_blocks(self._pieces, size):
            self.decoded_s += len(block) / self.sr
            yield block
        if not self.decoded_s:
            start_s = self._start_s
            what = f"no sample at or after {start_s:g} s" if start_s else "no sample in it"
            reason = self._damage.error or "the stream is empty"
            raise AudioError(f"{self.name}: {what} ({reason})")
        self.problem = self._damage_report()

    def _damage_report(self) -> str | None:
        """Say how much was decoded and what is damaged; ``None`` if the source is whole."""
        damage, missing_s, total = self._damage, None, ""
        if self._declared.reliable and self.duration_s is not None:
            missing_s = max(0.0, self.duration_s - self._start_s - self.decoded_s)
            total = f" of {self.decoded_s + missing_s:.1f}"
        cause = damage.error or "the rest is missing"
        if damage.silenced:
            cause = f"not a number, infinite or absurd: {damage.silenced} samples"
            cause += ", replaced by silence"
        elif damage.lost_s:
            cause = f"{damage.error or 'damaged'}; {damage.lost_s:.2f} s replaced by silence"
        elif missing_s is None and not damage.error:
            return None
        elif missing_s is not None:
            slack_s = _SLACK_S + _SLACK * (self.duration_s or 0.0)
            exact = damage.error or self._declared.exact
            if missing_s <= (_PADDING_S if exact else slack_s):
                return None
        return f"decoded {self.decoded_s - damage.lost_s:.1f}{total} s ({cause})"


def open_audio(
    source: AudioSource,
    sr: int = SR,
    *,
    start_s: float = 0.0,
    name: str | None = None,
    on_channels: OnChannels | None = None,
    process: DecodingProcess | None = None,
    ahead: ReadAhead | None = None,
) -> AudioReader:
    """Open a source for reading as mono.

    Samples are taken as they are. All else is decoded in another process, under limits of memory
    and processor time, unless this process is a worker of its own (``limit_this_process``).

    Parameters
    ----------
    source : AudioSource
        A path, a part of a file, encoded bytes, a binary file object or pipe, or ``(samples, sr)``
        with samples (n,) or (channels, n), float or integer of full scale.
    sr : int
        Sampling rate of the result in Hz.
    start_s : float
        Where to start, in seconds; exact to the sample. In a part of a file it counts from the
        start of the part.
    name : str, optional
        Name of the source in messages. Default: its path.
    on_channels : callable, optional
        Receives the decoded channels, (channels, n) float32, and their rate before the downmix,
        from the start on. The last ones may lie behind the end of a part.
    process : DecodingProcess, optional
        Where to decode; it can read one source at a time. Default: an idle one of this program.
    ahead : ReadAhead, optional
        What was read of the source for its content id. It counts where this process decodes.

    Returns
    -------
    AudioReader
        A context manager.

    Raises
    ------
    AudioError
        If the source cannot be read as audio; the message is one line.
    UsageError
        If ``start_s`` is negative or no number.

    Examples
    --------
    >>> with open_audio((np.zeros(32_000), 16_000)) as audio:
    ...     [len(block) for block in audio.blocks(block_s=1.5)]
    [24000, 8000]
    """
    if not (math.isfinite(start_s) and start_s >= 0):
        raise UsageError(f"start_s is {start_s}; give seconds from the start, 0 or more")
    name = printable(name) if name else source_name(source)
    damage, is_live = Damage(), False
    part = source if isinstance(source, FilePart) else FilePart("")
    first_s = part.start_s + start_s
    with ExitStack() as resources:
        if isinstance(source, tuple):
            chunks, declared = _from_samples(*source, name, start_s, damage, on_channels)
            pieces = resample(chunks, sr)
        elif process_guard():
            from fingerprinter.audio.decoder import decode

            pieces, declared = decode(
                source, name, sr, first_s, damage, resources, on_channels, ahead
            )
        elif not start_s and on_channels is None and is_streamed(source):
            from fingerprinter.audio.streams.live_decoder import LiveDecoder, read_pipe

            decoder = resources.enter_context(LiveDecoder(name, sr, damage=damage))
            pieces = decoder.pieces(read_pipe(cast(BinaryIO, source), peeked=True))
            declared, is_live = DeclaredDuration(), True
        else:
            process = process or resources.enter_context(borrowed_process())
            data = resources.enter_context(path_or_bytes(source, name))
            pieces, declared = resources.enter_context(
                process.decode(data, name, sr, first_s, damage, on_channels)
            )
        if source is part:
            pieces, declared = _within(part, start_s, sr, pieces, declared)
        rest = resources.pop_all()
        return AudioReader(name, sr, start_s, pieces, declared, damage, rest, is_live=is_live)


def _within(
    part: FilePart, start_s: float, sr: int, pieces: Iterator[Mono], declared: DeclaredDuration
) -> tuple[Iterator[Mono], DeclaredDuration]:
    """Cut what is read from ``start_s`` of a part on at the end of the part."""
    length_s = math.inf if part.end_s is None else part.end_s - part.start_s
    if declared.duration_s is not None:
        known_s = min(length_s, max(0.0, declared.duration_s - part.start_s))
        declared = replace(declared, duration_s=known_s)
    if part.end_s is not None:
        pieces = _first_samples(
            pieces, round(part.end_s * sr) - round((part.start_s + start_s) * sr)
        )
    return pieces, declared


def _first_samples(pieces: Iterator[Mono], left: int) -> Iterator[Mono]:
    while left > 0 and (piece := next(pieces, None)) is not None:
        yield piece[:left]
        left -= len(piece)


def read_samples(source: AudioSource, sr: int = SR) -> Mono:
    """Read a whole source at once, such as a clip.

    Parameters
    ----------
    source : AudioSource
        What ``open_audio`` takes.
    sr : int
        Sampling rate of the result in Hz.

    Returns
    -------
    (n,) float32 array
        Mono samples.

    Raises
    ------
    AudioError
        If the source cannot be read as audio.

    Examples
    --------
    >>> read_samples((np.array([[0, 16384], [16384, 16384]], np.int16), 16_000)).tolist()
    [0.25, 0.5]
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
    """Return an array as chunks, in the way in which ``decode`` returns a file."""
    samples = np.atleast_2d(samples)
    if not samples.size:
        raise AudioError(f"{name}: empty, no sample in it")
    if samples.ndim > 2 or len(samples) > _MAX_CHANNELS:
        shape = samples.shape
        raise AudioError(f"{name}: shape {shape}, not (n,) or (channels, n); transpose it?")
    if samples.dtype.str[1:] not in _SAMPLE_TYPES:
        known = "float, int16, int32 or uint8"
        raise AudioError(f"{name}: samples of type {samples.dtype}; convert them to {known}")
    if not MIN_SR <= sr <= MAX_SR:
        raise AudioError(f"{name}: {sr} Hz is no sampling rate of audio; give samples per second")
    pieces = np.array_split(samples, range(CHUNK_SAMPLES, samples.shape[1], CHUNK_SAMPLES), axis=1)
    downmixer, late = Downmixer(), on_channels and drop_channels(on_channels, start_s)
    chunks = (mono_chunk(piece, sr, downmixer, damage, late) for piece in pieces)
    return drop(chunks, start_s), DeclaredDuration(samples.shape[1] / sr, reliable=True)
