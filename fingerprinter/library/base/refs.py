"""Which track somebody means."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection

from fingerprinter.errors import UnknownTrackError
from fingerprinter.store.tables import tracks
from fingerprinter.types import Track

TrackRef = Track | int | str | os.PathLike[str]


def resolve_track(connection: Connection, ref: TrackRef) -> Track:
    """The track that an id or a path means; raises `UnknownTrackError`."""
    if isinstance(ref, Track):
        return tracks.get(connection, ref.id)
    text = os.fspath(ref) if not isinstance(ref, int) else str(ref)
    if text.isdecimal():
        return tracks.get(connection, int(text))
    found = tracks.by_path(connection, os.path.abspath(Path(text).expanduser()))
    if found is None:
        raise UnknownTrackError(
            f"{text}: no track of this library; give an id or a path that"
            " `fingerprinter list` shows"
        )
    return found
