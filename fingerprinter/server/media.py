"""Sound and covers of tracks for browsers.

What is costly to make is kept in the cache folder under the content id of the track.
"""

from __future__ import annotations

import math
import mimetypes
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from fingerprinter.audio import FilePart, open_audio, read_cover
from fingerprinter.audio.small_file import read_small_file
from fingerprinter.errors import LibraryError
from fingerprinter.server.problems import MissingError
from fingerprinter.types import Track

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler
    from av.container import OutputContainer

_BROWSER_TYPES = {
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".webm": "audio/webm",
}
_OPUS_SR = 48_000
OPUS_BITS_PER_S = 128_000
_LAYOUTS = ("", "mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")  # by number of channels
_MAX_CACHE_BYTES = 2 << 30  # of transcoded files
_COVER_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}
_COVER_FILES = ("cover.jpg", "folder.jpg", "front.jpg", "cover.png", "folder.png", "front.png")
_MAX_COVER_BYTES = 20 << 20


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file to play, and its type."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True)
class Cover:
    """A picture and its type."""

    data: bytes
    media_type: str


def source_of(track: Track) -> Path:
    """Return the file of a track.

    Raises
    ------
    MissingError
        If the library knows no file of it, or the file is gone.
    """
    path = track.path
    if path is None or not os.path.isfile(path):
        raise MissingError(f"track {track.id}: its file is not there; was it moved? index it again")
    if not os.access(path, os.R_OK):
        raise MissingError(f"track {track.id}: the service has no permission to read its file")
    return Path(path)


def suffix_of(track: Track) -> str | None:
    """Return the suffix of a track's file in lower case without its dot; None if it has none."""
    suffix = PurePath(track.path or "").suffix[1:].lower()
    return suffix if suffix.isascii() and suffix.isalnum() else None


def type_of(track: Track) -> str:
    """Return the media type of a track's file, by its suffix."""
    suffix = f".{suffix_of(track)}"
    known = _BROWSER_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "")
    return known if known.startswith("audio/") else "application/octet-stream"


def is_playable(track: Track) -> bool:
    """Whether `playable` returns the file of a track as it is."""
    is_whole = track.start_s == 0 and track.end_s is None
    return is_whole and f".{suffix_of(track)}" in _BROWSER_TYPES


def original(track: Track, cache: Path) -> AudioFile:
    """Return the file of a track, or a copy in Opus if the track is a part of a file."""
    if track.start_s == 0 and track.end_s is None:
        return AudioFile(source_of(track), type_of(track))
    return playable(track, cache, codecs=frozenset())


def playable(
    track: Track,
    cache: Path,
    *,
    codecs: frozenset[str] | None = None,
    bits_per_s: int = OPUS_BITS_PER_S,
) -> AudioFile:
    """Return the file of a track if browsers play it, else a copy in Opus from the cache.

    A track that is a part of a file is copied, too.

    Parameters
    ----------
    track : Track
        A track with a file.
    cache : Path
        Folder of the copies.
    codecs : frozenset of str, optional
        Suffixes to play as they are; the default is all that browsers play.
    bits_per_s : int
        Average bit rate of the copy.
    """
    path = source_of(track)
    suffix = path.suffix.lower()
    is_whole = track.start_s == 0 and track.end_s is None
    if is_whole and suffix in (codecs if codecs is not None else _BROWSER_TYPES):
        return AudioFile(path, _BROWSER_TYPES[suffix])
    rate = "" if bits_per_s == OPUS_BITS_PER_S else f"-{bits_per_s}"
    target = cache / f"{_file_name(track)}{rate}.opus"
    if target.exists():
        os.utime(target)  # the time of its last use
    else:
        write_aside(target, lambda place: _encode_opus(track, path, place, bits_per_s))
        limit_size(cache)
    return AudioFile(target, "audio/ogg")


def cover(track: Track) -> Cover:
    """Return the picture in the tags of a track, or the one in its folder.

    Raises
    ------
    MissingError
        If there is none.
    """
    path = source_of(track)
    for data in (read_cover(path) or b"", _picture_in_folder(path.parent)):
        media_type = next((t for head, t in _COVER_TYPES.items() if data.startswith(head)), None)
        if len(data) > _MAX_COVER_BYTES:
            continue
        if media_type:
            return Cover(data, media_type)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return Cover(data, "image/webp")
    raise MissingError(f"track {track.id}: no cover")


def _file_name(track: Track) -> str:
    """Return the content id as a file name; the value may come from a crafted database."""
    if not re.fullmatch(r"[\w-]{1,128}", track.content_id, re.ASCII):
        raise MissingError(f"track {track.id}: its content id is damaged")
    return track.content_id


class SoundResponse(FileResponse):
    """A file, whole or by byte ranges. Ranges of other units are ignored (RFC 9110, 14.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"range" or value.strip().lower().startswith(b"bytes=")
        ]
        await super().__call__({**scope, "headers": headers}, receive, send)


def write_aside(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name and rename it, so that nobody sees a part of it.

    Raises
    ------
    LibraryError
        If the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            aside = Path(folder) / target.name
            write(aside)
            aside.replace(target)
    except OSError as error:
        raise LibraryError(
            f"the service cannot write to its cache folder ({error.strerror or error});"
            " free some space, or name another folder by FINGERPRINTER_CACHE"
        ) from error


def limit_size(cache: Path, max_bytes: int = _MAX_CACHE_BYTES) -> None:
    """Delete the copies that were not used for the longest time, if all are too large."""
    files = [(each.stat(), each) for each in cache.glob("*.opus")]
    excess = sum(stat.st_size for stat, _ in files) - max_bytes
    for stat, file in sorted(files, key=lambda each: each[0].st_mtime):
        if excess <= 0:
            return
        file.unlink(missing_ok=True)
        excess -= stat.st_size


def _encode_opus(track: Track, source: Path, target: Path, bits_per_s: int) -> None:
    """Encode the part of a file that a track is as Opus in stereo.

    The file is decoded in another process, under limits of memory and processor time.
    """
    import av

    part = FilePart(str(source), track.start_s, track.end_s)
    length_s = math.inf if track.end_s is None else track.end_s - track.start_s
    with av.open(str(target), "w", format="ogg") as written:
        opus = _OpusWriter(written, length_s, bits_per_s)
        with open_audio(part, on_channels=opus.write) as audio:
            for _ in audio.blocks():
                pass
        opus.close()


class _OpusWriter:
    """Writes decoded channels of any number and rate to a file as Opus in stereo."""

    def __init__(self, file: OutputContainer, length_s: float, bits_per_s: int) -> None:
        self._file, self._left_s = file, length_s
        self._stream = file.add_stream("libopus", rate=_OPUS_SR, layout="stereo")
        self._stream.bit_rate = bits_per_s
        self._resampler: AudioResampler | None = None
        self._form: tuple[int, int] | None = None

    def write(self, channels: npt.NDArray[np.float32], sr: int) -> None:
        """Write the next channels, (channels, n); what is more than is wanted is left out."""
        from av import AudioFrame, AudioResampler

        channels = channels[:, : round(min(self._left_s, channels.shape[1] / sr) * sr)]
        self._left_s -= channels.shape[1] / sr
        if not channels.size:
            return
        if len(channels) >= len(_LAYOUTS):
            channels = channels.mean(axis=0, keepdims=True)
        if self._form != (len(channels), sr):
            self._flush()
            self._form = len(channels), sr
            self._resampler = AudioResampler("fltp", "stereo", _OPUS_SR)
        samples = np.ascontiguousarray(channels)
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout=_LAYOUTS[len(samples)])
        frame.sample_rate = sr
        self._encode(frame)

    def close(self) -> None:
        """Write what is left in the resampler and the encoder."""
        self._flush()
        self._file.mux(self._stream.encode(None))

    def _flush(self) -> None:
        if self._resampler:
            self._encode(None)

    def _encode(self, frame: AudioFrame | None) -> None:
        assert self._resampler
        for ready in self._resampler.resample(frame):
            ready.pts = None  # the encoder counts the samples
            self._file.mux(self._stream.encode(ready))


def _picture_in_folder(folder: Path) -> bytes:
    for name in _COVER_FILES:
        with suppress(OSError):  # there is none, or it cannot be read
            return read_small_file(folder / name, _MAX_COVER_BYTES)
    return b""
