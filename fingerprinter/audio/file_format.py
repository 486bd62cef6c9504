"""What the header of an audio file says about its encoding."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import av

from fingerprinter.audio.source import as_file, source_name
from fingerprinter.errors import AudioError

_LOSSLESS: Final = frozenset({"flac", "alac", "ape", "wavpack", "tta", "tak", "shorten", "als"})


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The encoding of an audio file. A value that the file does not tell is None.

    Attributes
    ----------
    codec : str
        FFmpeg's name of the codec: "flac", "mp3", "opus".
    bit_rate : int or None
        Bits for a second of audio.
    """

    codec: str
    bit_rate: int | None

    @property
    def is_lossless(self) -> bool:
        """Whether the codec keeps every sample."""
        return self.codec in _LOSSLESS or self.codec.startswith(("pcm_", "dsd_"))


def read_format(path: str | os.PathLike[str]) -> FileFormat:
    """Read the codec and the bit rate of a file. Its sound is not decoded.

    Parameters
    ----------
    path : path
        An audio file.

    Raises
    ------
    AudioError
        If it cannot be read or holds no audio.
    """
    name = source_name(path)
    with as_file(path, name) as file:
        try:
            with av.open(file, "r", metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise AudioError(f"{name}: no audio stream (a video without sound?)")
                stream = container.streams.audio[0]
                rate = stream.codec_context.bit_rate or container.bit_rate
                return FileFormat(stream.codec.canonical_name, int(rate) if rate else None)
        except (av.FFmpegError, OSError) as error:
            raise AudioError(f"{name}: not audio, or damaged: {error.strerror}") from error
