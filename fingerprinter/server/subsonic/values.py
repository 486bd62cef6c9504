"""The elements of answers: songs, albums and artists in the words of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from fingerprinter.core.printable import printable
from fingerprinter.core.spelling import normalize_name
from fingerprinter.library.music.replay_gain import replay_gain
from fingerprinter.server import media
from fingerprinter.server.subsonic.catalogue import (
    IGNORED_ARTICLES,
    NO_ALBUM,
    NO_ARTIST,
    Album,
    Artist,
    album_id,
    artist_id,
)
from fingerprinter.types import Genre, MusicAnalysis, Track

Element = dict[str, Any]


def song(track: Track, music: MusicAnalysis | None, size: int | None) -> Element:
    """Return a track as a song ("Child").

    Parameters
    ----------
    track
        The track. The path of the song is made of its tags, and is no path of a file.
    music
        Its tempo and loudness, if it was analysed.
    size
        Bytes of its file, if it has one. Some players leave songs out that have none.
    """
    album_artist = track.album_artist or track.artist
    album = album_id(track.album, album_artist)
    artists = [_artist_name(track.artist)]
    codec = _without_empty({"suffix": media.suffix_of(track), "contentType": None})
    if codec:
        codec["contentType"] = media.type_of(track)
    if codec and not media.is_playable(track):
        codec |= {"transcodedSuffix": "opus", "transcodedContentType": "audio/ogg"}
    optional = {
        "size": size,
        "artist": track.artist,
        "track": track.track_number,
        "discNumber": track.disc_number,
        "year": track.year,
        "genre": track.genre,
        "bitRate": track.bit_rate and round(track.bit_rate / 1000),
        "samplingRate": track.sample_rate_hz,
        "channelCount": track.channels,
    }
    return {
        "id": str(track.id),
        "parent": album,
        "isDir": False,
        "title": _title(track),
        "album": track.album or NO_ALBUM,
        **_without_empty(optional),
        **codec,
        "coverArt": album if track.album else str(track.id),
        "duration": round(track.duration_s),
        "path": song_path(track),
        "created": _time(track.added_at),
        "albumId": album,
        "artistId": artist_id(track.artist),
        "type": "music",
        "mediaType": "song",
        "isVideo": False,
        "bpm": round(music.tempo_bpm) if music and music.tempo_bpm else 0,
        "replayGain": _replay_gain(music),
        "sortName": normalize_name(_title(track)),
        "musicBrainzId": track.mbid or "",
        "isrc": [track.isrc] if track.isrc else [],
        "genres": [{"name": track.genre}] if track.genre else [],
        "artists": artists,
        "displayArtist": track.artist or NO_ARTIST,
        "albumArtists": [_artist_name(album_artist)],
        "displayAlbumArtist": album_artist or NO_ARTIST,
    }


def songs(
    tracks: Iterable[Track], analyses: Mapping[int, MusicAnalysis], sizes: Mapping[int, int]
) -> list[Element]:
    """Return tracks as songs."""
    return [song(track, analyses.get(track.id), sizes.get(track.id)) for track in tracks]


def song_path(track: Track) -> str:
    """Return a path made of the tags of a track: artist, album, number and title.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> song_path(Track(7, "/home/me/x.flac", "Go/Stop", "AC/DC", None, 2, None, None, 9.0, "c",
    ...                 None, datetime.now(UTC)))
    'AC_DC/[Unknown Album]/02 - Go_Stop.flac'
    """
    number = "" if track.track_number is None else f"{track.track_number:02d} - "
    suffix = media.suffix_of(track)
    names = (
        track.album_artist or track.artist or NO_ARTIST,
        track.album or NO_ALBUM,
        f"{number}{_title(track)}" + (f".{suffix}" if suffix else ""),
    )
    return "/".join(name.replace("/", "_").lstrip(".") or "_" for name in names)


def album(found: Album) -> Element:
    """Return an album."""
    optional = {"year": found.year, "genre": found.genres[0] if found.genres else None}
    return {
        "id": found.id,
        "name": found.name,
        "artist": found.artist,
        "artistId": found.artist_id,
        "coverArt": found.id,
        "songCount": found.songs,
        "duration": round(found.duration_s),
        "created": _time(found.added_at),
        **_without_empty(optional),
        "genres": [{"name": name} for name in found.genres],
        "artists": [{"id": found.artist_id, "name": found.artist}],
        "displayArtist": found.artist,
        "sortName": normalize_name(found.name),
    }


def artist(found: Artist) -> Element:
    """Return an artist."""
    return {
        "id": found.id,
        "name": found.name,
        "coverArt": found.id,
        "albumCount": len(found.albums),
        "sortName": found.sort_name,
    }


def artist_index(artists: Iterable[Artist]) -> Element:
    """Return artists, which are sorted, under their first letters; others stand under ``#``."""
    letters: dict[str, list[Element]] = {}
    for each in artists:
        first = each.sort_name[:1].upper()
        letters.setdefault(first if first.isalpha() else "#", []).append(artist(each))
    index = [{"name": letter, "artist": found} for letter, found in letters.items()]
    return {"ignoredArticles": IGNORED_ARTICLES, "index": index}


def genre(found: Genre) -> Element:
    """Return a genre."""
    return {"value": found.genre, "songCount": found.tracks, "albumCount": found.albums}


def sonic_match(element: Element, similarity: float) -> Element:
    """Return a song with its similarity of -1 to 1, which the protocol has from 0 to 1."""
    return {"entry": element, "similarity": round((1 + min(1.0, max(-1.0, similarity))) / 2, 4)}


def _replay_gain(music: MusicAnalysis | None) -> Element:
    """Return how players bring a song to the common loudness; empty if it is not known."""
    found = music and replay_gain(music.loudness)
    return _without_empty({"trackGain": found.gain_db, "trackPeak": found.peak}) if found else {}


def _artist_name(name: str | None) -> Element:
    return {"id": artist_id(name), "name": name or NO_ARTIST}


def _title(track: Track) -> str:
    """Return the title of a track, else the name of its file without suffix."""
    return track.title or printable(PurePath(track.path or "").stem) or f"Track {track.id}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _without_empty(values: Element) -> Element:
    return {name: value for name, value in values.items() if value is not None}
