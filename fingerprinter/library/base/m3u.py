"""Playlists in the extended M3U format."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fingerprinter.core.printable import printable
from fingerprinter.library.base.labels import label
from fingerprinter.types import Track

START, STOP = "#EXTVLCOPT:start-time=", "#EXTVLCOPT:stop-time="
"""Beginnings of the lines that say which part of a file is played; VLC and mpv read them."""


def playlist_text(tracks: Sequence[Track], location: Callable[[Track], str | None]) -> str:
    r"""Return a playlist with the tracks that have a location, in their order.

    Parameters
    ----------
    tracks : sequence of Track
        The tracks.
    location : callable
        Returns the path or address of a track, or None. A location with a line break is left out,
        because a playlist cannot name it.

    Returns
    -------
    str
        One line for each title and each location, and where the part of a file starts and stops
        for a track of a cue sheet. Bytes of a path that are no Unicode are
        surrogates, as `os.fsdecode` makes them.
    """
    lines = ["#EXTM3U"]
    for track in tracks:
        place = location(track)
        if place is not None and is_one_line(place):
            lines.append(f"#EXTINF:{round(track.duration_s)},{printable(label(track))}")
            if track.is_part and "://" not in place:  # an address gives the part alone
                lines.append(f"{START}{track.start_s:.3f}")
                lines += [f"{STOP}{track.end_s:.3f}"] if track.end_s is not None else []
            lines.append(f"./{place}" if place.startswith("#") else place)
    return "".join(f"{line}\n" for line in lines)


def is_one_line(location: str | None) -> bool:
    """Whether a playlist can name a location."""
    return location is not None and not {"\n", "\r"} & set(location)
