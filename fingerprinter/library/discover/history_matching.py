"""Which tracks of a library the songs of a listening history are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fingerprinter.library.base.normalize import normalize_name
from fingerprinter.library.discover.play_history import PlayedTrack
from fingerprinter.types import Track

# What one service adds to a title or an artist, and another does not.
_ASIDE = re.compile(
    r"\s*[\(\[].*?[\)\]]|\s+-\s+.*\b(?:remaster|version|edit|mix|live)\w*\b.*$", re.I
)
_GUESTS = re.compile(r"\s+(?:feat|ft|featuring|with|vs)\b.*$|\s*[,;&].*$", re.I)

_Key = tuple[str, ...]


class TrackMatcher:
    """The tracks of a library by all that a history may call them."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._exact: dict[_Key, int] = {}
        self._loose: dict[_Key, int] = {}
        for track in tracks:
            for key in _track_keys(track):
                self._exact.setdefault(key, track.id)
            self._loose.setdefault(_loose(track.artist or "", track.title or ""), track.id)

    def find(self, song: PlayedTrack) -> int | None:
        """The id of the track that a song is; None where the library does not have it."""
        for key in _song_keys(song):
            if key in self._exact:
                return self._exact[key]
        artist, _, title = song.name.partition(" - ")
        loose = _loose(song.artist or artist, song.title or title)
        return self._loose.get(loose) if all(loose) else None


def _track_keys(track: Track) -> Iterator[_Key]:
    yield "id", str(track.id)
    if track.mbid:
        yield "mbid", track.mbid.casefold()
    if track.path:
        yield "path", track.path
        yield "file", Path(track.path).name
    artist, title = normalize_name(track.artist or ""), normalize_name(track.title or "")
    if title:
        yield "song", f"{artist} {title}".strip()


def _song_keys(song: PlayedTrack) -> Iterator[_Key]:
    """The surest first. A bare name may be a path, a file's name, an id, or artist and title."""
    if song.mbid:
        yield "mbid", song.mbid.casefold()
    if song.name:
        yield "path", os.path.abspath(Path(song.name).expanduser())
        yield "file", Path(song.name).name
        yield "id", song.name
        yield "mbid", song.name.casefold()
    yield "song", normalize_name(f"{song.artist} {song.title}" if song.title else song.name)


def _loose(artist: str, title: str) -> _Key:
    """Artist and title without guests, remasters and other asides.

    >>> _loose("Air feat. Beth Hirsch", "All I Need (2008 Remaster)")
    ('air', 'all i need')
    >>> _loose("Air", "All I Need - Radio Edit")
    ('air', 'all i need')
    """
    return normalize_name(_GUESTS.sub("", artist)), normalize_name(_ASIDE.sub("", title))
