"""The name of a track in lists, playlists and messages."""

from __future__ import annotations

from pathlib import Path

from fingerprinter.types import Track


def title(track: Track) -> str:
    """Return the title of a track, or the name of its file without suffix if it has no title."""
    if track.title:
        return track.title
    return Path(track.path).stem if track.path else f"track {track.id}"


def label(track: Track) -> str:
    """Return artist and title, as playlists and messages name a track."""
    return f"{track.artist} - {title(track)}" if track.artist else title(track)
