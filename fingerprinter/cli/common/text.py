"""Quantities and names as people read them."""

from __future__ import annotations

from pathlib import Path

from fingerprinter.types import Match, Reasons, Track


def position(seconds: float) -> str:
    """Minutes, seconds and tenths.

    >>> position(83.27), position(59.97), position(-1.5)
    ('1:23.3', '1:00.0', '-0:01.5')
    """
    minutes, tenths = divmod(round(abs(seconds) * 10), 600)
    sign = "-" if seconds < 0 and (minutes or tenths) else ""
    return f"{sign}{minutes}:{tenths / 10:04.1f}"


def length(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some.

    >>> length(34.2), length(3723)
    ('0:34', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(n_bytes: int) -> str:
    """Bytes in the unit that libraries are measured in.

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    return f"{n_bytes / 1e6:,.1f} MB"


def change(match: Match) -> str:
    """How a clip differs from the recording; empty where it does not."""
    factors = {"tempo": match.tempo, "pitch": match.pitch}
    percents = {name: round(100 * (factor - 1), 1) for name, factor in factors.items()}
    return ", ".join(f"{name} {value:+.1f} %" for name, value in percents.items() if value)


def title(track: Track) -> str:
    """The title, else the name of the file."""
    if track.title:
        return track.title
    return Path(track.path).name if track.path else f"track {track.id}"


def label(track: Track) -> str:
    """Artist and title, as playlists and messages name a track."""
    return f"{track.artist} - {title(track)}" if track.artist else title(track)


_ALIKE = 0.8  # of the library are less alike: worth a word


def reasons(why: Reasons) -> str:
    """In what two recordings are alike, what they have most in common first.

    >>> reasons(Reasons(timbre=0.84, rhythm=0.3, harmony=0.97, tags=None, shared_tags=("piano",)))
    'harmony 97 %, timbre 84 %: piano'
    """
    shares = {"timbre": why.timbre, "rhythm": why.rhythm, "harmony": why.harmony, "tags": why.tags}
    alike = {name: share for name, share in shares.items() if share is not None and share >= _ALIKE}
    order = sorted(alike, key=lambda name: -alike[name])
    facets = ", ".join(f"{name} {int(100 * alike[name])} %" for name in order)
    return ": ".join(filter(None, (facets, ", ".join(why.shared_tags))))
