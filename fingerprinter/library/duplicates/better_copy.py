"""Which of several tracks with the same recording is the one to keep, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fingerprinter.audio.file_format import FileFormat, read_format
from fingerprinter.errors import AudioError
from fingerprinter.types import Track

_SAME_LENGTH_S = 1.0  # encoders add and cut less at the ends
_TAGS = ("title", "artist", "album", "track_number", "year", "genre", "mbid")


@dataclass(frozen=True, slots=True)
class RankedCopy:
    """One of several tracks that hold the same recording.

    Attributes
    ----------
    format : FileFormat or None
        Encoding of its file; None if the file cannot be read.
    tags : int
        How many of seven tags it has.
    is_best : bool
        Whether it is the one to keep.
    reason : str
        Why it is the best, or in what the best one is better.
    """

    track: Track
    format: FileFormat | None
    tags: int
    is_best: bool
    reason: str


def rank_copies(tracks: Sequence[Track]) -> list[RankedCopy]:
    """Rank tracks that hold the same recording, the one to keep first.

    A file that can be read is better than none, a longer one than one that misses more than a
    second, a lossless codec than a lossy one, a higher bit rate than a lower one, and more tags
    than fewer. The first of these in which two differ decides. Among equals the older track wins.

    Parameters
    ----------
    tracks : sequence of Track
        At least one.
    """
    formats = {track.id: _format_of(track) for track in tracks}
    longest_s = max(track.duration_s for track in tracks)

    def merits(track: Track) -> list[tuple[str, float]]:
        """Return the merits of a track in the order in which they decide, the more the better."""
        encoded = formats[track.id]
        lossy_rate = 0 if encoded is None or encoded.is_lossless else encoded.bit_rate or 0
        return [
            ("its file can be read", encoded is not None),
            ("longer", track.duration_s >= longest_s - _SAME_LENGTH_S),
            ("lossless", encoded is not None and encoded.is_lossless),
            ("higher bit rate", lossy_rate),
            ("more tags", tag_count(track)),
        ]

    ranked = sorted(
        tracks, key=lambda track: ([value for _, value in merits(track)], -track.id), reverse=True
    )
    best = ranked[0]

    def reason(track: Track) -> str:
        pairs = zip(merits(best), merits(track), strict=True)
        return next((name for (name, a), (_, b) in pairs if a != b), "added first")

    return [
        RankedCopy(
            track,
            formats[track.id],
            tag_count(track),
            is_best=track is best,
            reason=reason(ranked[1]) if track is best and len(ranked) > 1 else reason(track),
        )
        for track in ranked
    ]


def tag_count(track: Track) -> int:
    """Return how many of the tags of a track are known."""
    return sum(getattr(track, name) is not None for name in _TAGS)


def _format_of(track: Track) -> FileFormat | None:
    try:
        return read_format(track.path) if track.path else None
    except AudioError:
        return None
