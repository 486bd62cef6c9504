"""Where the sound of a track is."""

from __future__ import annotations

from fingerprinter.audio import FilePart
from fingerprinter.audio.source import may_be_file
from fingerprinter.errors import AudioError
from fingerprinter.types import Track


def track_source(track: Track) -> str | FilePart:
    """Return what `open_audio` reads the sound of a track from.

    Parameters
    ----------
    track : Track
        A track of a library.

    Returns
    -------
    str or FilePart
        The file, or the part of it that is the track.

    Raises
    ------
    AudioError
        If the library knows no file of the track, or it is gone.
    """
    if track.path is None:
        raise AudioError(f"track {track.id}: the library knows no file of it; index one again")
    if not may_be_file(track.path):
        raise AudioError(
            f"track {track.id}: its file is gone; run `fingerprinter index` on its folder"
        )
    return FilePart(track.path, track.start_s, track.end_s) if track.is_part else track.path
