"""Finds the track that fits the tags that another program knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from fingerprinter.core.spelling import normalize_name
from fingerprinter.library.discover.history_matching import loose_name
from fingerprinter.store.tables import lists, names, tracks
from fingerprinter.types import Tags, Track

_MAX_LENGTH_DIFFERENCE_S = 10.0  # of the same recording, with other silence at its ends


@dataclass(frozen=True, slots=True)
class TagMatch:
    """The track that fits some tags.

    Attributes
    ----------
    track : Track or None
        None if no track fits.
    by : "isrc", "mbid", "title" or None
        The tag that decided.
    """

    track: Track | None
    by: Literal["isrc", "mbid", "title"] | None


def match_tags(connection: Connection, tags: Tags, duration_s: float | None) -> TagMatch:
    """Find the track that fits some tags: by ISRC, else by MBID, else by artist and title.

    Without an artist, the title must be that of one artist only. Of several tracks, those of the
    same album come first, then those of the nearest length.

    Parameters
    ----------
    connection : Connection
        The library.
    tags : Tags
        What is known of the track.
    duration_s : float or None
        Its length. A track whose length differs by more than 10 s does not fit a title.
    """
    isrc = tags.isrc and tags.isrc.replace("-", "").strip().upper()
    mbid = tags.mbid and tags.mbid.strip().lower()
    ids = lists.ids_of_recording(connection, isrc=isrc or None, mbid=mbid or None)
    found = list(tracks.get_many(connection, ids).values())
    if found:
        by: Literal["isrc", "mbid", "title"] = "isrc" if isrc and found[0].isrc == isrc else "mbid"
    else:
        by, found = "title", _by_title(connection, tags.title or "", tags.artist or "")
        if duration_s is not None:
            near = (abs(track.duration_s - duration_s) for track in found)
            found = [
                track
                for track, difference_s in zip(found, near, strict=True)
                if difference_s <= _MAX_LENGTH_DIFFERENCE_S
            ]
    if not found:
        return TagMatch(None, None)

    def unlikeness(track: Track) -> tuple[bool, float]:
        album = normalize_name(tags.album or "")
        other_album = bool(album) and normalize_name(track.album or "") != album
        return other_album, abs(track.duration_s - (duration_s or track.duration_s))

    return TagMatch(min(found, key=unlikeness), by)


def _by_title(connection: Connection, title: str, artist: str) -> list[Track]:
    """Return the tracks with a title, exact ones if there are any, else without additions."""
    loose_artist, loose_title = loose_name(artist, title)
    known = tracks.get_many(connection, names.matching_ids(connection, loose_title)).values()
    exact = [
        track
        for track in known
        if normalize_name(track.title or "") == normalize_name(title)
        and (not artist or normalize_name(track.artist or "") == normalize_name(artist))
    ]
    loose = [
        track
        for track, (its_artist, its_title) in (
            (track, loose_name(track.artist or "", track.title or "")) for track in known
        )
        if its_title == loose_title and (not artist or its_artist == loose_artist)
    ]
    found = exact or loose
    artists = {loose_name(track.artist or "", "")[0] for track in found}
    return found if artist or len(artists) == 1 else []
