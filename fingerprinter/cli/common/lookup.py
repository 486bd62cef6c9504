"""Find the tracks and files that a user means by names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fingerprinter.audio.source import may_be_file
from fingerprinter.cli.common.output import print_message
from fingerprinter.cli.common.playlist import read_playlist
from fingerprinter.errors import UnknownTrackError
from fingerprinter.types import Track

if TYPE_CHECKING:
    from fingerprinter.library import Library

T = TypeVar("T")


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


def find_named(names: Sequence[str], find: Callable[[str], T]) -> list[T]:
    """Find what names mean, where ``@list.m3u8`` means the files of a playlist.

    Parameters
    ----------
    names : sequence of str
        Names of tracks or files, and of playlists with @ before them.
    find : callable
        Finds one name. If it does not know a file of a playlist, a message says so, and the file
        is left out.

    Raises
    ------
    UnknownTrackError
        If a name means nothing, or nothing of a playlist is known.
    UsageError
        If a playlist cannot be read.
    """
    found: list[T] = []
    for name in names:
        if not name.startswith("@"):
            found.append(find(name))
            continue
        known = len(found)
        for file in read_playlist(Path(os.path.expanduser(name[1:]))):
            try:
                found.append(find(file))
            except UnknownTrackError as error:
                print_message(f"{name[1:]}: left out {error}")
        if len(found) == known:
            raise UnknownTrackError(f"{name[1:]}: none of its files is known; index them first")
    return found
