"""Quantities and names in the form that people read."""

from __future__ import annotations

from fingerprinter.library.base.labels import label, title
from fingerprinter.types import Match, Reasons

__all__ = ["change", "label", "length", "megabytes", "position", "reasons", "title"]

_ALIKE_SHARE = 0.8  # a facet is named if at least this share of the library is less similar in it


def position(seconds: float) -> str:
    """Format a position in minutes, seconds and tenths.

    >>> position(83.27), position(59.97), position(-1.5)
    ('1:23.3', '1:00.0', '-0:01.5')
    """
    minutes, tenths = divmod(round(abs(seconds) * 10), 600)
    sign = "-" if seconds < 0 and (minutes or tenths) else ""
    return f"{sign}{minutes}:{tenths / 10:04.1f}"


def length(seconds: float) -> str:
    """Format a length in minutes and seconds, and in hours if it is long enough.

    >>> length(34.2), length(3723)
    ('0:34', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def megabytes(n_bytes: int) -> str:
    """Format a size in megabytes.

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    return f"{n_bytes / 1e6:,.1f} MB"


def change(match: Match) -> str:
    """Describe how tempo and pitch of a clip differ from the recording; empty if they do not."""
    changes = []
    for name, factor in (("tempo", match.tempo), ("pitch", match.pitch)):
        percent = round(100 * (factor - 1), 1)
        if percent:
            changes.append(f"{name} {percent:+.1f} %")
    return ", ".join(changes)


def reasons(why: Reasons) -> str:
    """List the facets in which two recordings are most similar, then the tags that they share.

    >>> reasons(Reasons(timbre=0.84, rhythm=0.3, harmony=0.97, tags=None, shared_tags=("piano",)))
    'harmony 97 %, timbre 84 %: piano'
    """
    shares = {"timbre": why.timbre, "rhythm": why.rhythm, "harmony": why.harmony, "tags": why.tags}
    alike = {
        name: share for name, share in shares.items() if share is not None and share >= _ALIKE_SHARE
    }
    order = sorted(alike, key=lambda name: -alike[name])
    facets = ", ".join(f"{name} {int(100 * alike[name])} %" for name in order)
    return ": ".join(filter(None, (facets, ", ".join(why.shared_tags))))
