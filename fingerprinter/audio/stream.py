"""FFmpeg's side: a file -> the packets and decoded frames of its first audio stream.

Damage is noted and reading goes on behind it, as far as demuxer and decoder let it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, cast

import av
from av.container import InputContainer
from av.stream import Discard

from fingerprinter.audio.declared_duration import DeclaredDuration, declared_duration, read_head
from fingerprinter.audio.signal import MAX_SR, MIN_SR
from fingerprinter.errors import AudioError

_OPTIONS: dict[str, Any] = {
    # A playlist or script in disguise must not open other files or addresses.
    "container_options": {"protocol_whitelist": ""},
    # A tag in no known encoding must not cost the sound. PyAV 19 does this by itself.
    **({"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}),
}
_MAX_READ_ERRORS = 16  # one bad spot is passed; a failing disk is not asked for ever
# Decoders need some sound before the wanted sample: Opus 80 ms (RFC 7845), MP3 its bit reservoir.
_PREROLL_S = 0.2


@dataclass(slots=True)
class Damage:
    """What went wrong: the first error in FFmpeg's words, and how many samples were no sound."""

    error: str | None = None
    silenced: int = 0

    def note(self, error: str) -> None:
        """Keeps the first error."""
        self.error = self.error or error


def reason(error: Exception) -> str:
    """The words of an error without its number and file name."""
    return getattr(error, "strerror", None) or str(error)


class EncodedStream:
    """The first audio stream of a file. ``promise`` is what the file says of its length.

    Raises ``AudioError`` if FFmpeg finds no audio in it that it can decode.
    """

    def __init__(self, file: BinaryIO, name: str, damage: Damage) -> None:
        self._file, self._name, self._damage = file, name, damage
        head = read_head(file)
        self._open()
        self.promise: DeclaredDuration = declared_duration(self._container, self._stream, head)
        if head.cut_off:
            damage.note("the file ends inside an Ogg page")

    def _open(self) -> None:
        self._file.seek(0)
        self._container = _open_container(self._file, self._name)
        self._stream = _audio_stream(self._container, self._name)

    def __enter__(self) -> EncodedStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.close()

    @property
    def description(self) -> str:
        """Codec, rate and channels, e.g. ``vorbis 44100 2``."""
        context = self._stream.codec_context
        codec = context.codec.canonical_name
        return f"{codec} {context.sample_rate} {context.layout.nb_channels}"

    @property
    def metadata(self) -> dict[str, str]:
        """Tags as FFmpeg reads them, of the stream (Ogg) and of the container (all others)."""
        return {**self._stream.metadata, **self._container.metadata}

    def packets(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Compressed packets in their order. Empty ones, legal in Vorbis, are left out."""
        for _ in range(_MAX_READ_ERRORS):
            try:
                yield from (p for p in self._container.demux(self._stream) if p.size)
                return
            except (av.FFmpegError, OSError) as error:
                self._damage.note(reason(error))
            except IndexError:  # PyAV before 19, at the end, if streams have appeared on the way
                return

    def frames(self) -> Iterator[av.AudioFrame]:
        """Decoded frames, without the padding that the encoder declared (Opus, MP3, AAC)."""
        for packet in self.packets():
            yield from self._decode(packet)
        yield from self._decode(None)  # what the decoder held back

    def _decode(self, packet: av.Packet[av.AudioStream] | None) -> list[av.AudioFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            self._damage.note(reason(error))
            return []

    def frames_from(self, start_s: float) -> tuple[Iterator[av.AudioFrame], float]:
        """Frames from a little before ``start_s``, and how many seconds of them lie before it.

        Time 0 is the first decoded sample. A file that cannot seek to a known
        time is decoded from its beginning.
        """
        if start_s > _PREROLL_S:
            sought = self._sought(start_s)
            if sought is not None:
                return sought
            self._container.close()
            self._open()
        return self.frames(), start_s

    def _sought(self, start_s: float) -> tuple[Iterator[av.AudioFrame], float] | None:
        zero_s = self._time_s(next(self.frames(), None))
        if zero_s is None or not self._seek(zero_s + start_s - _PREROLL_S):
            return None
        frames = self.frames()
        landed = next(frames, None)
        landed_s = self._time_s(landed)
        if landed is None or landed_s is None or landed_s > zero_s + start_s:
            return None
        return chain([landed], frames), zero_s + start_s - landed_s

    def _time_s(self, frame: av.AudioFrame | None) -> float | None:
        if frame is None or frame.pts is None or not self._stream.time_base:
            return None
        return float(frame.pts * self._stream.time_base)

    def _seek(self, time_s: float) -> bool:
        try:
            ticks = int(time_s / float(self._stream.time_base or 1))
            self._container.seek(ticks, stream=self._stream)
        except (av.FFmpegError, OSError):
            return False
        return True


class _QuietFile:
    """A file whose failing seeks are no exceptions, which PyAV would print.

    FFmpeg tries to seek before the start of damaged files.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name = getattr(file, "name", "<none>")  # its suffix helps to find the format
        self.read, self.tell = file.read, file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -1


def _open_container(file: BinaryIO, name: str) -> InputContainer:
    try:
        return cast(InputContainer, av.open(_QuietFile(file), **_OPTIONS))
    except (av.FFmpegError, OSError) as error:
        message = f"{name}: not audio, or cut off before any ({reason(error)}); does it play?"
        raise AudioError(message) from error


def _audio_stream(container: InputContainer, name: str) -> av.AudioStream:
    if not container.streams.audio:
        held = "a video without sound?" if container.streams.video else "a subtitle or data file?"
        raise AudioError(f"{name}: no audio stream ({held})")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(f"{name}: FFmpeg has no decoder for this audio; convert it to FLAC or WAV")
    if not MIN_SR <= stream.codec_context.sample_rate <= MAX_SR:
        raise AudioError(
            f"{name}: {stream.codec_context.sample_rate} Hz is no rate of sound; damaged?"
        )
    for other in container.streams:
        other.discard = Discard.none if other is stream else Discard.all
    return stream
