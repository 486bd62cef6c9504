"""Which of several tracks with the same recording should be kept, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from fingerprinter.types import Tags, Track

_SAME_LENGTH_S = 1.0  # encoders add and cut less at the ends
_LOSSLESS: Final = ("pcm_", "dsd_", "flac", "alac", "ape", "wavpack", "tta", "tak", "shorten")
# Bits of MP3 that sound as good as one bit of another codec, about as in public listening tests.
_BITS_OF_MP3: Final = {"opus": 1.5, "vorbis": 1.25, "aac": 1.25, "mp2": 0.7, "ac3": 0.8}


@dataclass(frozen=True, slots=True)
class RankedCopy:
    """One of several tracks that hold the same recording.

    Attributes
    ----------
    tags : int
        How many of its tags are known.
    is_best : bool
        Whether it is the one to keep.
    reason : str
        Property in which the best track is better than this one; of the best track itself, than
        the second.
    """

    track: Track
    tags: int
    is_best: bool
    reason: str


def rank_copies(tracks: Sequence[Track]) -> list[RankedCopy]:
    """Rank tracks that hold the same recording, the one to keep first.

    A track whose file is there is better than one without, one that is whole than one that misses
    more than a second, a lossless codec than a lossy one, a lossy one of more bits, counted as
    those of MP3, than one of fewer, and more tags than fewer. The first of these in which two
    tracks differ decides. Among equals the one that was added first wins.

    Parameters
    ----------
    tracks : sequence of Track
        At least one.
    """
    longest_s = max(track.duration_s for track in tracks)

    def merits(track: Track) -> list[tuple[str, float]]:
        """Return the merits of a track in the order in which they decide, the more the better."""
        codec = track.codec or ""
        lossless = codec.startswith(_LOSSLESS)
        lossy_bits = (track.bit_rate or 0) * _BITS_OF_MP3.get(codec, 1.0)
        return [
            ("its file exists", track.path is not None and os.path.lexists(track.path)),
            ("longer", track.duration_s >= longest_s - _SAME_LENGTH_S),
            ("lossless", lossless),
            ("higher bit rate for its codec", 0 if lossless else lossy_bits),
            ("more tags", _tag_count(track)),
        ]

    best, *others = sorted(
        tracks, key=lambda track: ([-value for _, value in merits(track)], track.id)
    )
    reasons = [
        next(
            (name for (name, a), (_, b) in zip(merits(best), merits(other), strict=True) if a != b),
            "added first",
        )
        for other in others
    ]
    return [
        RankedCopy(best, _tag_count(best), is_best=True, reason=reasons[0] if reasons else ""),
        *(
            RankedCopy(other, _tag_count(other), is_best=False, reason=reason)
            for other, reason in zip(others, reasons, strict=True)
        ),
    ]


def _tag_count(track: Track) -> int:
    return sum(getattr(track, tag.name, None) is not None for tag in fields(Tags))
