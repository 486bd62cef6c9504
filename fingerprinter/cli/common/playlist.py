"""Playlists in the extended M3U format: written, and read as a query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from fingerprinter.audio.small_file import read_small_file
from fingerprinter.cli.common import text
from fingerprinter.cli.common.output import print_message
from fingerprinter.errors import UsageError
from fingerprinter.library.base.m3u import START, is_one_line, playlist_text
from fingerprinter.types import Track

_SUFFIXES = {".m3u", ".m3u8"}


class Playlist(NamedTuple):
    """A playlist to write.

    Parameters
    ----------
    file : Path or None
        The playlist; None writes nothing.
    relative_to : Path or None
        The folder at which the paths in it start; None writes absolute paths.
    """

    file: Path | None
    relative_to: Path | None = None

    @classmethod
    def of(cls, file: Path | None, relative_to: Path | None) -> Playlist:
        """Check the two options; raises `UsageError` if only the folder is given."""
        if relative_to is not None and file is None:
            raise UsageError(f"--relative-to {relative_to}: no playlist; add --m3u FILE.m3u8")
        return cls(file, relative_to)

    def write(self, tracks: Sequence[Track]) -> None:
        """Write the tracks if a playlist is wanted, and name those that are left out.

        Raises
        ------
        UsageError
            See `write_playlist`.
        """
        if self.file is None:
            return
        for track in write_playlist(self.file, tracks, self.relative_to):
            left_out = f"left out {text.label(track)}: a playlist cannot name its file"
            print_message(f"{self.file}: {left_out}")


def read_playlist(path: Path) -> list[str]:
    """Return the files that a playlist in the M3U format names.

    Parameters
    ----------
    path : Path
        The playlist.

    Returns
    -------
    list of str
        Paths, at least one, with ``#t=SECONDS`` behind those of parts. Those that are relative in
        the playlist start at its folder.

    Raises
    ------
    UsageError
        If the playlist cannot be read or names no file.
    """
    try:
        content = read_small_file(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise UsageError(f"{path}: {reason}; name a playlist after @") from error
    lines = os.fsdecode(content).removeprefix("\ufeff").splitlines()
    names, start = list[str](), ""
    for line in filter(None, map(str.strip, lines)):
        if line.startswith(START):
            start = f"#t={line.removeprefix(START)}"
        elif line[0] != "#":
            names.append(line + start)
            start = ""
    if not names or b"\0" in content:
        raise UsageError(f"{path}: it names no file; give a playlist in the M3U format")
    paths = []
    for name in names:
        if name.casefold().startswith("file://"):
            rest = name[len("file://") :]
            name = unquote(rest[rest.find("/") :])
        paths.append(str(path.parent / name))
    return paths


def write_playlist(
    path: Path, tracks: Sequence[Track], relative_to: Path | None = None
) -> list[Track]:
    """Write tracks to a playlist, in their order.

    Text is written as UTF-8. The path of a file is written byte for byte, because it may hold
    bytes that are no UTF-8. Of a track of a cue sheet, lines ``#EXTVLCOPT`` say which part of the
    file it is, as VLC and mpv read them.

    Parameters
    ----------
    path : Path
        The playlist to write; an existing playlist is replaced.
    tracks : sequence of Track
        The tracks.
    relative_to : Path, optional
        Folder at which the paths start. By default they are absolute.

    Returns
    -------
    list of Track
        The tracks that were left out: those without a file, and those whose path has a line break.

    Raises
    ------
    UsageError
        If the playlist cannot be written, or a file is there that is no playlist.
    """

    def location(track: Track) -> str | None:
        if track.path is None or relative_to is None:
            return track.path
        return os.path.relpath(track.path, relative_to)

    written = playlist_text(tracks, location)
    _require_replaceable(path)
    try:
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(written)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error
    return [track for track in tracks if not is_one_line(track.path)]


def _require_replaceable(path: Path) -> None:
    """Raise an error if a file is there that is no playlist: it may be a library, or music."""
    if path.suffix.lower() in _SUFFIXES or not os.path.isfile(path):
        return
    try:
        with path.open("rb") as file:
            head = file.read(10)
    except OSError:
        return  # writing tells why
    if head and b"#EXTM3U" not in head:
        raise UsageError(f"{path}: there is a file that is no playlist; name another, or remove it")
