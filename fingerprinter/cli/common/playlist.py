"""Playlists in the extended M3U format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fingerprinter.audio.source import printable
from fingerprinter.cli.common.text import label
from fingerprinter.errors import UsageError
from fingerprinter.types import Track


def write_playlist(path: Path, tracks: Sequence[Track]) -> list[Track]:
    """Write tracks to a playlist, in their order.

    Text is written as UTF-8. The path of a file is written byte for byte, because it may hold
    bytes that are no UTF-8.

    Parameters
    ----------
    path : Path
        The playlist to write; an existing file is replaced.
    tracks : sequence of Track
        The tracks.

    Returns
    -------
    list of Track
        The tracks that were left out: those without a file, and those whose path has a line break.

    Raises
    ------
    UsageError
        If the playlist cannot be written.
    """
    included = [track for track in tracks if _has_one_line_path(track)]
    lines = ["#EXTM3U"]
    for track in included:
        lines.append(f"#EXTINF:{round(track.duration_s)},{printable(label(track))}")
        lines.append(str(track.path))
    try:
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error
    return [track for track in tracks if track not in included]


def _has_one_line_path(track: Track) -> bool:
    return track.path is not None and not {"\n", "\r"} & set(track.path)
