"""libsndfile as a second decoder, for files that FFmpeg refuses or does not read to their end.

FFmpeg refuses Ogg Vorbis files whose header packets stand a second time behind the first ones;
libsndfile and players play them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fingerprinter.audio.declared_duration import DeclaredDuration
from fingerprinter.audio.file_range import QuietFile
from fingerprinter.audio.ogg import audio_pages
from fingerprinter.audio.signal import MAX_SR, MIN_SR

# libsndfile takes many a file for one of its other formats, and its MP3 decoder prints complaints.
_SIGNATURES = (
    b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"caff", b"fLaC", b"OggS",
    b"Creative Voice File",
)  # fmt: skip
_BLOCK_SAMPLES = 32_768


class SecondDecoder:
    """A file that libsndfile has opened.

    Parameters
    ----------
    sound : soundfile.SoundFile
        The opened file.
    file : binary file
        The file that it reads.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz.
    n_channels : int
        Number of channels.
    codec : str
        libsndfile's name of the codec, such as "vorbis".
    duration_s : float
        Length in seconds, by the header.
    """

    def __init__(self, sound: Any, file: BinaryIO) -> None:
        self._sound, self._file = sound, file
        self.sr: int = sound.samplerate
        self.n_channels: int = sound.channels
        self.codec: str = sound.subtype.lower()
        self.duration_s: float = sound.frames / sound.samplerate

    @property
    def declared(self) -> DeclaredDuration:
        """The declared duration; that of Ogg is a guess where granule positions are strange."""
        return DeclaredDuration(self.duration_s, reliable=self._sound.format != "OGG")

    def channels(self, start_s: float = 0.0) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the samples from a position on, (channels, n) float32.

        Raises
        ------
        RuntimeError
            From libsndfile, if the file is damaged.
        """
        self._sound.seek(min(self._sound.frames, round(start_s * self.sr)))
        while len(block := self._sound.read(_BLOCK_SAMPLES, "float32", always_2d=True)):
            yield block.T

    def compressed_audio(self) -> Iterator[bytes]:
        """Yield a description and the audio pages of Ogg, or the samples of other formats."""
        sound = self._sound
        yield f"{sound.format} {sound.subtype} {sound.samplerate} {sound.channels}\n".encode()
        if sound.format == "OGG":
            yield from audio_pages(self._file)
            return
        with suppress(RuntimeError):  # damaged: what could be read identifies it
            while len(block := sound.read(_BLOCK_SAMPLES, "int32", always_2d=True)):
                yield block.tobytes()


def open_second_decoder(file: BinaryIO, resources: ExitStack) -> SecondDecoder | None:
    """Open a file with libsndfile.

    Parameters
    ----------
    file : binary file
        A seekable file.
    resources : ExitStack
        Closes the decoder in the end.

    Returns
    -------
    SecondDecoder or None
        ``None`` if libsndfile cannot read the file.
    """
    import soundfile  # loaded for these few files only

    file.seek(0)
    if not file.read(len(_SIGNATURES[-1])).startswith(_SIGNATURES):
        return None
    file.seek(0)
    try:
        sound = resources.enter_context(soundfile.SoundFile(_UnfailingFile(file)))
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        return None
    if not MIN_SR <= sound.samplerate <= MAX_SR:
        return None
    return SecondDecoder(sound, file) if sound.frames else None


class _UnfailingFile(QuietFile):
    """A file that ends where reading it fails; soundfile would print a traceback."""

    def read(self, size: int) -> bytes:
        try:
            return super().read(size)
        except OSError:
            return b""
