"""The sources that a monitor listens to: files, pipes, microphones, Icecast stations and HLS."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from fingerprinter.audio.reader import open_audio
from fingerprinter.audio.signal import Mono
from fingerprinter.audio.streams.addresses import (
    check_web_address,
    is_web_address,
    joined,
    shown_address,
)
from fingerprinter.audio.streams.hls import MAX_PLAYLIST_BYTES, HlsPlace, read_hls
from fingerprinter.audio.streams.icy import MAX_INTERVAL, split_titles
from fingerprinter.audio.streams.live_decoder import LiveDecoder, read_pipe
from fingerprinter.audio.streams.web import Answer, Web
from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, UsageError

STDIN, MIC = "-", "mic"
BLOCK_S = 1.0
NO_SOUND_S = 60.0
"""How long a station that sends something may give no sound, in seconds."""

_MAX_CLAIM = 300  # characters of a title
_MAX_PLAYLISTS = 3  # playlists that name each other, one after the other
_PLAYLISTS = ("audio/x-scpls", "mpegurl")
_FORMATS = {  # FFmpeg's container of a content type
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/aac": "aac",
    "audio/aacp": "aac",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
}


@dataclass(frozen=True, slots=True)
class SoundBlock:
    """Some sound of a source.

    Parameters
    ----------
    samples : (n,) float32 array
        Mono samples.
    claimed : str or None
        What the source said then about what plays.
    """

    samples: Mono
    claimed: str | None = None


class Source(Protocol):
    """A source of sound. It can be opened again and again.

    Attributes
    ----------
    shown : str
        Its name in messages, without credentials.
    is_live : bool
        Whether its sound comes in live, so that the clock gives the time of each event.
    reconnects : bool
        Whether it has no end, so that it is opened again when it breaks.
    station : str or None
        The name that the source gives itself, once it was opened.
    """

    shown: str
    is_live: bool
    reconnects: bool
    station: str | None

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        """Open the source and yield its sound until it ends.

        Parameters
        ----------
        sr : int
            Sampling rate of the samples in Hz.
        stop : threading.Event
            Is set to end it early.

        Raises
        ------
        AudioError
            If it cannot be opened, or breaks.
        """


def open_source(
    source: str, *, allow_private: bool = True, local: bool = True, device: str | None = None
) -> Source:
    """Return the source of a name.

    Parameters
    ----------
    source : str
        A file, ``-`` for standard input, ``mic``, or an address of http or https.
    allow_private : bool
        See `fingerprinter.audio.streams.addresses.resolve`.
    local : bool
        Whether it may be something else than an address.
    device : str, optional
        The microphone, by name or number.

    Raises
    ------
    UsageError
        If it may not be listened to.
    """
    if is_web_address(source):
        check_web_address(source)
        return Station(source, allow_private=allow_private)
    if not local:
        raise UsageError(f"{printable(source[:200])}: no address; write http://host/path")
    if source == STDIN:
        return Pipe(sys.stdin.buffer)
    return Microphone(device) if source == MIC else File(source)


class File:
    """A recording on the disk."""

    is_live, reconnects = False, False
    station: str | None = None

    def __init__(self, path: str) -> None:
        self._path, self.shown = path, printable(path)

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        """Yield the recording; see `Source.blocks`."""
        with open_audio(self._path, sr) as audio:
            for samples in audio.blocks(BLOCK_S):
                if stop.is_set():
                    return
                yield SoundBlock(samples)


class Pipe:
    """Encoded audio that another program writes."""

    is_live, reconnects, shown = True, False, "<stdin>"
    station: str | None = None

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        """Yield the audio as it comes in; see `Source.blocks`."""
        with LiveDecoder(self.shown, sr, stop=stop) as decoder:
            for samples in decoder.pieces(read_pipe(self._pipe)):
                if stop.is_set():
                    return
                yield SoundBlock(samples)


class Microphone:
    """An input of this computer."""

    is_live, reconnects, shown = True, True, MIC
    station: str | None = None

    def __init__(self, device: str | None = None) -> None:
        self._device = int(device) if device and device.isdecimal() and len(device) < 10 else device

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        """Yield the sound of the microphone; see `Source.blocks`."""
        from fingerprinter.audio.microphone import listen

        for samples in listen(sr, self._device):
            if stop.is_set():
                return
            yield SoundBlock(samples)


class Station:
    """An Icecast or SHOUTcast station, a playlist that names one, or HLS.

    Parameters
    ----------
    url : str
        Its address.
    allow_private : bool
        See `fingerprinter.audio.streams.addresses.resolve`.
    """

    is_live = True

    def __init__(self, url: str, *, allow_private: bool) -> None:
        self._url, self._allow_private = url, allow_private
        self.shown = shown_address(url)
        self.station: str | None = None
        self.reconnects = True
        self._claimed: str | None = None
        self._place = HlsPlace()

    def blocks(self, sr: int, stop: threading.Event) -> Iterator[SoundBlock]:
        """Connect, and yield the sound as it comes in; see `Source.blocks`."""
        self._claimed = None
        with ExitStack() as resources:
            web = resources.enter_context(Web(allow_private=self._allow_private))
            answer = self._open(web, resources)
            name = answer.headers.get("icy-name")
            self.station = _claim(_from_latin(name)) if name else None
            kind = _content_type(answer)
            if _is_playlist(answer):
                playlist = answer.read(MAX_PLAYLIST_BYTES)
                encoded: Iterator[bytes | None] = read_hls(
                    web, answer.url, playlist, stop.wait, self._end, self._place
                )
            else:
                encoded = self._sound(answer)
            decoder = LiveDecoder(self.shown, sr, _FORMATS.get(kind), stop, patience_s=NO_SOUND_S)
            resources.enter_context(decoder)
            for samples in decoder.pieces(encoded):
                if stop.is_set():
                    return
                yield SoundBlock(samples, self._claimed)

    def _end(self) -> None:
        """Note that the station says itself that nothing follows."""
        self.reconnects = False

    def _open(self, web: Web, resources: ExitStack) -> Answer:
        """Return the answer that holds sound or HLS; a plain playlist leads to its first entry."""
        url = self._url
        for _ in range(_MAX_PLAYLISTS):
            answer = web.get(url, resources, {"Icy-MetaData": "1"})
            if not _is_playlist(answer):
                return answer
            text = answer.read(MAX_PLAYLIST_BYTES)
            if b"#EXT-X-" in text:
                return _Read(answer, text)
            url = joined(answer.url, _first_entry(text, self.shown))
        raise AudioError(f"{self.shown}: a playlist that names only playlists")

    def _sound(self, answer: Answer) -> Iterator[bytes]:
        """Yield the sound of an answer, and keep the titles in it."""
        interval = answer.headers.get("icy-metaint", "")
        if not interval.isdecimal() or len(interval) > 9 or not 0 < int(interval) <= MAX_INTERVAL:
            yield from answer.chunks()
            return
        for piece in split_titles(answer.chunks(), int(interval)):
            if isinstance(piece, str):
                self._claimed = _claim(piece)
            else:
                yield piece


class _Read(Answer):
    """An answer whose body was read already."""

    def __init__(self, answer: Answer, body: bytes) -> None:
        self.url, self.headers, self._body = answer.url, answer.headers, body

    def read(self, max_bytes: int) -> bytes:
        return self._body[:max_bytes]


def _content_type(answer: Answer) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _is_playlist(answer: Answer) -> bool:
    kind = _content_type(answer)
    suffix = PurePosixPath(urlsplit(answer.url).path).suffix.lower()
    return any(each in kind for each in _PLAYLISTS) or suffix in (".m3u8", ".m3u", ".pls")


def _first_entry(playlist: bytes, shown: str) -> str:
    """Return the first address in a plain playlist, M3U or PLS."""
    for line in playlist.decode("utf-8", "replace").splitlines():
        entry = line.strip()
        if entry.lower().startswith("file") and "=" in entry:
            entry = entry.partition("=")[2].strip()
        elif entry.startswith(("#", "[")) or "=" in entry.partition("/")[0]:
            continue
        if entry:
            return entry
    raise AudioError(f"{shown}: a playlist without an address")


def _from_latin(text: str) -> str:
    """Return a header as UTF-8, if it is that: headers are read as Latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _claim(text: str) -> str | None:
    """Return what a station says as one printable line; None if it says nothing."""
    line = printable(" ".join(text.split()))[:_MAX_CLAIM]
    return line or None


def named_source(source: str) -> tuple[str | None, str]:
    """Return the (name, source) of ``NAME=SOURCE``; a file of that name comes first.

    >>> named_source("KEXP=https://kexp.example/live?a=b")
    ('KEXP', 'https://kexp.example/live?a=b')
    >>> named_source("https://kexp.example/?a=b")
    (None, 'https://kexp.example/?a=b')
    """
    name, equals, rest = source.partition("=")
    if not equals or not name or not rest or re.search(r"[/\\:?]", name) or os.path.exists(source):
        return None, source
    return name, rest


def station_name(source: str) -> str:
    """Return a name for a source that gives itself none.

    >>> station_name("https://radio.example:8000/live.mp3"), station_name("-")
    ('radio.example/live.mp3', '-')
    """
    if not is_web_address(source):
        return printable(source)
    parts = urlsplit(source)
    return printable(f"{parts.hostname}{unquote(parts.path)}".rstrip("/"))
