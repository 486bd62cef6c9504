"""The duration that a file declares, and whether a shorter recording proves damage.

Some containers store the exact length: if less audio can be decoded, the file is damaged. For
other files FFmpeg estimates the length from the bit rate, and a difference proves nothing. The
stored and the decoded length of 629 files of music, speech and noise differed by 13 ms at most.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from fingerprinter.audio.file_range import id3v2_bytes
from fingerprinter.audio.ogg import ends_inside_page

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

# Containers, by FFmpeg's names, whose stored length FFmpeg reports. Bare frames (aac, ac3, amr)
# and broadcasts (mpegts) store none. For asf, FFmpeg reports an estimate if the file size differs.
_WITH_LENGTH = """
    aiff ape au caf dsf flac matroska,webm mov,mp4,m4a,3gp,3g2,mj2 mpc mpc8 ogg tta w64 wav wv
"""
_CONTAINERS_WITH_LENGTH = frozenset(_WITH_LENGTH.split())
_WITH_END = frozenset(["matroska,webm", "ogg"])  # these store the time stamp of the end, with gaps
_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "ape")  # beginnings of FFmpeg's names
_MP3_FRAME_COUNTS = {b"Xing": 8, b"Info": 8, b"VBRI": 14}  # bytes from the mark to the count
_MP3_PADDING_S = 0.5  # the count includes padding that encoder and decoder add at both ends
_MPEG2_SR = 24_000  # Hz; up to this rate an MP3 frame is half as long
_HEAD_BYTES = 4096
_RIFF_UNKNOWN_BYTES = 0x7FFF_F000  # programs that write to a pipe store 2^31 or 2^32 - 1 here


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file.

    Parameters
    ----------
    data : bytes
        The first bytes after any ID3v2 tag.
    file_bytes : int
        Size of the file.
    cut_off : bool
        Whether it is an Ogg file that ends inside a page.
    """

    data: bytes
    file_bytes: int
    cut_off: bool


@dataclass(frozen=True, slots=True)
class DeclaredDuration:
    """The duration that a file declares.

    Parameters
    ----------
    duration_s : float or None
        The duration in seconds, if the container gives one.
    reliable : bool
        Whether the file is damaged if less can be decoded.
    exact : bool
        Whether it is exact to the sample, as lossless formats store it.
    """

    duration_s: float | None = None
    reliable: bool = False
    exact: bool = False


def read_head(file: BinaryIO) -> Head:
    """Read the parts of a file that its declared duration depends on; moves its position."""
    size = file.seek(0, io.SEEK_END)
    file.seek(id3v2_bytes(file))
    data = file.read(_HEAD_BYTES)
    return Head(data, size, ends_inside_page(file))


def declared_duration(
    container: InputContainer, stream: AudioStream, head: Head
) -> DeclaredDuration:
    """Return the declared duration of an audio stream.

    Parameters
    ----------
    container : av.container.InputContainer
        The opened file.
    stream : av.AudioStream
        Its audio stream.
    head : Head
        The beginning of the file.
    """
    from av import time_base  # most processes only pass on what another one has found out

    stores_length = container.format.name in _CONTAINERS_WITH_LENGTH and not head.cut_off
    if not stream.duration or not stream.time_base:
        # Matroska stores one length for video and audio together.
        total_s = container.duration / time_base if container.duration else None
        return DeclaredDuration(total_s, stores_length and len(container.streams) == 1)
    duration_s = float(stream.duration * stream.time_base)
    if container.format.name == "mp3":
        difference_s = abs(duration_s - _mp3_frames_s(stream, head))
        return DeclaredDuration(duration_s, difference_s < _MP3_PADDING_S)
    if container.format.name == "wav":
        duration_s = max(duration_s, _riff_s(stream, head))
    codec = stream.codec_context.codec.canonical_name
    exact = codec.startswith(_LOSSLESS) and container.format.name not in _WITH_END
    return DeclaredDuration(duration_s, stores_length, exact)


def _mp3_frames_s(stream: AudioStream, head: Head) -> float:
    """Return the duration by the frame count in the first frame of an MP3; 0 without a count.

    Xing, LAME and VBRI headers hold a count. FFmpeg ignores it and estimates if the file is longer.
    """
    sr = stream.codec_context.sample_rate
    frame_samples = 1152 if sr > _MPEG2_SR else 576
    for mark, offset in _MP3_FRAME_COUNTS.items():
        at = head.data.find(mark)
        if at >= 0:
            n_frames = int.from_bytes(head.data[at + offset : at + offset + 4], "big")
            return n_frames * frame_samples / sr
    return 0.0


def _riff_s(stream: AudioStream, head: Head) -> float:
    """Return the duration by the size in the RIFF header if the file is shorter, else 0.

    FFmpeg reports the shorter duration of the file itself.
    """
    stored_bytes = int.from_bytes(head.data[4:8], "little") + 8
    if not head.file_bytes < stored_bytes < _RIFF_UNKNOWN_BYTES or not stream.bit_rate:
        return 0.0
    return stored_bytes * 8 / stream.bit_rate
