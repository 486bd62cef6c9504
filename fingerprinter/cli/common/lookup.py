"""Find the track or the file that a user means by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprinter.audio.source import may_be_file
from fingerprinter.errors import UnknownTrackError
from fingerprinter.types import Track

if TYPE_CHECKING:
    from fingerprinter.library import Library


def track_or_file(library: Library, name: str) -> Track | str:
    """Return the track that a name means, or the name itself if it is a file without a track.

    Parameters
    ----------
    library : Library
        The library to look in.
    name : str
        A track id, or the path of any file.

    Raises
    ------
    UnknownTrackError
        If the name is neither a track nor a file.
    """
    try:
        return library.track(name)
    except UnknownTrackError:
        if not may_be_file(name):
            raise
        return name
