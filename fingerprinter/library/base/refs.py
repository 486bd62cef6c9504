"""References to tracks: the track itself, its id, or the path of one of its files.

A path means the first track of a file with a cue sheet; ``album.flac#t=312.5`` is the track that
begins at this second.
"""

from __future__ import annotations

import os
import re

from sqlalchemy import Connection

from fingerprinter.errors import UnknownTrackError
from fingerprinter.store.tables import tracks
from fingerprinter.types import Track

_WITH_START = re.compile(r"(.+)#t=(\d{1,9}(?:\.\d{1,6})?)", re.DOTALL)  # as in W3C media fragments

_MAX_DIGITS = 20  # of a number; all ids have less, and Python makes no number of thousands
TrackRef = Track | int | str | os.PathLike[str]


def resolve_track(connection: Connection, ref: TrackRef) -> Track:
    """Return the track that a reference means.

    Parameters
    ----------
    connection : Connection
        The snapshot to read from.
    ref : Track, int, str or path
        A track, an id (also as a string of digits), or the path of a file of the track, with
        ``#t=SECONDS`` behind it for the track that begins there.

    Returns
    -------
    Track
        The track as it is stored in this snapshot.

    Raises
    ------
    UnknownTrackError
        If the library has no such track.
    """
    if isinstance(ref, Track):
        return tracks.get(connection, ref.id)
    text = os.fspath(ref) if not isinstance(ref, int) else str(ref)
    if text.isdecimal() and len(text) < _MAX_DIGITS:
        return tracks.get(connection, int(text))
    try:
        found = tracks.by_path(connection, os.path.abspath(os.path.expanduser(text)))
        if found is None and (place := _WITH_START.fullmatch(text)):
            path = os.path.abspath(os.path.expanduser(place[1]))
            found = tracks.by_path(connection, path, float(place[2]))
    except UnicodeEncodeError:  # half of a surrogate pair, which no path has
        found = None
    if found is None:
        raise UnknownTrackError(
            f"{text}: no track of this library; give an id or a path that"
            " `fingerprinter list` shows"
        )
    return found
