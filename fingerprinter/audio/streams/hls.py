"""Read HLS (RFC 8216): a playlist that is fetched again and again, and the segments in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fingerprinter.audio.streams.addresses import joined, shown_address
from fingerprinter.audio.streams.web import Web
from fingerprinter.errors import AudioError, UsageError

MAX_PLAYLIST_BYTES = 1 << 20
MAX_SEGMENT_BYTES = 64 << 20
_AT_START = 3  # segments before the end of a live playlist at which a player begins (RFC 8216)
_MIN_POLL_S, _MAX_POLL_S = 1.0, 30.0
_STALL_POLLS = 10  # a playlist that stays the same for so many polls belongs to a dead station


@dataclass(slots=True)
class HlsPlace:
    """How far a station was read, so that nothing is read twice when it is connected again.

    Attributes
    ----------
    segment : str or None
        Address of the last segment, as the playlist writes it.
    """

    segment: str | None = None


NEW_DECODER = None
"""Stands in a stream where the following bytes need another decoder."""


def read_hls(
    web: Web,
    url: str,
    playlist: bytes,
    wait: Callable[[float], bool],
    on_end: Callable[[], None] = lambda: None,
    place: HlsPlace | None = None,
) -> Iterator[bytes | None]:
    """Yield the segments of a playlist, each whole, as they appear.

    Parameters
    ----------
    web : Web
        Fetches each segment and each playlist. It checks their addresses.
    url : str
        Where the playlist came from.
    playlist : bytes
        The playlist. Of a list of variants the one of the lowest bandwidth is read.
    wait : callable
        Waits for some seconds, and returns whether the reader was stopped meanwhile.
    on_end : callable
        Is called when the playlist says that nothing follows.
    place : HlsPlace, optional
        Where an earlier connection stopped; it is kept up to date. Default: begin anew.

    Yields
    ------
    bytes or None
        A segment, or `NEW_DECODER` where a new encoding begins.

    Raises
    ------
    AudioError
        If playlist or segments cannot be fetched, were missed, or are encrypted.
    """
    url, parsed = _media_playlist(web, url, _parse(playlist, url))
    following: int | None = None
    place = place or HlsPlace()
    header: str | None = None  # address of the initialization section that was sent last
    unchanged = 0
    while True:
        first = parsed.media_sequence or 0
        numbered = list(enumerate(parsed.segments, first))
        known = [number for number, each in numbered if each.uri == place.segment]
        if following is None and known:
            following = known[-1] + 1
        elif following is None:
            is_live = not parsed.is_endlist and parsed.playlist_type != "event"
            following = max(first, first + len(numbered) - _AT_START) if is_live else first
        elif following < first or following > first + len(numbered):
            raise AudioError(f"{shown_address(url)}: segments were gone before they were fetched")
        fresh = [each for each in numbered if each[0] >= following]
        unchanged = 0 if fresh else unchanged + 1
        for number, segment in fresh:
            _check_plain(segment, url)
            if segment.discontinuity and number:
                yield NEW_DECODER
                header = None
            section = segment.init_section
            if section is not None and section.uri != header:
                header = section.uri
                yield _fetch(web, joined(url, section.uri))
            yield _fetch(web, joined(url, segment.uri))
            following, place.segment = number + 1, segment.uri
        if parsed.is_endlist:
            on_end()
            return
        if unchanged >= _STALL_POLLS:
            raise AudioError(f"{shown_address(url)}: the playlist does not go on")
        target_s = float(parsed.target_duration or 6.0)
        if wait(min(max(target_s / 2, _MIN_POLL_S), _MAX_POLL_S)):
            return
        parsed = _parse(_fetch(web, url, MAX_PLAYLIST_BYTES), url)


def _media_playlist(web: Web, url: str, parsed: Any) -> tuple[str, Any]:
    """Follow a list of variants to a playlist with segments."""
    if not parsed.is_variant:
        return url, parsed
    variants = [each for each in parsed.playlists if each.uri]
    if not variants:
        raise AudioError(f"{shown_address(url)}: a list of variants without any")
    chosen = min(variants, key=lambda each: each.stream_info.bandwidth or 0)
    audio = [each.uri for each in chosen.media if each.type == "AUDIO" and each.uri]
    url = joined(url, audio[0] if audio else chosen.uri)
    parsed = _parse(_fetch(web, url, MAX_PLAYLIST_BYTES), url)
    if parsed.is_variant:
        raise AudioError(f"{shown_address(url)}: a list of variants within another")
    return url, parsed


def _parse(playlist: bytes, url: str) -> Any:
    try:
        import m3u8
    except ImportError as error:
        raise UsageError(
            'm3u8 is not installed, and HLS needs it; `pip install "fingerprinter[monitor]"`'
        ) from error
    try:
        return m3u8.loads(playlist.decode("utf-8", "replace"))
    except (ValueError, AttributeError, IndexError, KeyError, m3u8.ParseError) as error:
        raise AudioError(f"{shown_address(url)}: no playlist of HLS ({error})") from None


def _check_plain(segment: Any, url: str) -> None:
    """Refuse what cannot be read: encrypted segments, and parts of files."""
    method = segment.key.method if segment.key else None
    if method not in (None, "NONE"):
        raise AudioError(f"{shown_address(url)}: encrypted ({method}); it cannot be read")
    if segment.byterange:
        raise AudioError(f"{shown_address(url)}: segments that are parts of a file; not supported")


def _fetch(web: Web, url: str, max_bytes: int = MAX_SEGMENT_BYTES) -> bytes:
    with ExitStack() as resources:
        return web.get(url, resources).read(max_bytes)
