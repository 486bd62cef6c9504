"""Playlists in extended M3U, as players read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fingerprinter.audio.source import printable
from fingerprinter.cli.common.text import label
from fingerprinter.errors import UsageError
from fingerprinter.types import Track


def write_playlist(path: Path, tracks: Sequence[Track]) -> list[Track]:
    """Writes the tracks in their order; gives back those that no line of it can name.

    Text is UTF-8, a path is written byte for byte.
    Raises `UsageError` where the file cannot be written.
    """
    named = [track for track in tracks if _can_be_named(track)]
    try:
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.writelines(f"{line}\n" for line in _lines(named))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error
    return [track for track in tracks if track not in named]


def _can_be_named(track: Track) -> bool:
    """Whether it has a file whose path is one line."""
    return track.path is not None and not {"\n", "\r"} & set(track.path)


def _lines(tracks: Sequence[Track]) -> Iterator[str]:
    yield "#EXTM3U"
    for track in tracks:
        yield f"#EXTINF:{round(track.duration_s)},{printable(label(track))}"
        yield str(track.path)
