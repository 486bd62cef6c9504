"""The recordings that clips are drawn from, and which tracks hold the same recording."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprinter.audio import find_audio
from fingerprinter.audio.small_file import read_small_file
from fingerprinter.errors import UnknownTrackError, UsageError
from fingerprinter.evaluation.clips import Recording
from fingerprinter.evaluation.conditions import Condition
from fingerprinter.library import Library
from fingerprinter.types import Track

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Music:
    """What clips are drawn from: recordings of the library, and music that it does not hold."""

    inside: Sequence[Recording]
    outside: Sequence[Recording]

    def pool(self, condition: Condition) -> Sequence[Recording]:
        """The recordings that a condition's clips are made of."""
        return self.outside if condition.outside else self.inside


def inside_music(tracks: Iterable[Track], sources: Sequence[PathLike]) -> list[Recording]:
    """The tracks whose files exist, in the order of their content ids.

    That order does not depend on where the files lie, so a seed means the same on every machine.

    Parameters
    ----------
    tracks
        Tracks of a library.
    sources
        Files and folders whose tracks are used; all tracks if empty.

    Raises
    ------
    UsageError
        If there are none.
    """
    roots = [_absolute(source) for source in sources]
    present = [
        Recording(track.path, track.id, track.duration_s)
        for track in sorted(tracks, key=lambda track: track.content_id)
        if track.path and _is_below(Path(track.path), roots) and os.path.isfile(track.path)
    ]
    if not present:
        where = ", ".join(map(str, roots)) or "the library"
        raise UsageError(f"{where}: no file of a track is there; index some music, or mount it")
    return present


def outside_music(folders: Sequence[PathLike]) -> list[Recording]:
    """The audio files in some folders; raise `UsageError` if folders are given but hold none."""
    found = [Recording(str(path), None) for path in find_audio(folders)]
    if folders and not found:
        names = ", ".join(str(folder) for folder in folders)
        raise UsageError(f"{names}: no audio file in it; name music that the library does not hold")
    return found


def read_groups(path: PathLike) -> list[list[str]]:
    """Read which files hold the same recording: a group a line, paths separated by tabs.

    Raises `UsageError` if the file cannot be read.
    """
    try:
        lines = read_small_file(path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise UsageError(
            f"{os.fspath(path)}: {reason}; write a group a line, tabs between"
        ) from error
    return [line.split("\t") for line in lines if line.strip()]


def track_groups(library: Library, groups: Sequence[Sequence[PathLike]]) -> list[frozenset[int]]:
    """The track ids of each group; files that the library does not hold are left out."""
    return [frozenset(_known_ids(library, group)) for group in groups]


def _known_ids(library: Library, paths: Sequence[PathLike]) -> Iterable[int]:
    for path in paths:
        try:
            yield library.track(_absolute(path)).id
        except UnknownTrackError:
            continue


def _absolute(path: PathLike) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _is_below(path: Path, roots: Sequence[Path]) -> bool:
    return not roots or any(path.is_relative_to(root) for root in roots)
