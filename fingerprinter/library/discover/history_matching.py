"""Matches the entries of a play history to the tracks of a library."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fingerprinter.core.spelling import normalize_name
from fingerprinter.library.discover.play_history import PlayedTrack
from fingerprinter.types import Track

# Additions to titles and artists that one service writes and another does not.
_TITLE_ADDITION = re.compile(
    r"\s*[\(\[].*?[\)\]]|\s+-\s+.*\b(?:remaster|version|edit|mix|live)\w*\b.*$", re.I
)
_GUEST_ARTISTS = re.compile(r"\s+(?:feat|ft|featuring|with|vs)\b.*$|\s*[,;&].*$", re.I)

_Key = tuple[str, ...]


class TrackMatcher:
    """Finds tracks by their ids, MusicBrainz ids, paths, or artist and title.

    Parameters
    ----------
    tracks
        All tracks of the library. If several tracks fit an entry, the first one is found.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._exact: dict[_Key, int] = {}
        self._loose: dict[_Key, int] = {}
        for track in tracks:
            for key in _track_keys(track):
                self._exact.setdefault(key, track.id)
            self._loose.setdefault(loose_name(track.artist or "", track.title or ""), track.id)

    def find(self, played: PlayedTrack) -> int | None:
        """Find the track of a history entry.

        An exact match of any key is preferred to a match of artist and title without guest
        artists and additions.

        Returns
        -------
        int or None
            Track id; None if the library does not have the track.
        """
        for key in _played_keys(played):
            if key in self._exact:
                return self._exact[key]
        artist, _, title = played.name.partition(" - ")
        loose = loose_name(played.artist or artist, played.title or title)
        return self._loose.get(loose) if all(loose) else None


def _track_keys(track: Track) -> Iterator[_Key]:
    """Yield every key by which a track can be found."""
    yield "id", str(track.id)
    if track.mbid:
        yield "mbid", track.mbid.casefold()
    if track.path:
        yield "path", track.path
        yield "file", Path(track.path).name
    artist, title = normalize_name(track.artist or ""), normalize_name(track.title or "")
    if title:
        yield "song", f"{artist} {title}".strip()


def _played_keys(played: PlayedTrack) -> Iterator[_Key]:
    """Yield the keys of a history entry, most reliable first.

    A bare name may be a path, a file name, an id, a MusicBrainz id, or artist and title.
    """
    if played.mbid:
        yield "mbid", played.mbid.casefold()
    if played.name:
        yield "path", os.path.abspath(os.path.expanduser(played.name))
        yield "file", Path(played.name).name
        yield "id", played.name
        yield "mbid", played.name.casefold()
    text = f"{played.artist} {played.title}" if played.title else played.name
    yield "song", normalize_name(text)


def loose_name(artist: str, title: str) -> _Key:
    """Return artist and title without guest artists, remasters and other additions.

    >>> loose_name("Air feat. Beth Hirsch", "All I Need (2008 Remaster)")
    ('air', 'all i need')
    >>> loose_name("Air", "All I Need - Radio Edit")
    ('air', 'all i need')
    """
    return (
        normalize_name(_GUEST_ARTISTS.sub("", artist)),
        normalize_name(_TITLE_ADDITION.sub("", title)),
    )
